/* datetime: the calendar at its edges; random days are the spec's part (tests/lua/sm/time_spec.lua). */
#include "../../core/datetime.h"
#include "check.h"

static const char *iso(int64_t us, int digits)
{
	static char text[SM_DATETIME_SIZE];
	int len = sm_datetime_format(us, digits, text);
	return len == (int)strlen(text) ? text : "wrong length";
}

static int64_t parsed(const char *text)
{
	int64_t us = -1;
	return sm_datetime_parse(text, strlen(text), &us, NULL) == SM_OK ? us : INT64_MIN;
}

TEST(formats_the_edges_of_the_range)
{
	CHECK_STR(iso(SM_DATETIME_MIN_US, 6), "0001-01-01T00:00:00.000000Z");
	CHECK_STR(iso(SM_DATETIME_MAX_US, 6), "9999-12-31T23:59:59.999999Z");
	CHECK_STR(iso(-1, 6), "1969-12-31T23:59:59.999999Z");
	CHECK_STR(iso(0, 0), "1970-01-01T00:00:00Z");
}

TEST(knows_leap_years)
{
	CHECK_STR(iso(parsed("2000-02-29"), 0), "2000-02-29T00:00:00Z");
	CHECK_STR(iso(parsed("2024-02-29") + 86400000000, 0), "2024-03-01T00:00:00Z");
	CHECK(parsed("1900-02-29") == INT64_MIN);
	CHECK(parsed("2100-02-29") == INT64_MIN);
}

TEST(reads_what_it_writes_every_day_of_four_centuries)
{
	char text[SM_DATETIME_SIZE];
	int wrong = 0;
	for (int64_t day = -150000; day < 0; day++) {
		int64_t us = day * 86400000000;
		sm_datetime_format_date(us, text);
		wrong += parsed(text) != us;
	}
	CHECK(wrong == 0);
}

TEST(never_reads_beyond_the_given_length)
{
	int64_t us;
	const char *text = "2026-11-21T09:00:00.5+01:30";
	for (size_t len = 0; len <= strlen(text); len++) {
		char copy[32];
		memcpy(copy, text, len); /* no NUL behind: a sanitizer or valgrind sees a read too far */
		sm_datetime_parse(copy, len, &us, NULL);
	}
	CHECK(sm_datetime_parse(text, strlen(text), &us, NULL) == SM_OK);
	CHECK_STR(iso(us, 1), "2026-11-21T07:30:00.5Z");
}

int main(void)
{
	RUN(formats_the_edges_of_the_range);
	RUN(knows_leap_years);
	RUN(reads_what_it_writes_every_day_of_four_centuries);
	RUN(never_reads_beyond_the_given_length);
	return check_report();
}
