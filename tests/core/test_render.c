/* render: without an engine, on columns made by hand. What the engine's own types look like is in test_duckdb.c. */
#include "../../core/render.h"

#include "check.h"

#include <stdlib.h>

#define ROWS 3

/* Renders one VARCHAR column of one row. */
static const char *one_text(enum sm_format format, const char *bytes, size_t len, struct sm_buf *out)
{
	struct sm_duck_type type = {.name = (char *)"c", .id = DUCK_VARCHAR};
	union duck_string s;
	struct sm_render *render;
	struct sm_error err;
	uint64_t row = 0;

	memset(&s, 0, sizeof s);
	s.pointer.length = (uint32_t)len;
	if (len <= DUCK_INLINE)
		memcpy(s.inlined.bytes, bytes, len);
	else
		s.pointer.bytes = (char *)(uintptr_t)bytes;
	CHECK(sm_render_new(format, &type, 1, &render, &err) == SM_OK);
	sm_render_views(render)[0].data = &s;
	sm_buf_reset(out);
	CHECK(sm_render_rows(render, &row, 1, out, &err) == SM_OK);
	sm_render_free(render);
	return out->data;
}

TEST(json_text_is_escaped_and_always_utf8)
{
	struct sm_buf out;

	sm_buf_init(&out, 1 << 20);
	CHECK_STR(one_text(SM_FORMAT_ROWS, "plain", 5, &out), "[\"plain\"]\n");
	CHECK_STR(one_text(SM_FORMAT_ROWS, "", 0, &out), "[\"\"]\n");
	CHECK_STR(one_text(SM_FORMAT_ROWS, "eight888\"\\/\b\f\n\r\t\x01\x1f\x7f", 19, &out),
	          "[\"eight888\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"]\n");
	CHECK_STR(one_text(SM_FORMAT_ROWS, "a\0b", 3, &out), "[\"a\\u0000b\"]\n");
	CHECK_STR(one_text(SM_FORMAT_ROWS, "sixteen letters é € 😀!", 27, &out), "[\"sixteen letters é € 😀\"]\n");
	/* cut, overlong, surrogate, beyond the last character, stray continuation */
	CHECK_STR(one_text(SM_FORMAT_ROWS, "\xc3", 1, &out), "[\"\xef\xbf\xbd\"]\n");
	CHECK_STR(one_text(SM_FORMAT_ROWS, "\xc0\xaf", 2, &out), "[\"\xef\xbf\xbd\xef\xbf\xbd\"]\n");
	CHECK_STR(one_text(SM_FORMAT_ROWS, "\xed\xa0\x80", 3, &out), "[\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"]\n");
	CHECK_STR(one_text(SM_FORMAT_ROWS, "\xf4\x90\x80\x80x", 5, &out),
	          "[\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\"]\n");
	CHECK_STR(one_text(SM_FORMAT_NDJSON, "x\x80y", 3, &out), "{\"c\":\"x\xef\xbf\xbdy\"}\n");
	sm_buf_free(&out);
}

