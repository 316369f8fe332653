#include "alloc.h"

#include <stdlib.h>
#include <string.h>

struct sm_alloc_block {
	struct sm_alloc_block *next;
};

struct sm_alloc_chunk {
	struct sm_alloc_chunk *next;
	size_t unused; /* keeps the first block aligned */
};

#if defined(__SANITIZE_ADDRESS__)
bool sm_alloc_plain = true;
#else
bool sm_alloc_plain = false;
#endif

static bool is_small(size_t size)
{
	return size <= SM_ALLOC_MAX && !sm_alloc_plain;
}

static size_t class_of(size_t size)
{
	return (size + SM_ALLOC_STEP - 1) / SM_ALLOC_STEP;
}

static void put(struct sm_alloc *alloc, void *memory, size_t class)
{
	struct sm_alloc_block *block = memory;

	block->next = alloc->free[class];
	alloc->free[class] = block;
}

/* What the old chunk has left becomes a block of its own size. */
static bool open_chunk(struct sm_alloc *alloc)
{
	struct sm_alloc_chunk *chunk = malloc(SM_ALLOC_CHUNK);

	if (chunk == NULL)
		return false;
	if (alloc->left > 0)
		put(alloc, alloc->at, alloc->left / SM_ALLOC_STEP);
	chunk->next = alloc->chunks;
	alloc->chunks = chunk;
	alloc->at = (char *)(chunk + 1);
	alloc->left = SM_ALLOC_CHUNK - sizeof *chunk;
	return true;
}

static void *take(struct sm_alloc *alloc, size_t class)
{
	struct sm_alloc_block *block = alloc->free[class];
	size_t size = class * SM_ALLOC_STEP;

	if (block != NULL) {
		alloc->free[class] = block->next;
		__builtin_prefetch(block->next); /* what a collection gave back lies far apart */
		return block;
	}
	if (alloc->left < size && !open_chunk(alloc))
		return NULL;
	block = (struct sm_alloc_block *)(void *)alloc->at;
	alloc->at += size;
	alloc->left -= size;
	return block;
}

/* ---- large blocks ---- */

static bool is_large(size_t size)
{
	return size > SM_ALLOC_MAX && size <= SM_ALLOC_LARGE && !sm_alloc_plain;
}

/* The list of a large size, and in *rounded what its blocks have. */
static unsigned large_class(size_t size, size_t *rounded)
{
	unsigned power = 63 - (unsigned)__builtin_clzll((unsigned long long)size - 1);
	size_t step = (size_t)1 << (power - 2), base = (size_t)1 << power;
	unsigned quarter = (unsigned)((size - 1 - base) / step);

	*rounded = base + (quarter + 1) * step;
	return (power - 10) * 4 + quarter;
}

static void *take_large(struct sm_alloc *alloc, size_t size)
{
	size_t rounded;
	unsigned class = large_class(size, &rounded);
	struct sm_alloc_block *block = alloc->large[class];

	if (block == NULL)
		return malloc(rounded);
	alloc->large[class] = block->next;
	alloc->kept -= rounded;
	return block;
}

static void put_large(struct sm_alloc *alloc, void *memory, size_t size)
{
	size_t rounded;
	unsigned class = large_class(size, &rounded);
	struct sm_alloc_block *block = memory;

	if (alloc->kept + rounded > SM_ALLOC_KEEP) {
		free(memory);
		return;
	}
	block->next = alloc->large[class];
	alloc->large[class] = block;
	alloc->kept += rounded;
}

static bool is_same_large(size_t a, size_t b)
{
	size_t rounded;

	return is_large(a) && is_large(b) && large_class(a, &rounded) == large_class(b, &rounded);
}

/* ---- any block ---- */

static void *get(struct sm_alloc *alloc, size_t size)
{
	if (is_small(size))
		return take(alloc, class_of(size));
	return is_large(size) ? take_large(alloc, size) : malloc(size);
}

static void drop(struct sm_alloc *alloc, void *block, size_t size)
{
	if (is_small(size))
		put(alloc, block, class_of(size));
	else if (is_large(size))
		put_large(alloc, block, size);
	else
		free(block);
}

static void *move(struct sm_alloc *alloc, void *block, size_t old_size, size_t new_size)
{
	void *moved = get(alloc, new_size);

	if (moved == NULL) /* a block that is larger than its owner says does no harm */
		return new_size <= old_size ? block : NULL;
	memcpy(moved, block, old_size < new_size ? old_size : new_size);
	drop(alloc, block, old_size);
	return moved;
}

void *sm_alloc_resize(struct sm_alloc *alloc, void *block, size_t old_size, size_t new_size)
{
	if (block == NULL)
		return new_size > 0 ? get(alloc, new_size) : NULL;
	if (new_size == 0) {
		drop(alloc, block, old_size);
		return NULL;
	}
	if (is_small(old_size) && is_small(new_size) && class_of(old_size) == class_of(new_size))
		return block;
	if (is_same_large(old_size, new_size))
		return block;
	if (old_size > SM_ALLOC_LARGE && new_size > SM_ALLOC_LARGE)
		return realloc(block, new_size);
	if (sm_alloc_plain)
		return realloc(block, new_size);
	return move(alloc, block, old_size, new_size);
}

void sm_alloc_close(struct sm_alloc *alloc)
{
	struct sm_alloc_chunk *chunk = alloc->chunks;

	while (chunk != NULL) {
		struct sm_alloc_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
	for (unsigned class = 0; class < SM_ALLOC_LARGE_SIZES; class ++)
		while (alloc->large[class] != NULL) {
			struct sm_alloc_block *block = alloc->large[class];

			alloc->large[class] = block->next;
			free(block);
		}
	memset(alloc, 0, sizeof *alloc);
}
