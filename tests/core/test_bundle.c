#include "bundle.h"
#include "check.h"

#include <stdlib.h>
#include <unistd.h>

#define ENTRY 40u

/* A bundle of two files, a.sql (text) and b.lua (said to be bytecode), as cmake/static/bundle.lua writes one. */
static size_t make(unsigned char *out)
{
	static const char *const names[] = {"a.sql", "b.lua"}, *const data[] = {"select 1", "code"};
	uint32_t count = 2, at = 16 + 2 * ENTRY;

	memset(out, 0, 256);
	memcpy(out, "SMB1", 4);
	memcpy(out + 4, &count, 4);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t name_len = (uint32_t)strlen(names[i]), len = (uint32_t)strlen(data[i]), data_at = at + name_len;
		uint64_t hash = sm_bundle_hash(SM_BUNDLE_HASH_START, "select 1", 8);
		uint32_t fields[] = {at, name_len, data_at, len, 0, 0, 8, 1577836802, i, 0};

		memcpy(fields + 4, &hash, 8);
		memcpy(out + 16 + i * ENTRY, fields, ENTRY);
		memcpy(out + at, names[i], name_len);
		memcpy(out + data_at, data[i], len);
		at = data_at + len;
	}
	return at;
}

TEST(files_are_found_by_name)
{
	unsigned char bytes[256];
	struct sm_bundle bundle;
	struct sm_bundle_file file;

	CHECK(sm_bundle_open(&bundle, bytes, make(bytes)));
	CHECK(bundle.count == 2);
	CHECK(sm_bundle_find(&bundle, "a.sql", 5, &file));
	CHECK(file.len == 8 && memcmp(file.data, "select 1", 8) == 0 && !file.is_bytecode);
	CHECK(sm_bundle_find(&bundle, "b.lua", 5, &file) && file.is_bytecode && file.len == 4);
	CHECK(!sm_bundle_find(&bundle, "a", 1, &file));
	CHECK(!sm_bundle_find(&bundle, "b.lua2", 6, &file));
	CHECK(!sm_bundle_find(&bundle, "", 0, &file));
	CHECK(sm_bundle_at(&bundle, 1, &file) && !sm_bundle_at(&bundle, 2, &file));
}

TEST(what_is_no_bundle_is_refused)
{
	unsigned char bytes[256];
	struct sm_bundle bundle;
	struct sm_bundle_file file;
	size_t len = make(bytes);

	CHECK(!sm_bundle_open(&bundle, "", 0) && bundle.count == 0);
	CHECK(!sm_bundle_open(&bundle, "SMB1", 4));
	CHECK(!sm_bundle_open(&bundle, bytes, 16 + ENTRY)); /* the index is cut off */
	for (size_t cut = 16 + 2 * ENTRY; cut < len; cut++) /* the files are */
		CHECK(sm_bundle_open(&bundle, bytes, cut) &&
		      !(sm_bundle_at(&bundle, 0, &file) && sm_bundle_at(&bundle, 1, &file)));
	bytes[0] = 'X';
	CHECK(!sm_bundle_open(&bundle, bytes, len));
	CHECK(sm_bundle_own()->count == 0); /* of this build */
	CHECK(!sm_bundle_find(sm_bundle_own(), "a.sql", 5, &file));
}

/* The path of a fresh file with this content. */
static const char *write_file(const char *content)
{
	static char path[64];
	int fd;

	strcpy(path, "/tmp/sm-bundle-XXXXXX");
	fd = mkstemp(path);
	CHECK(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
	close(fd);
	return path;
}

TEST(an_edited_file_differs)
{
	unsigned char bytes[256];
	struct sm_bundle bundle;
	struct sm_bundle_file file;
	const char *path;

	CHECK(sm_bundle_open(&bundle, bytes, make(bytes)) && sm_bundle_find(&bundle, "a.sql", 5, &file));
	CHECK(sm_bundle_is_same(&file, "/nonexistent", 8, 1577836802)); /* as the package unpacks it: not even opened */
	CHECK(!sm_bundle_is_same(&file, "/nonexistent", 9, 1577836802));
	CHECK(!sm_bundle_is_same(&file, "/nonexistent", 8, 0));
	path = write_file("select 1");
	CHECK(sm_bundle_is_same(&file, path, 8, 0)); /* unpacked without times */
	unlink(path);
	path = write_file("select 2");
	CHECK(!sm_bundle_is_same(&file, path, 8, 0));
	unlink(path);
}

int main(void)
{
	RUN(files_are_found_by_name);
	RUN(what_is_no_bundle_is_refused);
	RUN(an_edited_file_differs);
	return check_report();
}
