/*
 * alloc: small blocks for one thread, from free lists by size.
 *
 * A Lua state makes and drops hundreds of small blocks for every request, and always tells the size of what it gives
 * back. So a block needs no header, and taking one is taking the head of a list. The chunks that small blocks are cut
 * from are kept until the end: what a busy moment needed serves the next.
 *
 * Blocks above SM_ALLOC_MAX come from malloc. Up to SM_ALLOC_LARGE they are rounded up to one of a few sizes, and some
 * of those given back are kept as well: a request of 128 KiB would otherwise have the system map and clear the same
 * pages again and again (musl gives them back at once). Knows nothing of Lua.
 */
#ifndef SM_ALLOC_H
#define SM_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

#define SM_ALLOC_STEP 16u  /* bytes between sizes */
#define SM_ALLOC_MAX 1024u /* bytes of the largest small block */
#define SM_ALLOC_CHUNK 65536u
#define SM_ALLOC_LARGE 1048576u /* bytes of the largest block that is kept */
#define SM_ALLOC_KEEP 2097152u  /* bytes of large blocks that are kept at most */
#define SM_ALLOC_LARGE_SIZES 40 /* four between a power of two and the next, from SM_ALLOC_MAX to SM_ALLOC_LARGE */

struct sm_alloc_block;
struct sm_alloc_chunk;

struct sm_alloc {
	struct sm_alloc_block *free[SM_ALLOC_MAX / SM_ALLOC_STEP + 1];
	char *at; /* what is left of the newest chunk */
	size_t left;
	struct sm_alloc_chunk *chunks;
	struct sm_alloc_block *large[SM_ALLOC_LARGE_SIZES];
	size_t kept; /* bytes in large */
};

/*
 * Every block comes from malloc: so under an address sanitizer, which then sees each one, and in tests that make
 * allocations fail. To be set before the first block is taken.
 */
extern bool sm_alloc_plain;

/* Zeroed memory is an empty allocator. Frees what is kept; blocks above SM_ALLOC_MAX in use are their owner's to free.
 */
void sm_alloc_close(struct sm_alloc *alloc);
/*
 * malloc, realloc and free in one, as lua_Alloc wants it: block with old_size bytes (NULL: none) becomes one of
 * new_size bytes (0: none). NULL when there is no memory, which never happens when a block shrinks.
 */
void *sm_alloc_resize(struct sm_alloc *alloc, void *block, size_t old_size, size_t new_size);

#endif
