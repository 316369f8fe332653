#include "alloc_fail.h"

#include <stdatomic.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

/* Atomic: the code under test has threads. */
static atomic_uint countdown; /* 0: nothing fails */
static atomic_bool hit;

/* Only the one allocation fails: what cleans up afterwards has memory again, as after a refused large request. */
static bool fails(void)
{
	if (atomic_load(&countdown) == 0 || atomic_fetch_sub(&countdown, 1) != 1)
		return false;
	atomic_store(&hit, true);
	return true;
}

void alloc_fail_at(unsigned n)
{
	atomic_store(&hit, false);
	atomic_store(&countdown, n);
}

bool alloc_fail_hit(void)
{
	atomic_store(&countdown, 0);
	return atomic_load(&hit);
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
	return fails() ? NULL : __real_realloc(block, size);
}
