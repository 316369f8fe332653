/* records: every line is found, nothing else is, and odd texts do no harm. */
#include "../../core/records.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

static const char *find(const char *text, const char *key)
{
	static char value[64];
	struct sm_record record;
	if (!sm_records_find(text, strlen(text), key, strlen(key), &record))
		return "(none)";
	snprintf(value, sizeof(value), "%.*s", (int)record.value_len, record.value);
	return value;
}

TEST(finds_each_line_and_nothing_else)
{
	static const char text[] = "a\t1\nab\t2\nb\t\nshape.X\t{\"a\":\"b\"}\nz\tlast";
	CHECK_STR(find(text, "a"), "1");
	CHECK_STR(find(text, "ab"), "2");
	CHECK_STR(find(text, "b"), "");
	CHECK_STR(find(text, "shape.X"), "{\"a\":\"b\"}");
	CHECK_STR(find(text, "z"), "last");
	CHECK_STR(find(text, ""), "(none)");
	CHECK_STR(find(text, "aa"), "(none)");
	CHECK_STR(find(text, "shape"), "(none)");
	CHECK_STR(find(text, "zz"), "(none)");
}

TEST(lines_of_any_number)
{
	char text[8192];
	for (int count = 0; count < 200; count++) {
		size_t len = 0;
		for (int i = 0; i < count; i++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "key%03d\t%d\n", i, i);
		for (int i = 0; i < count; i++) {
			char key[16], value[16];
			struct sm_record record;
			snprintf(key, sizeof(key), "key%03d", i);
			snprintf(value, sizeof(value), "%d", i);
			CHECK(sm_records_find(text, len, key, 6, &record));
			CHECK(record.value_len == strlen(value) && memcmp(record.value, value, record.value_len) == 0);
		}
		CHECK(sm_records_lower(text, len, "key", 3) == 0);
		CHECK(sm_records_lower(text, len, "kez", 3) == len);
	}
}

TEST(long_values_are_passed_over)
{
	size_t len = 0, size = 3 * 100000 + 64;
	char *text = malloc(size);
	for (char c = 'a'; c <= 'c'; c++) {
		text[len++] = c;
		text[len++] = '\t';
		memset(text + len, c, 100000);
		len += 100000;
		text[len++] = '\n';
	}
	struct sm_record record;
	CHECK(sm_records_find(text, len, "b", 1, &record) && record.value_len == 100000 && record.value[0] == 'b');
	CHECK(!sm_records_find(text, len, "bb", 2, &record));
	free(text);
}

TEST(odd_texts_do_no_harm)
{
	static const char *const texts[] = {"", "\n", "\n\n\n", "\t", "no tab", "b\t1\na\t2\n", "\t\t\t\n\t\n"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sm_record record;
		size_t len = strlen(texts[i]), offset = 0;
		CHECK(!sm_records_find(texts[i], len, "zzz", 3, &record));
		while (offset < len) {
			size_t next = sm_records_read(texts[i], len, offset, &record);
			CHECK(next > offset && next <= len);
			offset = next;
		}
	}
	CHECK_STR(find("no tab", "no tab"), "");
}

TEST(keys_may_hold_bytes)
{
	static const char text[] = "a\0b\t1\n\xc3\xa9\t2\n";
	struct sm_record record;
	CHECK(sm_records_find(text, sizeof(text) - 1, "a\0b", 3, &record) && record.value[0] == '1');
	CHECK(sm_records_find(text, sizeof(text) - 1, "\xc3\xa9", 2, &record) && record.value[0] == '2');
}

int main(void)
{
	RUN(finds_each_line_and_nothing_else);
	RUN(lines_of_any_number);
	RUN(long_values_are_passed_over);
	RUN(odd_texts_do_no_harm);
	RUN(keys_may_hold_bytes);
	return check_report();
}
