#include "datetime.h"

#include "civil.h"

#include <stdbool.h>

#define DAY_SECONDS 86400
#define SECOND_US 1000000

/* A number of width digits at out; where the next text goes. By hand: every answer and log line has times. */
static char *put_number(char *out, int number, int width)
{
	for (int i = width; i-- > 0; number /= 10)
		out[i] = (char)('0' + number % 10);
	return out + width;
}

static char *put_char(char *out, char c)
{
	*out = c;
	return out + 1;
}

static char *put_date(char *out, int64_t us)
{
	struct sm_civil date = sm_civil_from_days(sm_floor_div(us, (int64_t)DAY_SECONDS * SECOND_US, NULL));
	out = put_char(put_number(out, (int)date.year, 4), '-');
	out = put_char(put_number(out, (int)date.month, 2), '-');
	return put_number(out, (int)date.day, 2);
}

static char *put_clock(char *out, int seconds)
{
	out = put_char(put_number(out, seconds / 3600, 2), ':');
	out = put_char(put_number(out, seconds / 60 % 60, 2), ':');
	return put_number(out, seconds % 60, 2);
}

int sm_datetime_format_date(int64_t us, char out[SM_DATETIME_SIZE])
{
	char *end = put_date(out, us);
	*end = '\0';
	return (int)(end - out);
}

int sm_datetime_format(int64_t us, int digits, char out[SM_DATETIME_SIZE])
{
	int64_t rest, second_of_day;
	sm_floor_div(sm_floor_div(us, SECOND_US, &rest), DAY_SECONDS, &second_of_day);
	int fraction = (int)rest;
	char *end = put_char(put_date(out, us), 'T');
	end = put_clock(end, (int)second_of_day);
	for (int i = digits; i < 6; i++)
		fraction /= 10;
	if (digits > 0)
		end = put_number(put_char(end, '.'), fraction, digits);
	end = put_char(end, 'Z');
	*end = '\0';
	return (int)(end - out);
}

/* ---- reading ---- */

struct reader {
	const char *at, *end;
};

/* Exactly count digits; -1 otherwise. */
static int read_digits(struct reader *r, int count)
{
	int value = 0;
	for (; count > 0; count--, r->at++) {
		if (r->at == r->end || *r->at < '0' || *r->at > '9')
			return -1;
		value = value * 10 + (*r->at - '0');
	}
	return value;
}

static bool read_char(struct reader *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static bool read_date(struct reader *r, int64_t *days)
{
	int year = read_digits(r, 4);
	bool dashes = read_char(r, '-');
	int month = dashes ? read_digits(r, 2) : -1;
	dashes = dashes && read_char(r, '-');
	int day = dashes ? read_digits(r, 2) : -1;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > (int)sm_days_in_month(year, (unsigned)month))
		return false;
	*days = sm_days_from_civil(year, (unsigned)month, (unsigned)day);
	return true;
}

/* ".123": microseconds; digits beyond the sixth are read and dropped. */
static bool read_fraction(struct reader *r, int64_t *us)
{
	int64_t unit = SECOND_US;
	const char *first = r->at;
	for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
		unit /= 10;
		*us += unit * (*r->at - '0');
	}
	return r->at > first;
}

static bool read_clock(struct reader *r, int64_t *us)
{
	int hour = read_digits(r, 2), minute, second = 0;
	if (hour < 0 || hour > 23 || !read_char(r, ':'))
		return false;
	minute = read_digits(r, 2);
	if (minute < 0 || minute > 59)
		return false;
	*us = 0;
	if (read_char(r, ':')) {
		second = read_digits(r, 2);
		if (second < 0 || second > 59)
			return false;
		if (read_char(r, '.') && !read_fraction(r, us))
			return false;
	}
	*us += (int64_t)(hour * 3600 + minute * 60 + second) * SECOND_US;
	return true;
}

/* Sets the seconds east of UTC; at the end of the text there is no zone, which means UTC. */
static bool read_zone(struct reader *r, int *seconds)
{
	*seconds = 0;
	if (r->at == r->end || read_char(r, 'Z'))
		return true;
	int sign = read_char(r, '+') ? 1 : read_char(r, '-') ? -1 : 0;
	int hour = sign != 0 ? read_digits(r, 2) : -1, minute = 0;
	if (r->at < r->end) {
		read_char(r, ':');
		minute = read_digits(r, 2);
	}
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59)
		return false;
	*seconds = sign * (hour * 3600 + minute * 60);
	return true;
}

enum sm_status sm_datetime_parse(const char *text, size_t len, int64_t *us, struct sm_error *err)
{
	struct reader r = {text, text + len};
	int64_t days, clock = 0;
	int zone = 0;
	int shown = len < 40 ? (int)len : 40;
	bool good = read_date(&r, &days);
	if (good && r.at < r.end)
		good = (read_char(&r, 'T') || read_char(&r, ' ')) && read_clock(&r, &clock) && read_zone(&r, &zone);
	if (!good || r.at != r.end)
		return sm_fail(err, SM_INVALID, "\"%.*s\" is no ISO 8601 time such as 2026-11-21T09:00:00Z", shown, text);
	*us = (days * DAY_SECONDS - zone) * SECOND_US + clock;
	return SM_OK;
}
