/*
 * mem: memcpy, memmove and memcmp of the release build, in place of musl's.
 *
 * Lua copies and compares strings of some tens of bytes all day; musl's functions are made for size and take a
 * "rep movs", whose start alone costs more than such a copy, or go byte by byte. JSON gets 1.3 times as fast. Short
 * lengths are loaded whole before anything is stored, so they may overlap. Compiled with -fno-builtin, else the
 * compiler would turn these into calls of themselves.
 */
#include <stddef.h>
#include <stdint.h>

typedef uint64_t wide __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word8 __attribute__((aligned(1), may_alias));
typedef uint32_t word4 __attribute__((aligned(1), may_alias));
typedef uint16_t word2 __attribute__((aligned(1), may_alias));

void *memcpy(void *restrict to, const void *restrict from, size_t len);
void *memmove(void *to, const void *from, size_t len);
int memcmp(const void *a, const void *b, size_t len);

static inline void *move_16(unsigned char *to, const unsigned char *from, size_t len)
{
	if (len >= 8) {
		uint64_t head = *(const word8 *)from, tail = *(const word8 *)(from + len - 8);
		*(word8 *)to = head;
		*(word8 *)(to + len - 8) = tail;
	} else if (len >= 4) {
		uint32_t head = *(const word4 *)from, tail = *(const word4 *)(from + len - 4);
		*(word4 *)to = head;
		*(word4 *)(to + len - 4) = tail;
	} else if (len >= 2) {
		uint16_t head = *(const word2 *)from, tail = *(const word2 *)(from + len - 2);
		*(word2 *)to = head;
		*(word2 *)(to + len - 2) = tail;
	} else if (len == 1) {
		*to = *from;
	}
	return to;
}

static inline void *move_64(unsigned char *to, const unsigned char *from, size_t len)
{
	wide head = *(const wide *)from, tail = *(const wide *)(from + len - 16);

	if (len > 32) {
		wide head2 = *(const wide *)(from + 16), tail2 = *(const wide *)(from + len - 32);
		*(wide *)(to + 16) = head2;
		*(wide *)(to + len - 32) = tail2;
	}
	*(wide *)to = head;
	*(wide *)(to + len - 16) = tail;
	return to;
}

/* The last 64 bytes are loaded before the first store, and stored last. */
static void *move_forward(unsigned char *to, const unsigned char *from, size_t len)
{
	const unsigned char *end = from + len;
	wide t1 = *(const wide *)(end - 64), t2 = *(const wide *)(end - 48), t3 = *(const wide *)(end - 32),
	     t4 = *(const wide *)(end - 16);
	unsigned char *at = to, *last = to + len;

	for (; len > 64; len -= 64, at += 64, from += 64) {
		wide a = *(const wide *)from, b = *(const wide *)(from + 16), c = *(const wide *)(from + 32),
		     d = *(const wide *)(from + 48);
		*(wide *)at = a;
		*(wide *)(at + 16) = b;
		*(wide *)(at + 32) = c;
		*(wide *)(at + 48) = d;
	}
	*(wide *)(last - 64) = t1;
	*(wide *)(last - 48) = t2;
	*(wide *)(last - 32) = t3;
	*(wide *)(last - 16) = t4;
	return to;
}

static void *move_backward(unsigned char *to, const unsigned char *from, size_t len)
{
	wide h1 = *(const wide *)from, h2 = *(const wide *)(from + 16), h3 = *(const wide *)(from + 32),
	     h4 = *(const wide *)(from + 48);

	for (; len > 64; len -= 64) {
		wide a = *(const wide *)(from + len - 16), b = *(const wide *)(from + len - 32),
		     c = *(const wide *)(from + len - 48), d = *(const wide *)(from + len - 64);
		*(wide *)(to + len - 16) = a;
		*(wide *)(to + len - 32) = b;
		*(wide *)(to + len - 48) = c;
		*(wide *)(to + len - 64) = d;
	}
	*(wide *)to = h1;
	*(wide *)(to + 16) = h2;
	*(wide *)(to + 32) = h3;
	*(wide *)(to + 48) = h4;
	return to;
}

void *memmove(void *to, const void *from, size_t len)
{
	if (len <= 16)
		return move_16(to, from, len);
	if (len <= 64)
		return move_64(to, from, len);
	if ((uintptr_t)to - (uintptr_t)from >= len)
		return move_forward(to, from, len);
	return move_backward(to, from, len);
}

void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
	if (len <= 16)
		return move_16(to, from, len);
	if (len <= 64)
		return move_64(to, from, len);
	return move_forward(to, from, len);
}

/* By eight bytes, big end first, so that a number's order is the bytes' order. */
int memcmp(const void *a, const void *b, size_t len)
{
	const unsigned char *x = a, *y = b;

	for (; len >= 8; len -= 8, x += 8, y += 8) {
		uint64_t p = *(const word8 *)x, q = *(const word8 *)y;
		if (p != q)
			return __builtin_bswap64(p) < __builtin_bswap64(q) ? -1 : 1;
	}
	for (; len > 0; len--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
