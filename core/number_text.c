/*
 * See number_text.h. The shortest digits are found as in Raffaello Giulietti's
 * "The Schubfach way to render doubles": one multiplication of the scaled
 * significand and its two borders with a 128-bit power of ten. The powers are
 * computed exactly on first use, 0.2 ms, instead of being listed here.
 */
#include "number_text.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

typedef unsigned __int128 u128;

static const char pairs[] = "0001020304050607080910111213141516171819"
                            "2021222324252627282930313233343536373839"
                            "4041424344454647484950515253545556575859"
                            "6061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

/* ---- integers ---- */

static unsigned digits_of(uint64_t value)
{
	static const uint64_t powers[] = {0,
	                                  10,
	                                  100,
	                                  1000,
	                                  10000,
	                                  100000,
	                                  1000000,
	                                  10000000,
	                                  100000000,
	                                  1000000000,
	                                  10000000000,
	                                  100000000000,
	                                  1000000000000,
	                                  10000000000000,
	                                  100000000000000,
	                                  1000000000000000,
	                                  10000000000000000,
	                                  100000000000000000,
	                                  1000000000000000000,
	                                  10000000000000000000u};
	unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);
	unsigned guess = bits * 1233 >> 12; /* floor(bits * log10(2)) */

	return guess + (guess == 0 || value >= powers[guess]);
}

char *sm_text_padded(char *out, uint64_t value, unsigned width)
{
	char *p = out + width;

	while (p - out >= 2) {
		p -= 2;
		memcpy(p, pairs + 2 * (value % 100), 2);
		value /= 100;
	}
	if (p > out)
		*out = (char)('0' + value % 10);
	return out + width;
}

char *sm_text_uint64(char *out, uint64_t value)
{
	return sm_text_padded(out, value, digits_of(value));
}

char *sm_text_int64(char *out, int64_t value)
{
	if (value >= 0)
		return sm_text_uint64(out, (uint64_t)value);
	*out++ = '-';
	return sm_text_uint64(out, 0 - (uint64_t)value);
}

#define TEN_18 1000000000000000000u

char *sm_text_uint128(char *out, u128 value)
{
	if (value <= UINT64_MAX)
		return sm_text_uint64(out, (uint64_t)value);
	out = sm_text_uint128(out, value / TEN_18);
	return sm_text_padded(out, (uint64_t)(value % TEN_18), 18);
}

char *sm_text_int128(char *out, __int128 value)
{
	if (value >= 0)
		return sm_text_uint128(out, (u128)value);
	*out++ = '-';
	return sm_text_uint128(out, 0 - (u128)value);
}

/* text holds len digits of a non-negative number: moves the last scale of them behind a point. */
static char *place_point(char *text, size_t len, unsigned scale)
{
	size_t missing = len > scale ? 0 : scale + 1 - len;

	if (missing > 0) {
		memmove(text + missing, text, len);
		memset(text, '0', missing);
		len += missing;
	}
	memmove(text + len - scale + 1, text + len - scale, scale);
	text[len - scale] = '.';
	return text + len + 1;
}

char *sm_text_decimal64(char *out, int64_t value, unsigned scale)
{
	uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char *end;

	if (value < 0)
		*out++ = '-';
	end = sm_text_uint64(out, magnitude);
	return scale == 0 ? end : place_point(out, (size_t)(end - out), scale);
}

char *sm_text_decimal128(char *out, __int128 value, unsigned scale)
{
	u128 magnitude = value < 0 ? 0 - (u128)value : (u128)value;
	char *end;

	if (value < 0)
		*out++ = '-';
	end = sm_text_uint128(out, magnitude);
	return scale == 0 ? end : place_point(out, (size_t)(end - out), scale);
}

/* ---- powers of ten: pow10[k - POW_MIN] = ceil(10^k / 2^e), e such that 128 bits are used ---- */

#define POW_MIN (-293)
#define POW_MAX 325
#define LIMBS 44 /* 32-bit; 44 * 32 = 1408 bits hold 10^325 and 2^(128 + 1075) */

