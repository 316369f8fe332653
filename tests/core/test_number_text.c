/* number_text: exact digits, Java's notation, and every double reads back equal. */
#include "../../core/number_text.h"

#include "check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const char *text(char *end, char *start)
{
	*end = '\0';
	return start;
}

static const char *of_double(double value)
{
	static char bytes[64];
	return text(sm_text_double(bytes, value), bytes);
}

static const char *of_float(float value)
{
	static char bytes[64];
	return text(sm_text_float(bytes, value), bytes);
}

static const char *of_decimal(__int128 value, unsigned scale)
{
	static char bytes[64];
	return text(sm_text_decimal128(bytes, value, scale), bytes);
}

TEST(integers)
{
	char bytes[64];

	CHECK_STR(text(sm_text_int64(bytes, 0), bytes), "0");
	CHECK_STR(text(sm_text_int64(bytes, -1), bytes), "-1");
	CHECK_STR(text(sm_text_int64(bytes, INT64_MAX), bytes), "9223372036854775807");
	CHECK_STR(text(sm_text_int64(bytes, INT64_MIN), bytes), "-9223372036854775808");
	CHECK_STR(text(sm_text_uint64(bytes, UINT64_MAX), bytes), "18446744073709551615");
	for (uint64_t power = 1, i = 0; i < 19; i++, power *= 10) {
		char want[32];
		snprintf(want, sizeof want, "%llu", (unsigned long long)(power - 1));
		CHECK_STR(text(sm_text_uint64(bytes, power - 1), bytes), want);
		snprintf(want, sizeof want, "%llu", (unsigned long long)power);
		CHECK_STR(text(sm_text_uint64(bytes, power), bytes), want);
	}
}

TEST(hundred_and_twenty_eight_bits)
{
	char bytes[64];
	__int128 low = (__int128)((unsigned __int128)1 << 127);

	CHECK_STR(text(sm_text_int128(bytes, low), bytes), "-170141183460469231731687303715884105728");
	CHECK_STR(text(sm_text_uint128(bytes, ~(unsigned __int128)0), bytes), "340282366920938463463374607431768211455");
	CHECK_STR(text(sm_text_int128(bytes, (__int128)1000000000000000000 * 10000000), bytes),
	          "10000000000000000000000000");
}

TEST(decimals_keep_their_scale)
{
	char bytes[64];

	CHECK_STR(of_decimal(0, 2), "0.00");
	CHECK_STR(of_decimal(5, 2), "0.05");
	CHECK_STR(of_decimal(-5, 3), "-0.005");
	CHECK_STR(of_decimal(12345, 2), "123.45");
	CHECK_STR(of_decimal(-100, 2), "-1.00");
	CHECK_STR(of_decimal(7, 0), "7");
	CHECK_STR(of_decimal(1, 38), "0.00000000000000000000000000000000000001");
	CHECK_STR(text(sm_text_decimal64(bytes, INT64_MIN, 18), bytes), "-9.223372036854775808");
}

TEST(doubles_in_java_notation)
{
	CHECK_STR(of_double(0.0), "0.0");
	CHECK_STR(of_double(-0.0), "-0.0");
	CHECK_STR(of_double(1), "1.0");
	CHECK_STR(of_double(1.5), "1.5");
	CHECK_STR(of_double(-123.456), "-123.456");
	CHECK_STR(of_double(100), "100.0");
	CHECK_STR(of_double(9999999), "9999999.0");
	CHECK_STR(of_double(1e7), "1.0E7");
	CHECK_STR(of_double(12345678.9), "1.23456789E7");
	CHECK_STR(of_double(1e20), "1.0E20");
	CHECK_STR(of_double(1e-7), "1.0E-7");
	CHECK_STR(of_double(0.001), "0.001");
	CHECK_STR(of_double(0.00099), "9.9E-4");
	CHECK_STR(of_double(0.1 + 0.2), "0.30000000000000004");
	CHECK_STR(of_double(1e23), "1.0E23");
	CHECK_STR(of_double(2e-3), "0.002");
	CHECK_STR(of_double(9007199254740993.0), "9.007199254740992E15");
	CHECK_STR(of_double(DBL_MAX), "1.7976931348623157E308");
	CHECK_STR(of_double(DBL_MIN), "2.2250738585072014E-308");
	CHECK_STR(of_double(4.9406564584124654e-324), "4.9E-324");
	CHECK_STR(of_double(9.8813129168249309e-324), "9.9E-324");
	CHECK_STR(of_double(NAN), "NaN");
	CHECK_STR(of_double(INFINITY), "Infinity");
	CHECK_STR(of_double(-INFINITY), "-Infinity");
}

TEST(floats_in_java_notation)
{
	CHECK_STR(of_float(1.1f), "1.1");
	CHECK_STR(of_float(3.4028235e38f), "3.4028235E38");
	CHECK_STR(of_float(1.4e-45f), "1.4E-45");
	CHECK_STR(of_float(16777216.0f), "1.6777216E7");
	CHECK_STR(of_float(0.3f), "0.3");
}

/* A small generator of our own, so that a failure can be repeated. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Shortest: printing with one digit less must not read back equal. */
static int shorter_exists(double value, uint64_t digits)
{
	char shorter[64];
	int count = snprintf(shorter, sizeof shorter, "%llu", (unsigned long long)digits);

	if (count <= 2)
		return 0;
	snprintf(shorter, sizeof shorter, "%.*e", count - 2, value);
	return strtod(shorter, NULL) == value;
}

TEST(random_doubles_read_back_equal_and_are_shortest)
{
	uint64_t state = 88172645463325252u;

	for (int i = 0; i < 300000; i++) {
		uint64_t bits = next_random(&state);
		double value;
		memcpy(&value, &bits, sizeof value);
		if (i % 3 == 0) /* numbers as people write them */
			value = (double)(int64_t)(bits % 100000000) / 1000.0;
		if (isnan(value))
			continue;
		if (strtod(of_double(value), NULL) != value ||
		    shorter_exists(fabs(value), sm_double_digits(fabs(value)).digits)) {
			printf("%a gives %s\n", value, of_double(value));
			CHECK(0);
			return;
		}
	}
}

TEST(powers_of_two_and_ten_read_back_equal)
{
	for (int e = -1074; e <= 1023; e++)
		CHECK(strtod(of_double(ldexp(1, e)), NULL) == ldexp(1, e));
	for (int e = -323; e <= 308; e++) {
		char source[16];
		snprintf(source, sizeof source, "1e%d", e);
		CHECK(strtod(of_double(strtod(source, NULL)), NULL) == strtod(source, NULL));
		CHECK(sm_double_digits(strtod(source, NULL)).digits == 1 ||
		      e < -321); /* the smallest have two digits in Java */
	}
}

TEST(random_floats_read_back_equal)
{
	uint64_t state = 2463534242u;

	for (int i = 0; i < 200000; i++) {
		uint32_t bits = (uint32_t)next_random(&state);
		float value;
		memcpy(&value, &bits, sizeof value);
		if (isnan(value))
			continue;
		CHECK(strtof(of_float(value), NULL) == value);
	}
}

int main(void)
{
	RUN(integers);
	RUN(hundred_and_twenty_eight_bits);
	RUN(decimals_keep_their_scale);
	RUN(doubles_in_java_notation);
	RUN(floats_in_java_notation);
	RUN(random_doubles_read_back_equal_and_are_shortest);
	RUN(powers_of_two_and_ten_read_back_equal);
	RUN(random_floats_read_back_equal);
	return check_report();
}
