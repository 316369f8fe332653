/* Native functions on dates and times with patterns, and ISO 8601. See duckdb_function_row.h and date_pattern.h. */
#include "civil.h"
#include "date_pattern.h"
#include "duckdb_function_row.h"

#include <string.h>

#define DAY_MICROS ((int64_t)86400000000)

static int64_t micros_of(const struct sm_fn_row *r)
{
	return ((const int64_t *)r->data[0])[r->row];
}

static void give_text(struct sm_fn_row *r)
{
	sm_fn_set_text(r, r->text->data != NULL ? r->text->data : "", r->text->len);
}

static bool compile(struct sm_fn_row *r, enum sm_pattern_style style, struct sm_slice format, struct sm_pattern *out)
{
	struct sm_error err;

	if (sm_pattern_compile(style, format.bytes, format.len, out, &err) == SM_OK)
		return true;
	sm_fn_fail(r, "%s", err.message);
	return false;
}

static void format_with(struct sm_fn_row *r, enum sm_pattern_style style, int64_t micros)
{
	struct sm_pattern pattern;

	if (!compile(r, style, sm_fn_text(r, 1), &pattern))
		return;
	sm_pattern_format(&pattern, micros, r->text);
	give_text(r);
}

/* Trino's answers have milliseconds. */
static int64_t to_millis(int64_t micros)
{
	return sm_floor_div(micros, 1000, NULL) * 1000;
}

static void parse_with(struct sm_fn_row *r, enum sm_pattern_style style)
{
	struct sm_slice text = sm_fn_text(r, 0);
	struct sm_pattern pattern;
	struct sm_error err;
	int64_t micros;

	if (!compile(r, style, sm_fn_text(r, 1), &pattern))
		return;
	if (sm_pattern_parse(&pattern, text.bytes, text.len, &micros, &err) != SM_OK)
		sm_fn_fail(r, "%s", err.message);
	else
		((int64_t *)r->out)[r->row] = to_millis(micros);
}

static void date_format(struct sm_fn_row *r)
{
	format_with(r, SM_PATTERN_MYSQL, micros_of(r));
}

static void format_datetime(struct sm_fn_row *r)
{
	format_with(r, SM_PATTERN_JODA, micros_of(r));
}

static int64_t micros_of_date(const struct sm_fn_row *r)
{
	return ((const int32_t *)r->data[0])[r->row] * DAY_MICROS;
}

static void date_format_date(struct sm_fn_row *r)
{
	format_with(r, SM_PATTERN_MYSQL, micros_of_date(r));
}

static void format_datetime_date(struct sm_fn_row *r)
{
	format_with(r, SM_PATTERN_JODA, micros_of_date(r));
}

static void date_parse(struct sm_fn_row *r)
{
	parse_with(r, SM_PATTERN_MYSQL);
}

static void parse_datetime(struct sm_fn_row *r)
{
	parse_with(r, SM_PATTERN_JODA);
}

/* ---- ISO 8601 ---- */

static const char *const iso_dates[] = {"yyyy-MM-dd", "yyyy-MM", "yyyy-DDD", "yyyy", "xxxx-'W'ww-e", "xxxx-'W'ww"};
static const char *const iso_times[] = {"HH:mm:ss.SSSSSS", "HH:mm:ss", "HH:mm", "HH", "HH:mm:ss,SSSSSS"};

static bool parse_any(const char *const *formats, size_t count, const char *bytes, size_t len, int64_t *micros)
{
	struct sm_pattern pattern;

	for (size_t i = 0; i < count; i++)
		if (sm_pattern_compile(SM_PATTERN_JODA, formats[i], strlen(formats[i]), &pattern, NULL) == SM_OK &&
		    sm_pattern_parse(&pattern, bytes, len, micros, NULL) == SM_OK)
			return true;
	return false;
}

/* Position of the zone in a time: Z, + or -. */
static size_t zone_at(const char *bytes, size_t len)
{
	size_t i = 0;

	while (i < len && strchr("Zz+-", bytes[i]) == NULL)
		i++;
	return i;
}

