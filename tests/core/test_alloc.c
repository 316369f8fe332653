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
	static const size_t sizes[] = {1,  15, 16,     17,     100,     1024,    1025,    5000,    1025, 1024, 700,
	                               16, 8,  200000, 220000, 1048576, 1048577, 2000000, 1000000, 3000, 40};
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

TEST(gives_a_large_block_again)
{
	struct sm_alloc alloc = {0};
	static const size_t sizes[] = {1025, 1280, 1281, 2048, 2049, 131072, 131073, 1000000, SM_ALLOC_LARGE};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes && !sm_alloc_plain; i++) {
		void *first = sm_alloc_resize(&alloc, NULL, 0, sizes[i]), *second;

		memset(first, 0xff, sizes[i]);
		sm_alloc_resize(&alloc, first, sizes[i], 0);
		second = sm_alloc_resize(&alloc, NULL, 0, sizes[i]);
		CHECK(second == first);
		sm_alloc_resize(&alloc, second, sizes[i], 0);
	}
	sm_alloc_close(&alloc);
}

TEST(a_large_block_grows_and_shrinks_in_place_within_its_size)
{
	struct sm_alloc alloc = {0};
	void *block = sm_alloc_resize(&alloc, NULL, 0, 131073);

	CHECK(sm_alloc_plain || sm_alloc_resize(&alloc, block, 131073, 150000) == block);
	CHECK(sm_alloc_plain || sm_alloc_resize(&alloc, block, 150000, 131073) == block);
	sm_alloc_resize(&alloc, block, 131073, 0);
	sm_alloc_close(&alloc);
}

TEST(keeps_no_more_large_blocks_than_it_says)
{
	enum { COUNT = 40 };
	struct sm_alloc alloc = {0};
	void *blocks[COUNT];

	for (int i = 0; i < COUNT; i++)
		blocks[i] = sm_alloc_resize(&alloc, NULL, 0, 100000 + (size_t)i * 1000);
	for (int i = 0; i < COUNT; i++)
		sm_alloc_resize(&alloc, blocks[i], 100000 + (size_t)i * 1000, 0);
	CHECK(alloc.kept <= SM_ALLOC_KEEP);
	CHECK(alloc.kept > SM_ALLOC_KEEP / 2 || sm_alloc_plain);
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
			sizes[i] = (seed >> 16) % (seed % 7 == 0 ? 60000 : 1500) + 1;
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
	RUN(gives_a_large_block_again);
	RUN(a_large_block_grows_and_shrinks_in_place_within_its_size);
	RUN(keeps_no_more_large_blocks_than_it_says);
	RUN(keeps_the_bytes_when_a_block_moves);
	RUN(blocks_do_not_overlap);
	return check_report();
}
