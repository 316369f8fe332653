#include "../../core/gzip.h"
#include "sweep.h"

static struct sm_error err;

TEST(writes_known_bytes)
{
	/* What gunzip reads as "aaaa...", 20 times: one literal, one repetition. */
	struct sm_buf out;
	sm_buf_init(&out, 1000);
	CHECK(sm_gzip_write("aaaaaaaaaaaaaaaaaaaa", 20, &out, &err) == SM_OK);
	CHECK(out.len == 10 + 4 + 8 && memcmp(out.data, "\x1f\x8b\x08\0\0\0\0\0\0\xff\x4b\xc4", 12) == 0);
	CHECK(memcmp(out.data + out.len - 4, "\x14\0\0\0", 4) == 0);
	sm_buf_free(&out);
}

TEST(writes_nothing_and_keeps_to_the_limit)
{
	struct sm_buf out;
	sm_buf_init(&out, 20);
	CHECK(sm_gzip_write("", 0, &out, &err) == SM_OK && out.len == 20);
	sm_buf_free(&out);
	sm_buf_init(&out, 19);
	CHECK(sm_gzip_write("", 0, &out, &err) == SM_LIMIT);
	sm_buf_free(&out);
}

TEST(every_allocation_may_fail)
{
	sweep("local g = require 'sm.gzip'\n"
	      "local function work()\n"
	      "  for i = 1, 12 do assert(#assert(g.compress(('{\"a\":%d}'):rep(3000 + i))) < 3000) end\n"
	      "end\n"
	      "local ok, err = pcall(work) disarm() if not ok then error(err, 0) end",
	      false);
}

int main(void)
{
	RUN(writes_known_bytes);
	RUN(writes_nothing_and_keeps_to_the_limit);
	RUN(every_allocation_may_fail);
	return check_report();
}
