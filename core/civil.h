/*
 * civil: calendar dates from day numbers and back, proleptic Gregorian.
 *
 * Day 0 is 1970-01-01. Pure arithmetic, no time zone, no libc calls.
 */
#ifndef SM_CIVIL_H
#define SM_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

struct sm_civil {
	int64_t year;   /* 0 is 1 BC */
	unsigned month; /* 1..12 */
	unsigned day;   /* 1..31 */
};

struct sm_civil sm_civil_from_days(int64_t days);
int64_t sm_days_from_civil(int64_t year, unsigned month, unsigned day);
bool sm_is_leap_year(int64_t year);
unsigned sm_days_in_month(int64_t year, unsigned month);
/* Monday is 1, Sunday is 7. */
unsigned sm_iso_weekday(int64_t days);
/* Quotient rounded towards minus infinity; the remainder is never negative. b > 0. */
int64_t sm_floor_div(int64_t a, int64_t b, int64_t *rest);

#endif
