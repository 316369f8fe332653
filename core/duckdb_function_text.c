/* Native functions on text: the parts of strings, edit distances, URLs, numbers as text. See duckdb_function_row.h. */
#include "duckdb_function_row.h"
#include "number_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t bigint(const struct sm_fn_row *r, unsigned argument)
{
	return ((const int64_t *)r->data[argument])[r->row];
}

static void give_text(struct sm_fn_row *r)
{
	sm_fn_set_text(r, r->text->data != NULL ? r->text->data : "", r->text->len);
}

/* ---- characters ---- */

static bool starts_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static int64_t count_characters(struct sm_slice s)
{
	int64_t count = 0;

	for (size_t i = 0; i < s.len; i++)
		count += starts_character(s.bytes[i]);
	return count;
}

/* Byte position of the n-th character, from 0; the length when there are fewer. */
static size_t character_at(struct sm_slice s, int64_t n)
{
	size_t i = 0;

	for (; i < s.len; i++)
		if (starts_character(s.bytes[i]) && n-- == 0)
			break;
	return i;
}

/* From 1; negative counts from the end; 0 and beyond the ends are nothing. */
static void substring(struct sm_fn_row *r, int64_t start, int64_t length)
{
	struct sm_slice s = sm_fn_text(r, 0);
	int64_t count = count_characters(s);
	size_t from, to;

	if (start < 0)
		start = start < -count ? 0 : count + start + 1;
	if (start <= 0 || start > count || length <= 0) {
		sm_fn_set_text(r, "", 0);
		return;
	}
	from = character_at(s, start - 1);
	to = length > count - start ? s.len : character_at(s, start - 1 + length);
	sm_fn_set_text(r, s.bytes + from, to - from);
}

static void substr_2(struct sm_fn_row *r)
{
	substring(r, bigint(r, 1), INT64_MAX);
}

static void substr_3(struct sm_fn_row *r)
{
	substring(r, bigint(r, 1), bigint(r, 2));
}

static void split_part(struct sm_fn_row *r)
{
	struct sm_slice s = sm_fn_text(r, 0), by = sm_fn_text(r, 1);
	int64_t wanted = bigint(r, 2);
	const char *at = s.bytes, *end = s.bytes + s.len, *next;

	if (wanted <= 0) {
		sm_fn_fail(r, "Index must be greater than zero");
		return;
	}
	if (by.len == 0) {
		sm_fn_fail(r, "The delimiter may not be the empty string");
		return;
	}
	while ((next = memmem(at, (size_t)(end - at), by.bytes, by.len)) != NULL && --wanted > 0)
		at = next + by.len;
	if (next != NULL)
		sm_fn_set_text(r, at, (size_t)(next - at));
	else if (wanted == 1)
		sm_fn_set_text(r, at, (size_t)(end - at));
	else
		sm_fn_set_null(r);
}

/* ---- distances, in characters ---- */

static uint32_t *characters(struct sm_slice s, size_t *count)
{
	uint32_t *out = malloc((s.len + 1) * sizeof *out);

	*count = 0;
	for (size_t i = 0; out != NULL && i < s.len; i++) {
		if (starts_character(s.bytes[i]))
			out[(*count)++] = (unsigned char)s.bytes[i];
		else if (*count > 0)
			out[*count - 1] = out[*count - 1] << 8 | (unsigned char)s.bytes[i];
	}
	return out;
}

static int64_t edit_distance(const uint32_t *a, size_t n, const uint32_t *b, size_t m, int64_t *line)
{
	for (size_t j = 0; j <= m; j++)
		line[j] = (int64_t)j;
	for (size_t i = 1; i <= n; i++) {
		int64_t corner = line[0];
		line[0] = (int64_t)i;
		for (size_t j = 1; j <= m; j++) {
			int64_t above = line[j], best = corner + (a[i - 1] != b[j - 1]);
			if (above + 1 < best)
				best = above + 1;
			if (line[j - 1] + 1 < best)
				best = line[j - 1] + 1;
			line[j] = best;
			corner = above;
		}
	}
	return line[m];
}

#define DISTANCE_WORK_MAX 100000000u

