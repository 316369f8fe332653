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

static void *get(struct sm_alloc *alloc, size_t size)
{
	return is_small(size) ? take(alloc, class_of(size)) : malloc(size);
}

static void drop(struct sm_alloc *alloc, void *block, size_t size)
{
	if (is_small(size))
		put(alloc, block, class_of(size));
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
	if (!is_small(old_size) && !is_small(new_size))
		return realloc(block, new_size);
	if (is_small(old_size) && is_small(new_size) && class_of(old_size) == class_of(new_size))
		return block;
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
	memset(alloc, 0, sizeof *alloc);
}