struct big {
	uint32_t limb[LIMBS];
};

static u128 powers_of_ten[POW_MAX - POW_MIN + 1];
static pthread_once_t powers_once = PTHREAD_ONCE_INIT;

static int top_bit(const struct big *b)
{
	for (int i = LIMBS - 1; i >= 0; i--)
		if (b->limb[i] != 0)
			return i * 32 + 31 - __builtin_clz(b->limb[i]);
	return -1;
}

static bool bit_of(const struct big *b, int i)
{
	return i >= 0 && (b->limb[i / 32] >> (i % 32) & 1) != 0;
}

/* The 128 leading bits; *rest tells whether a lower bit is set. */
static u128 leading_bits(const struct big *b, bool *rest)
{
	int top = top_bit(b);
	u128 value = 0;

	for (int i = 0; i < 128; i++)
		value = value << 1 | bit_of(b, top - i);
	*rest = false;
	for (int i = 0; i <= top - 128; i++)
		*rest = *rest || bit_of(b, i);
	return value;
}

static void multiply_by_ten(struct big *b)
{
	uint64_t carry = 0;

	for (int i = 0; i < LIMBS; i++) {
		carry += (uint64_t)b->limb[i] * 10;
		b->limb[i] = (uint32_t)carry;
		carry >>= 32;
	}
}

static void divide_by_ten(struct big *b)
{
	uint64_t rest = 0;

	for (int i = LIMBS - 1; i >= 0; i--) {
		rest = rest << 32 | b->limb[i];
		b->limb[i] = (uint32_t)(rest / 10);
		rest %= 10;
	}
}

static void compute_powers(void)
{
	struct big up = {{1}}, down = {{0}};
	bool rest;

	for (int k = 0; k <= POW_MAX; k++) {
		u128 value = leading_bits(&up, &rest);
		powers_of_ten[k - POW_MIN] = value + rest;
		multiply_by_ten(&up);
	}
	/* floor(2^n / 10^m) by repeated division is exact, and 10^-m is never a binary fraction: always round up. */
	down.limb[LIMBS - 1] = 1u << 31;
	for (int k = -1; k >= POW_MIN; k--) {
		divide_by_ten(&down);
		powers_of_ten[k - POW_MIN] = leading_bits(&down, &rest) + 1;
	}
}

/* ---- shortest digits ---- */

static int floor_log2_pow10(int e)
{
	return e * 1741647 >> 19;
}