TEST(every_length_and_place_of_a_special_byte)
{
	struct sm_buf out;
	char bytes[40], want[128];

	sm_buf_init(&out, 1 << 20);
	for (size_t len = 1; len < sizeof bytes; len++) {
		for (size_t at = 0; at < len; at++) {
			memset(bytes, 'x', len);
			bytes[at] = '"';
			snprintf(want, sizeof want, "[\"%.*s\\\"%.*s\"]\n", (int)at, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
			         (int)(len - at - 1), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
			CHECK_STR(one_text(SM_FORMAT_ROWS, bytes, len, &out), want);
		}
	}
	sm_buf_free(&out);
}

TEST(csv_doubles_quotes)
{
	struct sm_buf out;

	sm_buf_init(&out, 1 << 20);
	CHECK_STR(one_text(SM_FORMAT_CSV, "\"", 1, &out), "\"\"\"\"\n");
	CHECK_STR(one_text(SM_FORMAT_CSV, "a\"\"b,\n", 6, &out), "\"a\"\"\"\"b,\n\"\n");
	sm_buf_free(&out);
}

/* Two columns of three rows, the second with a NULL in the middle. */
static void bind_numbers(struct sm_render *render)
{
	static const int32_t numbers[ROWS] = {1, -2, 300};
	static const double reals[ROWS] = {0.5, 0, 1e300};
	static const uint64_t valid = 5; /* binary 101 */

	sm_render_views(render)[0].data = numbers;
	sm_render_views(render)[1].data = reals;
	sm_render_views(render)[1].valid = &valid;
}

static const struct sm_duck_type numbers_types[] = {
    {.name = (char *)"i", .id = DUCK_INTEGER},
    {.name = (char *)"r", .id = DUCK_DOUBLE},
};

static const char *numbers(enum sm_format format, struct sm_buf *out)
{
	struct sm_render *render;
	struct sm_error err;
	uint64_t row = 0;

	CHECK(sm_render_new(format, numbers_types, 2, &render, &err) == SM_OK);
	bind_numbers(render);
	sm_buf_reset(out);
	CHECK(sm_render_header(format, numbers_types, 2, out) == SM_OK);
	CHECK(sm_render_rows(render, &row, ROWS, out, &err) == SM_OK);
	CHECK(row == ROWS);
	sm_render_free(render);
	return out->data;
}

TEST(the_three_formats)
{
	struct sm_buf out;

	sm_buf_init(&out, 1 << 20);
	CHECK_STR(numbers(SM_FORMAT_ROWS, &out), "[\"1\",\"0.5\"]\n[\"-2\",null]\n[\"300\",\"1.0E300\"]\n");
	CHECK_STR(numbers(SM_FORMAT_CSV, &out), "\"i\",\"r\"\n\"1\",\"0.5\"\n\"-2\",\n\"300\",\"1.0E300\"\n");
	CHECK_STR(numbers(SM_FORMAT_NDJSON, &out),
	          "{\"i\":1,\"r\":0.5}\n{\"i\":-2,\"r\":null}\n{\"i\":300,\"r\":1.0E300}\n");
	sm_buf_free(&out);
}

/* Whatever the maximum: whole rows only, all of them in the end, never more bytes than allowed. */
TEST(a_full_buffer_takes_the_row_back)
{
	struct sm_buf all, piece, joined;
	struct sm_render *render;
	struct sm_error err;
	const char *want;

	sm_buf_init(&all, 1 << 20);
	sm_buf_init(&joined, 1 << 20);
	want = numbers(SM_FORMAT_ROWS, &all);
	CHECK(sm_render_new(SM_FORMAT_ROWS, numbers_types, 2, &render, &err) == SM_OK);
	bind_numbers(render);
	for (size_t max = 1; max < 100; max++) {
		enum sm_status status = SM_OK;
		uint64_t row = 0;
		sm_buf_reset(&joined);
		while (row < ROWS && status == SM_OK) {
			sm_buf_init(&piece, max);
			status = sm_render_rows(render, &row, ROWS, &piece, &err);
			CHECK(piece.len <= max);
			CHECK(piece.len == 0 || piece.data[piece.len - 1] == '\n');
			CHECK(status == SM_OK || (status == SM_LIMIT && piece.len == 0));
			sm_buf_add(&joined, piece.data, piece.len);
			sm_buf_free(&piece);
		}
		if (status == SM_OK)
			CHECK_STR(joined.data, want);
		CHECK(status == SM_OK || max < 64);
	}
	sm_render_free(render);
	sm_buf_free(&joined);
	sm_buf_free(&all);
}

TEST(only_strict_json_is_spliced)
{
	static const char *const good[] = {"{}", "[1,-2.5e+3,0]", " {\"a\" : [true,false,null,\"\\u00e9\\n\"]} ", "\"x\"",
	                                   "0"};
	static const char *const bad[] = {"",      "{",       "[1,]",  "{\"a\":1,}", "NaN",      "01", "1.", "'x'",
	                                  "{a:1}", "\"\\x\"", "[1] 2", "tru",        "\"a\nb\"", "-",  "1e"};
	struct sm_duck_type type = {.name = (char *)"j", .id = DUCK_VARCHAR, .json = true};

	for (size_t i = 0; i < sizeof good / sizeof *good + sizeof bad / sizeof *bad; i++) {
		bool is_good = i < sizeof good / sizeof *good;
		const char *text = is_good ? good[i] : bad[i - sizeof good / sizeof *good];
		union duck_string s = {.pointer = {.length = (uint32_t)strlen(text)}};
		struct sm_render *render;
		struct sm_error err;
		struct sm_buf out;
		uint64_t row = 0;
		if (strlen(text) <= DUCK_INLINE)
			memcpy(s.inlined.bytes, text, strlen(text));
		else
			s.pointer.bytes = (char *)(uintptr_t)text;
		sm_buf_init(&out, 1 << 20);
		CHECK(sm_render_new(SM_FORMAT_NDJSON, &type, 1, &render, &err) == SM_OK);
		sm_render_views(render)[0].data = &s;
		CHECK(sm_render_rows(render, &row, 1, &out, &err) == SM_OK);
		CHECK(is_good == (strncmp(out.data + 5, text, strlen(text)) == 0 && out.data[5 + strlen(text)] == '}'));
		sm_render_free(render);
		sm_buf_free(&out);
	}
}

int main(void)
{
	RUN(json_text_is_escaped_and_always_utf8);
	RUN(every_length_and_place_of_a_special_byte);
	RUN(csv_doubles_quotes);
	RUN(the_three_formats);
	RUN(a_full_buffer_takes_the_row_back);
	RUN(only_strict_json_is_spliced);
	return check_report();
}
