/* See civil.h. Years are counted from March, so that the leap day is the last day of a year. */
#include "civil.h"

#include <stddef.h>

#define DAYS_PER_ERA 146097 /* 400 years */
#define EPOCH_SHIFT 719468  /* days from 0000-03-01 to 1970-01-01 */

int64_t sm_floor_div(int64_t a, int64_t b, int64_t *rest)
{
	int64_t quotient = a / b, remainder = a % b;

	if (remainder < 0) {
		remainder += b;
		quotient--;
	}
	if (rest != NULL)
		*rest = remainder;
	return quotient;
}

struct sm_civil sm_civil_from_days(int64_t days)
{
	int64_t day_of_era, era = sm_floor_div(days + EPOCH_SHIFT, DAYS_PER_ERA, &day_of_era);
	unsigned doe = (unsigned)day_of_era;
	unsigned year_of_era = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned day_of_year = doe - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned shifted = (5 * day_of_year + 2) / 153; /* March is 0 */
	struct sm_civil c;

	c.day = day_of_year - (153 * shifted + 2) / 5 + 1;
	c.month = shifted < 10 ? shifted + 3 : shifted - 9;
	c.year = era * 400 + year_of_era + (c.month <= 2);
	return c;
}

int64_t sm_days_from_civil(int64_t year, unsigned month, unsigned day)
{
	int64_t year_of_era, era = sm_floor_div(year - (month <= 2), 400, &year_of_era);
	unsigned shifted = month > 2 ? month - 3 : month + 9;
	unsigned yoe = (unsigned)year_of_era;
	unsigned day_of_year = (153 * shifted + 2) / 5 + day - 1;

	return era * DAYS_PER_ERA + yoe * 365 + yoe / 4 - yoe / 100 + day_of_year - EPOCH_SHIFT;
}

bool sm_is_leap_year(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

unsigned sm_days_in_month(int64_t year, unsigned month)
{
	static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return month == 2 && sm_is_leap_year(year) ? 29 : lengths[month - 1];
}

unsigned sm_iso_weekday(int64_t days)
{
	int64_t rest;

	sm_floor_div(days + 3, 7, &rest); /* 1970-01-01 was a Thursday */
	return (unsigned)rest + 1;
}