/* floor(g * c / 2^128) with the lowest bit set when anything was lost. */
static uint64_t round_to_odd(u128 g, uint64_t c)
{
	u128 low = (u128)(uint64_t)g * c;
	u128 high = (u128)(uint64_t)(g >> 64) * c + (uint64_t)(low >> 64);

	return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* Shortest decimal (of two digits or more, as Java asks) in the rounding interval of c * 2^q. */
static struct sm_digits shortest(uint64_t c, int q, bool lower_is_closer)
{
	uint64_t odd = c & 1;
	int k = (q * 1262611 - (lower_is_closer ? 524031 : 0)) >> 22;
	int h = q + floor_log2_pow10(-k) + 1;
	u128 g = powers_of_ten[-k - POW_MIN];
	uint64_t below = round_to_odd(g, (4 * c - 2 + lower_is_closer) << h) + odd;
	uint64_t middle = round_to_odd(g, (4 * c) << h);
	uint64_t above = round_to_odd(g, (4 * c + 2) << h) - odd;
	uint64_t s = middle / 4;
	bool under, over;

	if (s >= 100) {
		uint64_t tens = s / 10;
		under = below <= 40 * tens;
		over = 40 * tens + 40 <= above;
		if (under != over)
			return (struct sm_digits){tens + over, k + 1};
	}
	under = below <= 4 * s;
	over = 4 * s + 4 <= above;
	if (under != over)
		return (struct sm_digits){s + over, k};
	over = middle > 4 * s + 2 || (middle == 4 * s + 2 && (s & 1) != 0);
	return (struct sm_digits){s + over, k};
}

static struct sm_digits strip_zeros(struct sm_digits d)
{
	if (d.digits == 0)
		return (struct sm_digits){0, 0};
	while (d.digits % 10 == 0) {
		d.digits /= 10;
		d.exponent++;
	}
	return d;
}

/* fraction_bits: of the format; tiny: below it Java scales by ten to have two digits to choose from. */
static struct sm_digits digits_from(uint64_t fraction, int biased, int fraction_bits, int bias, uint64_t tiny)
{
	uint64_t c = biased != 0 ? fraction | (uint64_t)1 << fraction_bits : fraction;
	int q = (biased != 0 ? biased : 1) - bias - fraction_bits;
	struct sm_digits d;

	if (c == 0)
		return (struct sm_digits){0, 0};
	if (q <= 0 && q > -fraction_bits - 1 && (c & (((uint64_t)1 << -q) - 1)) == 0)
		return strip_zeros((struct sm_digits){c >> -q, 0});
	pthread_once(&powers_once, compute_powers);
	if (c < tiny) {
		d = shortest(10 * c, q, false);
		d.exponent--;
	} else {
		d = shortest(c, q, fraction == 0 && biased > 1);
	}
	return strip_zeros(d);
}

struct sm_digits sm_double_digits(double magnitude)
{
	uint64_t bits;

	memcpy(&bits, &magnitude, sizeof bits);
	return digits_from(bits & 0xfffffffffffffu, (int)(bits >> 52 & 0x7ff), 52, 1023, 3);
}

struct sm_digits sm_float_digits(float magnitude)
{
	uint32_t bits;

	memcpy(&bits, &magnitude, sizeof bits);
	return digits_from(bits & 0x7fffffu, (int)(bits >> 23 & 0xff), 23, 127, 8);
}

/* ---- Java's notation ---- */

static char *zeros(char *out, int count)
{
	if (count > 0)
		memset(out, '0', (size_t)count);
	return out + (count > 0 ? count : 0);
}

static char *plain(char *out, struct sm_digits d, unsigned count)
{
	int point = (int)count + d.exponent; /* digits before the point */
	char *end;

	if (d.exponent >= 0) {
		out = zeros(sm_text_uint64(out, d.digits), d.exponent);
		*out++ = '.';
		*out++ = '0';
		return out;
	}
	if (point <= 0) {
		*out++ = '0';
		*out++ = '.';
		return sm_text_uint64(zeros(out, -point), d.digits);
	}
	end = sm_text_uint64(out, d.digits);
	memmove(out + point + 1, out + point, (size_t)(end - out - point));
	out[point] = '.';
	return end + 1;
}

static char *scientific(char *out, struct sm_digits d, int exponent)
{
	char *end = sm_text_uint64(out + 1, d.digits);

	out[0] = out[1];
	out[1] = '.';
	if (end == out + 2)
		*end++ = '0';
	*end++ = 'E';
	return sm_text_int64(end, exponent);
}

static char *java(char *out, struct sm_digits d)
{
	unsigned count = digits_of(d.digits);
	int exponent = (int)count - 1 + d.exponent;

	return exponent >= -3 && exponent < 7 ? plain(out, d, count) : scientific(out, d, exponent);
}

static char *word(char *out, const char *text)
{
	size_t len = strlen(text);

	memcpy(out, text, len);
	return out + len;
}

/* NaN and the infinities, else NULL; the sign is written for finite numbers too. */
static char *special(char **out, double value)
{
	if (isnan(value))
		return word(*out, "NaN");
	if (signbit(value))
		*(*out)++ = '-';
	return isinf(value) ? word(*out, "Infinity") : NULL;
}

char *sm_text_double(char *out, double value)
{
	char *end = special(&out, value);

	return end != NULL ? end : java(out, sm_double_digits(fabs(value)));
}

char *sm_text_float(char *out, float value)
{
	char *end = special(&out, (double)value);

	return end != NULL ? end : java(out, sm_float_digits(fabsf(value)));
}