static void levenshtein(struct sm_fn_row *r)
{
	size_t n, m;
	uint32_t *a = characters(sm_fn_text(r, 0), &n), *b = characters(sm_fn_text(r, 1), &m);
	int64_t *line = malloc((m + 1) * sizeof *line);

	if (a == NULL || b == NULL || line == NULL)
		sm_fn_fail(r, "no memory for a distance");
	else if (n != 0 && m > DISTANCE_WORK_MAX / n)
		sm_fn_fail(r, "The combined inputs for Levenshtein distance are too large");
	else
		((int64_t *)r->out)[r->row] = edit_distance(a, n, b, m, line);
	free(a);
	free(b);
	free(line);
}

static void hamming(struct sm_fn_row *r)
{
	size_t n, m;
	uint32_t *a = characters(sm_fn_text(r, 0), &n), *b = characters(sm_fn_text(r, 1), &m);
	int64_t distance = 0;

	if (a == NULL || b == NULL) {
		sm_fn_fail(r, "no memory for a distance");
	} else if (n != m) {
		sm_fn_fail(r, "The input strings to hamming_distance function must have the same length");
	} else {
		for (size_t i = 0; i < n; i++)
			distance += a[i] != b[i];
		((int64_t *)r->out)[r->row] = distance;
	}
	free(a);
	free(b);
}

/* ---- numbers as text ---- */

static void java_double(struct sm_fn_row *r)
{
	char text[SM_DOUBLE_TEXT_MAX];
	char *end = sm_text_double(text, ((const double *)r->data[0])[r->row]);

	sm_fn_set_text(r, text, (size_t)(end - text));
}

static void java_float(struct sm_fn_row *r)
{
	char text[SM_DOUBLE_TEXT_MAX];
	char *end = sm_text_float(text, ((const float *)r->data[0])[r->row]);

	sm_fn_set_text(r, text, (size_t)(end - text));
}

/* 1.2E3: what CAST to varchar gives; zero is 0E0. */
static void cast_text(struct sm_fn_row *r, double value, struct sm_digits d)
{
	char text[SM_DOUBLE_TEXT_MAX + 8], *at = text, *end;

	if (!isfinite(value)) {
		end = sm_text_double(text, value);
		sm_fn_set_text(r, text, (size_t)(end - text));
		return;
	}
	if (signbit(value))
		*at++ = '-';
	end = sm_text_uint64(at + 1, d.digits);
	at[0] = at[1];
	at[1] = '.';
	d.exponent += (int)(end - at) - 2;
	if (d.digits == 0)
		end = at + 1;
	else if (end == at + 2)
		*end++ = '0';
	*end++ = 'E';
	end = sm_text_int64(end, d.exponent);
	sm_fn_set_text(r, text, (size_t)(end - text));
}

static void cast_double(struct sm_fn_row *r)
{
	double value = ((const double *)r->data[0])[r->row];

	cast_text(r, value, isfinite(value) ? sm_double_digits(fabs(value)) : (struct sm_digits){0, 0});
}

static void cast_float(struct sm_fn_row *r)
{
	float value = ((const float *)r->data[0])[r->row];

	cast_text(r, (double)value, isfinite(value) ? sm_float_digits(fabsf(value)) : (struct sm_digits){0, 0});
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
}

static bool check_radix(struct sm_fn_row *r, int64_t radix)
{
	if (radix >= 2 && radix <= 36)
		return true;
	sm_fn_fail(r, "Radix must be between 2 and 36");
	return false;
}

static void from_base(struct sm_fn_row *r)
{
	struct sm_slice s = sm_fn_text(r, 0);
	int64_t radix = bigint(r, 1), value = 0;
	bool minus = s.len > 0 && s.bytes[0] == '-', good = s.len > (size_t)minus;

	if (!check_radix(r, radix))
		return;
	for (size_t i = minus || (s.len > 1 && s.bytes[0] == '+'); i < s.len && good; i++)
		good = digit_of(s.bytes[i]) < radix && !__builtin_mul_overflow(value, radix, &value) &&
		       !__builtin_sub_overflow(value, digit_of(s.bytes[i]), &value);
	if (!good || (!minus && value == INT64_MIN))
		sm_fn_fail(r, "Not a valid base-%d number: %.*s", (int)radix, (int)s.len, s.bytes);
	else
		((int64_t *)r->out)[r->row] = minus ? value : -value;
}

