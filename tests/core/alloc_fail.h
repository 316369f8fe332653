/*
 * alloc_fail: makes the n-th allocation of the code under test fail.
 *
 *     SWEEP(status) { status = function_under_test(); clean up; }
 *
 * runs the block with the 1st, 2nd, ... allocation failing until it ends with SM_OK and no failure was needed any more.
 * Each failed run must end with an error status; AddressSanitizer sees leaks. The test is linked with
 * -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc (sm_sweep_test in CMakeLists.txt).
 */
#ifndef SM_ALLOC_FAIL_H
#define SM_ALLOC_FAIL_H

#include "status.h"

#include <stdbool.h>

/* The n-th allocation from now on fails, once; 0: none. */
void alloc_fail_at(unsigned n);
/* True when the failure has been delivered. Switches it off. */
bool alloc_fail_hit(void);

#define SWEEP(status)                                                                                                  \
	for (unsigned sweep_n = 1, sweep_on = (alloc_fail_at(1), 1); sweep_on && sweep_n < 100000;                         \
	     sweep_on = alloc_fail_hit(), sweep_on ? (void)check_sweep(status) : (void)0,                                  \
	              alloc_fail_at(sweep_on ? ++sweep_n : 0))

/* A run in which an allocation failed must say so. */
#define check_sweep(status) ((status) == SM_OK ? (check_bad = 1, printf("%s: success without memory\n", __FILE__)) : 0)

#endif
