/* core/alloc: blocks by size. */
#include "alloc.h"
#include "check.h"

#include <stdint.h>
#include <stdlib.h>

TEST(gives_a_block_again)
{
	struct sm_alloc alloc = {0};
	void *first = sm_alloc_resize(&alloc, NULL, 0, 40), *second;

	CHECK(first != NULL && (uintptr_t)first % 16 == 0);
	CHECK(sm_alloc_resize(&alloc, first, 40, 0) == NULL);
	second = sm_alloc_resize(&alloc, NULL, 0, 48); /* the same size class */
	CHECK(second == first || sm_alloc_plain);
	sm_alloc_resize(&alloc, second, 48, 0);
	sm_alloc_close(&alloc);
}

TEST(keeps_the_bytes_when_a_block_moves)
{
	static const size_t sizes[] = {1, 15, 16, 17, 100, 1024, 1025, 5000, 1025, 1024, 700, 16, 8};
	struct sm_alloc alloc = {0};
	unsigned char *block = NULL;
	size_t old_size = 0;

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t kept = old_size < sizes[i] ? old_size : sizes[i];

		block = sm_alloc_resize(&alloc, block, old_size, sizes[i]);
		CHECK(block != NULL);
		for (size_t at = 0; at < kept; at++)
			CHECK(block[at] == (unsigned char)(at * 7));
		for (size_t at = 0; at < sizes[i]; at++)
			block[at] = (unsigned char)(at * 7);
		old_size = sizes[i];
	}
	sm_alloc_resize(&alloc, block, old_size, 0);
	sm_alloc_close(&alloc);
}

/* Thousands of blocks that live at the same time must not overlap, whatever the order of their sizes. */
TEST(blocks_do_not_overlap)
{
	enum { COUNT = 4000 };
	static unsigned char *blocks[COUNT];
	static size_t sizes[COUNT];
	struct sm_alloc alloc = {0};
	unsigned seed = 1;

	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < COUNT; i++) {
			seed = seed * 1103515245u + 12345u;
			if (blocks[i] != NULL && (seed >> 16) % 3 == 0)
				continue;
			sm_alloc_resize(&alloc, blocks[i], sizes[i], 0);
			sizes[i] = (seed >> 16) % 1500 + 1;
			blocks[i] = sm_alloc_resize(&alloc, NULL, 0, sizes[i]);
			memset(blocks[i], i & 0xff, sizes[i]);
		}
		for (int i = 0; i < COUNT; i++)
			CHECK(blocks[i][0] == (i & 0xff) && blocks[i][sizes[i] - 1] == (i & 0xff));
	}
	for (int i = 0; i < COUNT; i++)
		sm_alloc_resize(&alloc, blocks[i], sizes[i], 0);
	sm_alloc_close(&alloc);
}

int main(void)
{
	RUN(gives_a_block_again);
	RUN(keeps_the_bytes_when_a_block_moves);
	RUN(blocks_do_not_overlap);
	return check_report();
}
