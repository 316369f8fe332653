/*
 * date_pattern: points in time by a pattern of MySQL or Joda letters, both ways.
 *
 * What Trino's date_format, date_parse, format_datetime and parse_datetime do.
 * Everything is in UTC; named zones other than UTC are refused. Pure C.
 */
#ifndef SM_DATE_PATTERN_H
#define SM_DATE_PATTERN_H

#include "buf.h"

#include <stdint.h>

enum sm_pattern_style {
	SM_PATTERN_MYSQL, /* %Y-%m-%d */
	SM_PATTERN_JODA   /* yyyy-MM-dd */
};

#define SM_PATTERN_FIELDS 128

struct sm_pattern_field {
	int kind;             /* private */
	unsigned char width;  /* least digits when writing */
	unsigned char digits; /* most digits when reading */
	const char *text;     /* of a literal; points into the pattern */
	size_t len;
};

struct sm_pattern {
	size_t count;
	struct sm_pattern_field fields[SM_PATTERN_FIELDS];
};

/* bytes must outlive the pattern. SM_INVALID names the letter that is unknown or not supported. */
enum sm_status sm_pattern_compile(enum sm_pattern_style style, const char *bytes, size_t len, struct sm_pattern *out,
                                  struct sm_error *err);
/* Appends the point in time (microseconds since 1970). */
enum sm_status sm_pattern_format(const struct sm_pattern *pattern, int64_t micros, struct sm_buf *out);
/* Fields that the pattern lacks are those of 1970-01-01 00:00. SM_INVALID says where the text does not fit. */
enum sm_status sm_pattern_parse(const struct sm_pattern *pattern, const char *bytes, size_t len, int64_t *micros,
                                struct sm_error *err);

#endif
