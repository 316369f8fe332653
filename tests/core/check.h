/*
 * check: the whole C test framework.
 *
 *     TEST(adds_two_numbers) { CHECK(1 + 1 == 2); CHECK_STR(s, "x"); }
 *     int main(int argc, char **argv) { RUN(adds_two_numbers); return check_report(); }
 *
 * A test program prints one line per failure and, last, "N passed, N failed".
 */
#ifndef SM_CHECK_H
#define SM_CHECK_H

#include <stdio.h>
#include <string.h>

static int check_passed, check_failed, check_bad;

#define TEST(name) static void test_##name(void)
#define RUN(name)                                                                                                      \
	do {                                                                                                               \
		check_bad = 0;                                                                                                 \
		test_##name();                                                                                                 \
		if (check_bad) {                                                                                               \
			check_failed++;                                                                                            \
			printf("FAILED %s\n", #name);                                                                              \
		} else {                                                                                                       \
			check_passed++;                                                                                            \
		}                                                                                                              \
	} while (0)
#define CHECK(condition)                                                                                               \
	do {                                                                                                               \
		if (!(condition)) {                                                                                            \
			check_bad = 1;                                                                                             \
			printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                                           \
		}                                                                                                              \
	} while (0)
#define CHECK_STR(actual, expected)                                                                                    \
	do {                                                                                                               \
		const char *check_a = (actual), *check_e = (expected);                                                         \
		if (check_a == NULL || strcmp(check_a, check_e) != 0) {                                                        \
			check_bad = 1;                                                                                             \
			printf("%s:%d: got \"%s\", want \"%s\"\n", __FILE__, __LINE__, check_a ? check_a : "(null)", check_e);     \
		}                                                                                                              \
	} while (0)

static inline int check_report(void)
{
	printf("%d passed, %d failed\n", check_passed, check_failed);
	return check_failed ? 1 : 0;
}

#endif