static bool parse_iso(struct sm_slice s, int64_t *micros)
{
	const char *t = memchr(s.bytes, 'T', s.len);
	size_t date = t != NULL ? (size_t)(t - s.bytes) : s.len, rest = s.len - date, clock;
	int64_t part = 0;

	if (!parse_any(iso_dates, sizeof iso_dates / sizeof *iso_dates, s.bytes, date, micros))
		return false;
	if (t == NULL || rest == 1)
		return true;
	clock = zone_at(t + 1, rest - 1);
	if (!parse_any(iso_times, sizeof iso_times / sizeof *iso_times, t + 1, clock, &part))
		return false;
	*micros += part;
	if (clock == rest - 1)
		return true;
	/* A zone alone is read as a time of 1970 that lies its offset before midnight. */
	if (!parse_any((const char *const[]){"Z"}, 1, t + 1 + clock, rest - 1 - clock, &part))
		return false;
	*micros += part;
	return true;
}

static void from_iso8601_timestamp(struct sm_fn_row *r)
{
	struct sm_slice s = sm_fn_text(r, 0);
	int64_t micros;

	if (parse_iso(s, &micros))
		((int64_t *)r->out)[r->row] = to_millis(micros);
	else
		sm_fn_fail(r, "Invalid format: \"%.*s\"", (int)s.len, s.bytes);
}

static void from_iso8601_date(struct sm_fn_row *r)
{
	struct sm_slice s = sm_fn_text(r, 0);
	int64_t micros;

	if (parse_any(iso_dates, sizeof iso_dates / sizeof *iso_dates, s.bytes, s.len, &micros))
		((int32_t *)r->out)[r->row] = (int32_t)(micros / DAY_MICROS);
	else
		sm_fn_fail(r, "Invalid format: \"%.*s\"", (int)s.len, s.bytes);
}

static void to_iso(struct sm_fn_row *r, const char *format, int64_t micros)
{
	struct sm_pattern pattern;

	sm_pattern_compile(SM_PATTERN_JODA, format, strlen(format), &pattern, NULL);
	sm_pattern_format(&pattern, micros, r->text);
	give_text(r);
}

static void to_iso8601_date(struct sm_fn_row *r)
{
	to_iso(r, "yyyy-MM-dd", micros_of_date(r));
}

static void to_iso8601_timestamp(struct sm_fn_row *r)
{
	int64_t micros = micros_of(r);

	to_iso(r, micros % 1000 == 0 ? "yyyy-MM-dd'T'HH:mm:ss.SSS" : "yyyy-MM-dd'T'HH:mm:ss.SSSSSS", micros);
}

static void to_iso8601_zoned(struct sm_fn_row *r)
{
	int64_t micros = micros_of(r);

	to_iso(r, micros % 1000 == 0 ? "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'" : "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'", micros);
}

const struct sm_fn sm_fn_time_list[] = {
    {"trino_date_format", "Tv", 'v', date_format},
    {"trino_date_format", "Zv", 'v', date_format},
    {"trino_date_format", "Dv", 'v', date_format_date},
    {"trino_format_datetime", "Tv", 'v', format_datetime},
    {"trino_format_datetime", "Zv", 'v', format_datetime},
    {"trino_format_datetime", "Dv", 'v', format_datetime_date},
    {"trino_date_parse", "vv", 'T', date_parse},
    {"trino_parse_datetime", "vv", 'Z', parse_datetime},
    {"trino_from_iso8601_timestamp", "v", 'Z', from_iso8601_timestamp},
    {"trino_from_iso8601_date", "v", 'D', from_iso8601_date},
    {"trino_to_iso8601", "D", 'v', to_iso8601_date},
    {"trino_to_iso8601", "T", 'v', to_iso8601_timestamp},
    {"trino_to_iso8601", "Z", 'v', to_iso8601_zoned},
    {NULL, NULL, 0, NULL},
};
