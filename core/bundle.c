#include "bundle.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "SMB1"
#define HEAD_BYTES 16u

/* As cmake/static/bundle.lua writes it; all numbers little-endian, as both machines have them. */
struct entry {
	uint32_t name_at, name_len;
	uint32_t data_at, data_len;
	uint64_t hash;
	uint32_t size;
	uint32_t mtime;
	uint32_t is_bytecode;
	uint32_t unused;
};

/* Of core/bundle_data.S in the release build; empty elsewhere. */
extern const unsigned char sm_bundle_bytes[];
extern const uint64_t sm_bundle_len;

bool sm_bundle_open(struct sm_bundle *bundle, const void *bytes, size_t len)
{
	memset(bundle, 0, sizeof *bundle);
	if (len < HEAD_BYTES || memcmp(bytes, MAGIC, 4) != 0)
		return false;
	bundle->bytes = bytes;
	bundle->len = len;
	memcpy(&bundle->count, bundle->bytes + 4, sizeof bundle->count);
	if (bundle->count <= (len - HEAD_BYTES) / sizeof(struct entry))
		return true;
	memset(bundle, 0, sizeof *bundle);
	return false;
}

const struct sm_bundle *sm_bundle_own(void)
{
	static struct sm_bundle own;

	if (own.bytes == NULL)
		sm_bundle_open(&own, sm_bundle_bytes, (size_t)sm_bundle_len);
	return &own;
}

static bool is_inside(const struct sm_bundle *bundle, uint32_t at, uint32_t len)
{
	return at <= bundle->len && len <= bundle->len - at;
}

bool sm_bundle_at(const struct sm_bundle *bundle, uint32_t place, struct sm_bundle_file *file)
{
	struct entry entry;

	if (place >= bundle->count)
		return false;
	memcpy(&entry, bundle->bytes + HEAD_BYTES + place * sizeof entry, sizeof entry);
	if (!is_inside(bundle, entry.name_at, entry.name_len) || !is_inside(bundle, entry.data_at, entry.data_len))
		return false;
	file->name = (const char *)bundle->bytes + entry.name_at;
	file->name_len = entry.name_len;
	file->data = (const char *)bundle->bytes + entry.data_at;
	file->len = entry.data_len;
	file->is_bytecode = entry.is_bytecode != 0;
	file->hash = entry.hash;
	file->size = entry.size;
	file->mtime = (int64_t)entry.mtime;
	return true;
}

static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

bool sm_bundle_find(const struct sm_bundle *bundle, const char *name, size_t name_len, struct sm_bundle_file *file)
{
	uint32_t low = 0, high = bundle->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (!sm_bundle_at(bundle, middle, file))
			return false;
		int order = compare(name, name_len, file->name, file->name_len);
		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

uint64_t sm_bundle_hash(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static bool hash_file(const char *path, uint64_t *hash)
{
	unsigned char block[16384];
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	*hash = SM_BUNDLE_HASH_START;
	while ((got = read(fd, block, sizeof block)) > 0)
		*hash = sm_bundle_hash(*hash, block, (size_t)got);
	close(fd);
	return got == 0;
}

bool sm_bundle_is_same(const struct sm_bundle_file *file, const char *path, uint64_t size, int64_t mtime)
{
	uint64_t hash;

	if (size != file->size)
		return false;
	return mtime == file->mtime || (hash_file(path, &hash) && hash == file->hash);
}
