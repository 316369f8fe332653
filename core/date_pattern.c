/* See date_pattern.h. Both styles compile to the same list of fields; writing and reading walk that list. */
#include "date_pattern.h"

#include "civil.h"
#include "number_text.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define DAY_MICROS ((int64_t)86400000000)
#define TWO_DIGIT_BASE 1970 /* 70 is 1970, 69 is 2069 */

enum kind {
	LITERAL,
	YEAR,
	YEAR_OF_CENTURY,
	CENTURY,
	ERA,
	WEEK_YEAR,
	WEEK_YEAR_OF_CENTURY,
	WEEK,
	DAY_OF_YEAR,
	MONTH,
	MONTH_SHORT,
	MONTH_LONG,
	DAY,
	WEEKDAY,
	WEEKDAY_SHORT,
	WEEKDAY_LONG,
	HALF_DAY,
	HOUR,      /* 0..23 */
	HOUR_24,   /* 1..24 */
	HOUR_HALF, /* 0..11 */
	HOUR_12,   /* 1..12 */
	MINUTE,
	SECOND,
	FRACTION,
	ZONE_OFFSET,
	ZONE_OFFSET_COLON,
	ZONE_NAME
};

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const weekdays[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

/* ---- compiling ---- */

static enum sm_status add(struct sm_pattern *p, int kind, unsigned width, unsigned digits, struct sm_error *err)
{
	if (p->count == SM_PATTERN_FIELDS)
		return sm_fail(err, SM_INVALID, "the date format is too long");
	p->fields[p->count++] = (struct sm_pattern_field){kind, (unsigned char)width, (unsigned char)digits, NULL, 0};
	return SM_OK;
}

static enum sm_status add_literal(struct sm_pattern *p, const char *text, size_t len, struct sm_error *err)
{
	struct sm_pattern_field *last = p->count > 0 ? &p->fields[p->count - 1] : NULL;

	if (last != NULL && last->kind == LITERAL && last->text + last->len == text) {
		last->len += len;
		return SM_OK;
	}
	if (add(p, LITERAL, 0, 0, err) != SM_OK)
		return SM_INVALID;
	p->fields[p->count - 1].text = text;
	p->fields[p->count - 1].len = len;
	return SM_OK;
}

struct letter {
	char letter;
	int kind;
	unsigned width;
	unsigned digits;
};

static const struct letter mysql_letters[] = {
    {'a', WEEKDAY_SHORT, 0, 0},
    {'b', MONTH_SHORT, 0, 0},
    {'c', MONTH, 1, 2},
    {'d', DAY, 2, 2},
    {'e', DAY, 1, 2},
    {'f', FRACTION, 6, 9},
    {'H', HOUR, 2, 2},
    {'h', HOUR_12, 2, 2},
    {'I', HOUR_12, 2, 2},
    {'i', MINUTE, 2, 2},
    {'j', DAY_OF_YEAR, 3, 3},
    {'k', HOUR, 1, 2},
    {'l', HOUR_12, 1, 2},
    {'M', MONTH_LONG, 0, 0},
    {'m', MONTH, 2, 2},
    {'p', HALF_DAY, 0, 0},
    {'S', SECOND, 2, 2},
    {'s', SECOND, 2, 2},
    {'v', WEEK, 2, 2},
    {'W', WEEKDAY_LONG, 0, 0},
    {'x', WEEK_YEAR, 4, 4},
    {'Y', YEAR, 4, 4},
    {'y', YEAR_OF_CENTURY, 2, 2},
};

static enum sm_status compile_mysql(const char *bytes, size_t len, struct sm_pattern *out, struct sm_error *err);

static enum sm_status mysql_letter(const char *at, struct sm_pattern *out, struct sm_error *err)
{
	if (*at == 'T')
		return compile_mysql("%H:%i:%s", 8, out, err);
	if (*at == 'r')
		return compile_mysql("%h:%i:%s %p", 11, out, err);
	if (strchr("DUuVwX", *at) != NULL && *at != '\0')
		return sm_fail(err, SM_INVALID, "%%%c not supported in date format string", *at);
	for (size_t i = 0; i < sizeof mysql_letters / sizeof *mysql_letters; i++)
		if (mysql_letters[i].letter == *at)
			return add(out, mysql_letters[i].kind, mysql_letters[i].width, mysql_letters[i].digits, err);
	return add_literal(out, at, 1, err); /* %% is %, and any other letter is itself */
}

static enum sm_status compile_mysql(const char *bytes, size_t len, struct sm_pattern *out, struct sm_error *err)
{
	enum sm_status status = SM_OK;

	for (size_t i = 0; i < len && status == SM_OK; i++) {
		if (bytes[i] != '%' || i + 1 == len)
			status = add_literal(out, bytes + i, 1, err);
		else
			status = mysql_letter(bytes + ++i, out, err);
	}
	return status;
}

static int joda_kind(char letter, unsigned count)
{
	switch (letter) {
	case 'y':
	case 'Y':
		return count == 2 ? YEAR_OF_CENTURY : YEAR;
	case 'x':
		return count == 2 ? WEEK_YEAR_OF_CENTURY : WEEK_YEAR;
	case 'M':
		return count >= 4 ? MONTH_LONG : count == 3 ? MONTH_SHORT : MONTH;
	case 'E':
		return count >= 4 ? WEEKDAY_LONG : WEEKDAY_SHORT;
	case 'Z':
		return count >= 3 ? ZONE_NAME : count == 2 ? ZONE_OFFSET_COLON : ZONE_OFFSET;
	case 'G':
		return ERA;
	case 'C':
		return CENTURY;
	case 'w':
		return WEEK;
	case 'e':
		return WEEKDAY;
	case 'D':
		return DAY_OF_YEAR;
	case 'd':
		return DAY;
	case 'a':
		return HALF_DAY;
	case 'H':
		return HOUR;
	case 'k':
		return HOUR_24;
	case 'K':
		return HOUR_HALF;
	case 'h':
		return HOUR_12;
	case 'm':
		return MINUTE;
	case 's':
		return SECOND;
	case 'S':
		return FRACTION;
	case 'z':
		return ZONE_NAME;
	default:
		return -1;
	}
}

/* Most digits a Joda field takes when something other than a number follows. */
static unsigned joda_digits(int kind)
{
	switch (kind) {
	case YEAR:
	case WEEK_YEAR:
	case CENTURY:
	case FRACTION:
		return 9;
	case DAY_OF_YEAR:
		return 3;
	case WEEKDAY:
		return 1;
	default:
		return 2;
	}
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* 'text' and '' for a quote; returns the bytes used. */
static size_t joda_quoted(const char *at, size_t len, struct sm_pattern *out, struct sm_error *err,
                          enum sm_status *status)
{
	size_t i = 1;

	if (len > 1 && at[1] == '\'') {
		*status = add_literal(out, at + 1, 1, err);
		return 2;
	}
	while (i < len && *status == SM_OK) {
		if (at[i] != '\'') {
			*status = add_literal(out, at + i++, 1, err);
		} else if (i + 1 < len && at[i + 1] == '\'') {
			*status = add_literal(out, at + i + 1, 1, err);
			i += 2;
		} else {
			return i + 1;
		}
	}
	return len;
}

static enum sm_status compile_joda(const char *bytes, size_t len, struct sm_pattern *out, struct sm_error *err)
{
	enum sm_status status = SM_OK;

	for (size_t i = 0; i < len && status == SM_OK;) {
		unsigned count = 1;
		int kind;
		if (bytes[i] == '\'') {
			i += joda_quoted(bytes + i, len - i, out, err, &status);
			continue;
		}
		if (!is_letter(bytes[i])) {
			status = add_literal(out, bytes + i++, 1, err);
			continue;
		}
		while (i + count < len && bytes[i + count] == bytes[i] && count < 200)
			count++;
		kind = joda_kind(bytes[i], count);
		if (kind < 0)
			return sm_fail(err, SM_INVALID, "Illegal pattern component: %.*s", (int)count, bytes + i);
		status = add(out, kind, count, joda_digits(kind), err);
		i += count;
	}
	return status;
}

static bool is_number(int kind)
{
	switch (kind) {
	case LITERAL:
	case ERA:
	case MONTH_SHORT:
	case MONTH_LONG:
	case WEEKDAY_SHORT:
	case WEEKDAY_LONG:
	case HALF_DAY:
	case ZONE_OFFSET:
	case ZONE_OFFSET_COLON:
	case ZONE_NAME:
		return false;
	default:
		return true;
	}
}

/* A number directly before another takes just its own digits: "yyyyMMdd". */
static void bound_neighbours(struct sm_pattern *p)
{
	for (size_t i = 0; i + 1 < p->count; i++) {
		struct sm_pattern_field *f = &p->fields[i];
		if (is_number(f->kind) && is_number(p->fields[i + 1].kind) && f->kind != FRACTION)
			f->digits = f->width;
		if (f->kind == FRACTION && is_number(p->fields[i + 1].kind))
			f->digits = f->width;
	}
}

enum sm_status sm_pattern_compile(enum sm_pattern_style style, const char *bytes, size_t len, struct sm_pattern *out,
                                  struct sm_error *err)
{
	enum sm_status status;

	out->count = 0;
	if (style == SM_PATTERN_MYSQL)
		return compile_mysql(bytes, len, out, err);
	status = compile_joda(bytes, len, out, err);
	if (status == SM_OK)
		bound_neighbours(out);
	return status;
}

/* ---- a point in time, taken apart ---- */

struct parts {
	struct sm_civil date;
	int64_t days;
	int64_t day_of_year;
	unsigned weekday;
	int64_t week_year;
	int64_t week;
	unsigned hour, minute, second;
	unsigned micros;
};

/* The Monday of week 1: the week that holds January 4th. */
static int64_t first_monday(int64_t year)
{
	int64_t fourth = sm_days_from_civil(year, 1, 4);

	return fourth - (sm_iso_weekday(fourth) - 1);
}

static void take_apart(int64_t micros, struct parts *p)
{
	int64_t rest;

	p->days = sm_floor_div(micros, DAY_MICROS, &rest);
	p->date = sm_civil_from_days(p->days);
	p->day_of_year = p->days - sm_days_from_civil(p->date.year, 1, 1) + 1;
	p->weekday = sm_iso_weekday(p->days);
	p->week_year = p->date.year;
	if (p->days >= first_monday(p->date.year + 1))
		p->week_year++;
	else if (p->days < first_monday(p->date.year))
		p->week_year--;
	p->week = (p->days - first_monday(p->week_year)) / 7 + 1;
	p->micros = (unsigned)(rest % 1000000);
	p->second = (unsigned)(rest / 1000000 % 60);
	p->minute = (unsigned)(rest / 60000000 % 60);
	p->hour = (unsigned)(rest / 3600000000);
}

/* ---- writing ---- */

static void put_number(struct sm_buf *out, int64_t value, unsigned width)
{
	char text[SM_INT64_TEXT_MAX], *end;
	size_t len;

	if (value < 0)
		sm_buf_addc(out, '-');
	end = sm_text_uint64(text, (uint64_t)(value < 0 ? -value : value));
	len = (size_t)(end - text);
	for (size_t i = len; i < width; i++)
		sm_buf_addc(out, '0');
	sm_buf_add(out, text, len);
}

static void put_fraction(struct sm_buf *out, unsigned micros, unsigned width)
{
	char text[6];

	sm_text_padded(text, micros, 6);
	for (unsigned i = 0; i < width; i++)
		sm_buf_addc(out, i < 6 ? text[i] : '0');
}

static int64_t number_of(int kind, const struct parts *p)
{
	switch (kind) {
	case YEAR:
		return p->date.year;
	case YEAR_OF_CENTURY:
		return (p->date.year < 0 ? -p->date.year : p->date.year) % 100;
	case CENTURY:
		return p->date.year / 100;
	case WEEK_YEAR:
		return p->week_year;
	case WEEK_YEAR_OF_CENTURY:
		return p->week_year % 100;
	case WEEK:
		return p->week;
	case DAY_OF_YEAR:
		return p->day_of_year;
	case MONTH:
		return p->date.month;
	case DAY:
		return p->date.day;
	case WEEKDAY:
		return p->weekday;
	case HOUR:
		return p->hour;
	case HOUR_24:
		return p->hour == 0 ? 24 : p->hour;
	case HOUR_HALF:
		return p->hour % 12;
	case HOUR_12:
		return p->hour % 12 == 0 ? 12 : p->hour % 12;
	case MINUTE:
		return p->minute;
	default:
		return p->second;
	}
}

static void put_field(struct sm_buf *out, const struct sm_pattern_field *f, const struct parts *p)
{
	switch (f->kind) {
	case LITERAL:
		sm_buf_add(out, f->text, f->len);
		break;
	case ERA:
		sm_buf_adds(out, p->date.year > 0 ? "AD" : "BC");
		break;
	case MONTH_SHORT:
		sm_buf_add(out, months[p->date.month - 1], 3);
		break;
	case MONTH_LONG:
		sm_buf_adds(out, months[p->date.month - 1]);
		break;
	case WEEKDAY_SHORT:
		sm_buf_add(out, weekdays[p->weekday - 1], 3);
		break;
	case WEEKDAY_LONG:
		sm_buf_adds(out, weekdays[p->weekday - 1]);
		break;
	case HALF_DAY:
		sm_buf_adds(out, p->hour < 12 ? "AM" : "PM");
		break;
	case FRACTION:
		put_fraction(out, p->micros, f->width);
		break;
	case ZONE_OFFSET:
		sm_buf_adds(out, "+0000");
		break;
	case ZONE_OFFSET_COLON:
		sm_buf_adds(out, "+00:00");
		break;
	case ZONE_NAME:
		sm_buf_adds(out, "UTC");
		break;
	default:
		put_number(out, number_of(f->kind, p), f->width);
		break;
	}
}

enum sm_status sm_pattern_format(const struct sm_pattern *pattern, int64_t micros, struct sm_buf *out)
{
	struct parts parts;

	take_apart(micros, &parts);
	for (size_t i = 0; i < pattern->count; i++)
		put_field(out, &pattern->fields[i], &parts);
	return sm_buf_reserve(out, 0);
}

/* ---- reading ---- */

struct reading {
	const char *at, *end;
	int64_t year, month, day, day_of_year, week_year, week, weekday, hour, minute, second, micros;
	bool has_week, has_day_of_year, has_half, pm, has_hour12;
	int64_t offset; /* microseconds east of UTC */
};

static bool read_digits(struct reading *r, unsigned most, int64_t *value, unsigned *count)
{
	*value = 0;
	for (*count = 0; *count < most && r->at < r->end && *r->at >= '0' && *r->at <= '9'; (*count)++)
		*value = *value * 10 + (*r->at++ - '0');
	return *count > 0;
}

static bool read_word(struct reading *r, const char *word, size_t len)
{
	if ((size_t)(r->end - r->at) < len || strncasecmp(r->at, word, len) != 0)
		return false;
	r->at += len;
	return true;
}

/* The long name when it is there, else its first three letters; counts from 1. */
static bool read_name(struct reading *r, const char *const *names, int64_t count, int64_t *value)
{
	for (int pass = 0; pass < 2; pass++) {
		for (int64_t i = 0; i < count; i++) {
			if (read_word(r, names[i], pass == 0 ? strlen(names[i]) : 3)) {
				*value = i + 1;
				return true;
			}
		}
	}
	return false;
}

static bool read_fraction(struct reading *r, unsigned most)
{
	int64_t value;
	unsigned count;

	if (!read_digits(r, most > 18 ? 18 : most, &value, &count))
		return false;
	for (; count < 6; count++)
		value *= 10;
	for (; count > 6; count--)
		value /= 10;
	r->micros = value;
	return true;
}

/* Z, +02:00, +0200 or +02. */
static bool read_offset(struct reading *r)
{
	int64_t hours, minutes = 0;
	unsigned count;
	bool west;

	if (read_word(r, "Z", 1))
		return true;
	if (r->at >= r->end || (*r->at != '+' && *r->at != '-'))
		return false;
	west = *r->at++ == '-';
	if (!read_digits(r, 2, &hours, &count) || count != 2)
		return false;
	if (r->at < r->end && *r->at == ':')
		r->at++;
	if (r->at < r->end && *r->at >= '0' && *r->at <= '9' && (!read_digits(r, 2, &minutes, &count) || count != 2))
		return false;
	r->offset = (hours * 60 + minutes) * 60000000 * (west ? -1 : 1);
	return true;
}

static bool read_zone(struct reading *r)
{
	return read_word(r, "UTC", 3) || read_word(r, "GMT", 3) || read_offset(r);
}

static bool read_number(struct reading *r, const struct sm_pattern_field *f)
{
	unsigned count;
	int64_t value;
	bool minus = (f->kind == YEAR || f->kind == WEEK_YEAR) && r->at < r->end && *r->at == '-';

	r->at += minus;
	if (!read_digits(r, f->digits, &value, &count))
		return false;
	value = minus ? -value : value;
	switch (f->kind) {
	case YEAR_OF_CENTURY:
		value += value < TWO_DIGIT_BASE % 100 ? 2000 : 1900;
		/* fall through */
	case YEAR:
		r->year = value;
		return true;
	case CENTURY:
		r->year = value * 100;
		return true;
	case WEEK_YEAR_OF_CENTURY:
		value += value < TWO_DIGIT_BASE % 100 ? 2000 : 1900;
		/* fall through */
	case WEEK_YEAR:
		r->week_year = value;
		r->has_week = true;
		return true;
	case WEEK:
		r->week = value;
		r->has_week = true;
		return value >= 1 && value <= 53;
	case WEEKDAY:
		r->weekday = value;
		return value >= 1 && value <= 7;
	case DAY_OF_YEAR:
		r->day_of_year = value;
		r->has_day_of_year = true;
		return value >= 1 && value <= 366;
	case MONTH:
		r->month = value;
		return value >= 1 && value <= 12;
	case DAY:
		r->day = value;
		return value >= 1 && value <= 31;
	case HOUR:
		r->hour = value;
		return value <= 23;
	case HOUR_24:
		r->hour = value % 24;
		return value >= 1 && value <= 24;
	case HOUR_HALF:
		r->hour = value;
		r->has_hour12 = true;
		return value <= 11;
	case HOUR_12:
		r->hour = value % 12;
		r->has_hour12 = true;
		return value >= 1 && value <= 12;
	case MINUTE:
		r->minute = value;
		return value <= 59;
	default:
		r->second = value;
		return value <= 59;
	}
}

static bool read_field(struct reading *r, const struct sm_pattern_field *f)
{
	switch (f->kind) {
	case LITERAL:
		return read_word(r, f->text, f->len);
	case ERA:
		return read_word(r, "AD", 2);
	case MONTH_SHORT:
	case MONTH_LONG:
		return read_name(r, months, 12, &r->month);
	case WEEKDAY_SHORT:
	case WEEKDAY_LONG:
		return read_name(r, weekdays, 7, &r->weekday);
	case HALF_DAY:
		r->pm = read_word(r, "PM", 2);
		r->has_half = true;
		return r->pm || read_word(r, "AM", 2);
	case FRACTION:
		return read_fraction(r, f->digits);
	case ZONE_OFFSET:
	case ZONE_OFFSET_COLON:
		return read_offset(r);
	case ZONE_NAME:
		return read_zone(r);
	default:
		return read_number(r, f);
	}
}

static bool put_together(const struct reading *r, int64_t *micros)
{
	int64_t days;

	if (r->has_week) {
		days = first_monday(r->week_year) + (r->week - 1) * 7 + r->weekday - 1;
	} else if (r->has_day_of_year) {
		if (r->day_of_year > (sm_is_leap_year(r->year) ? 366 : 365))
			return false;
		days = sm_days_from_civil(r->year, 1, 1) + r->day_of_year - 1;
	} else {
		if (r->day > sm_days_in_month(r->year, (unsigned)r->month))
			return false;
		days = sm_days_from_civil(r->year, (unsigned)r->month, (unsigned)r->day);
	}
	if (days < -106000000 || days > 106000000) /* what 64 bits of microseconds hold */
		return false;
	*micros = days * DAY_MICROS + (r->hour + (r->has_half && r->pm && r->has_hour12 ? 12 : 0)) * 3600000000 +
	          r->minute * 60000000 + r->second * 1000000 + r->micros - r->offset;
	return true;
}

enum sm_status sm_pattern_parse(const struct sm_pattern *pattern, const char *bytes, size_t len, int64_t *micros,
                                struct sm_error *err)
{
	struct reading r = {.at = bytes,
	                    .end = bytes + len,
	                    .year = 1970,
	                    .month = 1,
	                    .day = 1,
	                    .week_year = 1970,
	                    .week = 1,
	                    .weekday = 1};

	for (size_t i = 0; i < pattern->count; i++) {
		const char *before = r.at;
		if (!read_field(&r, &pattern->fields[i])) {
			r.at = before;
			return sm_fail(err, SM_INVALID,
			               before == r.end ? "Invalid format: \"%.*s\" is too short"
			                               : "Invalid format: \"%.*s\" is malformed at \"%.*s\"",
			               (int)len, bytes, (int)(r.end - before), before);
		}
	}
	if (r.at != r.end)
		return sm_fail(err, SM_INVALID, "Invalid format: \"%.*s\" is malformed at \"%.*s\"", (int)len, bytes,
		               (int)(r.end - r.at), r.at);
	if (!put_together(&r, micros))
		return sm_fail(err, SM_INVALID, "Cannot parse \"%.*s\": no such day", (int)len, bytes);
	return SM_OK;
}