static void to_base(struct sm_fn_row *r)
{
	int64_t value = bigint(r, 0), radix = bigint(r, 1);
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char text[66], *at = text + sizeof text;

	if (!check_radix(r, radix))
		return;
	do {
		*--at = "0123456789abcdefghijklmnopqrstuvwxyz"[rest % (uint64_t)radix];
		rest /= (uint64_t)radix;
	} while (rest != 0);
	if (value < 0)
		*--at = '-';
	sm_fn_set_text(r, at, (size_t)(text + sizeof text - at));
}

/* ---- regular expressions: Java's replacement text in the engine's spelling ---- */

/* Number of the capturing group called name, or 0. */
static int group_number(struct sm_slice pattern, const char *name, size_t len)
{
	const char *p = pattern.bytes, *end = p + pattern.len;
	bool in_class = false;
	int number = 0;

	for (; p < end; p++) {
		if (*p == '\\') {
			p++;
		} else if (in_class) {
			in_class = *p != ']';
		} else if (*p == '[') {
			in_class = true;
		} else if (*p == '(') {
			const char *tag = p + 1;
			bool plain = tag == end || *tag != '?';
			if (!plain && end - tag > 2 && tag[1] == 'P')
				tag++;
			bool named = !plain && end - tag > 2 && tag[1] == '<' && tag[2] != '=' && tag[2] != '!';
			number += plain || named;
			if (named && (size_t)(end - tag - 2) > len && memcmp(tag + 2, name, len) == 0 && tag[2 + len] == '>')
				return number;
		}
	}
	return 0;
}

/* The reference behind a $; returns the bytes used, 0 when it is wrong. */
static size_t group_reference(struct sm_fn_row *r, struct sm_slice pattern, const char *at, size_t len)
{
	const char *close;
	int number;

	if (len > 0 && at[0] >= '0' && at[0] <= '9') {
		sm_buf_addf(r->text, "\\%c", at[0]);
		return 1;
	}
	close = len > 0 && at[0] == '{' ? memchr(at, '}', len) : NULL;
	if (close == NULL) {
		sm_fn_fail(r, "Illegal replacement sequence: a $ must be followed by a group");
		return 0;
	}
	number = group_number(pattern, at + 1, (size_t)(close - at) - 1);
	if (number < 1 || number > 9) {
		sm_fn_fail(r, "Illegal replacement sequence: unknown group { %.*s }", (int)(close - at) - 1, at + 1);
		return 0;
	}
	sm_buf_addf(r->text, "\\%d", number);
	return (size_t)(close - at) + 1;
}

/* (pattern, "$1-${name}-\$") -> "\1-\2-$" */
static void regexp_replacement(struct sm_fn_row *r)
{
	struct sm_slice pattern = sm_fn_text(r, 0), s = sm_fn_text(r, 1);

	for (size_t i = 0; i < s.len && !r->failed; i++) {
		if (s.bytes[i] == '$') {
			i += group_reference(r, pattern, s.bytes + i + 1, s.len - i - 1);
			continue;
		}
		if (s.bytes[i] == '\\' && ++i == s.len) {
			sm_fn_fail(r, "Illegal replacement sequence: the last \\ escapes nothing");
			return;
		}
		if (s.bytes[i] == '\\')
			sm_buf_addc(r->text, '\\');
		sm_buf_addc(r->text, s.bytes[i]);
	}
	if (!r->failed)
		give_text(r);
}

const struct sm_fn sm_fn_text_list[] = {
    {"trino_substr", "vl", 'v', substr_2},
    {"trino_substr", "vll", 'v', substr_3},
    {"trino_split_part", "vvl", 'v', split_part},
    {"trino_levenshtein", "vv", 'l', levenshtein},
    {"trino_hamming_distance", "vv", 'l', hamming},
    {"trino_to_varchar", "d", 'v', cast_double},
    {"trino_to_varchar", "f", 'v', cast_float},
    {"trino_java_text", "d", 'v', java_double},
    {"trino_java_text", "f", 'v', java_float},
    {"trino_from_base", "vl", 'l', from_base},
    {"trino_to_base", "ll", 'v', to_base},
    {"trino_regexp_replacement", "vv", 'v', regexp_replacement},
    {NULL, NULL, 0, NULL},
};
