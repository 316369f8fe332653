/*
 * datetime: points in time as text, ISO 8601 in UTC, and back.
 *
 * Pure arithmetic in the proleptic Gregorian calendar: no clock, no locale, no time zone of the machine.
 */
#ifndef SM_DATETIME_H
#define SM_DATETIME_H

#include "status.h"

#include <stdint.h>

/* The range of years 0001 to 9999, in microseconds since 1970. */
#define SM_DATETIME_MIN_US (-62135596800000000)
#define SM_DATETIME_MAX_US 253402300799999999
/* Room for the longest text and its NUL. */
#define SM_DATETIME_SIZE 32

/*
 * "2026-11-21T09:00:00Z", with 0 to 6 digits of the second (cut, not rounded). us lies in the range above.
 * Returns the length.
 */
int sm_datetime_format(int64_t us, int digits, char out[SM_DATETIME_SIZE]);
/* "2026-11-21". Returns the length. */
int sm_datetime_format_date(int64_t us, char out[SM_DATETIME_SIZE]);
/*
 * Reads a date, or a date and a time ("T" or a blank between; seconds, their fraction and the zone may be missing).
 * Zones are Z and +HH:MM, +HHMM, +HH; without one the time is UTC. Fractions beyond microseconds are cut.
 */
enum sm_status sm_datetime_parse(const char *text, size_t len, int64_t *us, struct sm_error *err);

#endif
