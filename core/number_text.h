/*
 * number_text: numbers as decimal text, exactly and fast.
 *
 * Doubles come out as Java writes them (the shortest digits that read back
 * equal, "1.5", "1.0E20", "NaN"), because Athena's answers carry that notation.
 * Each function writes to the caller's bytes without a final NUL and returns
 * the position behind the last one. Relies on libc only.
 */
#ifndef SM_NUMBER_TEXT_H
#define SM_NUMBER_TEXT_H

#include <stdint.h>

#define SM_INT64_TEXT_MAX 20
#define SM_INT128_TEXT_MAX 40
#define SM_DOUBLE_TEXT_MAX 26
/* Digits of a decimal with up to 38 digits, sign, leading zero and point. */
#define SM_DECIMAL_TEXT_MAX 42

char *sm_text_uint64(char *out, uint64_t value);
char *sm_text_int64(char *out, int64_t value);
char *sm_text_int128(char *out, __int128 value);
char *sm_text_uint128(char *out, unsigned __int128 value);
/* value / 10^scale with exactly scale decimals; no point when scale is 0. */
char *sm_text_decimal64(char *out, int64_t value, unsigned scale);
char *sm_text_decimal128(char *out, __int128 value, unsigned scale);
char *sm_text_double(char *out, double value);
char *sm_text_float(char *out, float value);
/* Exactly width digits (at most 19), zero padded; value must fit. */
char *sm_text_padded(char *out, uint64_t value, unsigned width);

/* A finite number as digits * 10^exponent, shortest digits, no trailing zero unless digits is 0. */
struct sm_digits {
	uint64_t digits;
	int exponent;
};
struct sm_digits sm_double_digits(double magnitude);
struct sm_digits sm_float_digits(float magnitude);

#endif
