/*
 * bundle: the files of lua/ inside the program, found by name without unpacking anything.
 *
 * The release build compiles our Lua to bytecode and puts it, with the SQL files, into one block of read-only memory;
 * other builds have an empty one. A file on the disk that differs from the one bundled has been edited by an operator
 * and wins: sm_bundle_is_same tells. Made by cmake/static/bundle.lua; knows nothing of Lua.
 */
#ifndef SM_BUNDLE_H
#define SM_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sm_bundle {
	const unsigned char *bytes;
	size_t len;
	uint32_t count;
};

struct sm_bundle_file {
	const char *name; /* below lua/, "lib/errors.lua"; not terminated, like data */
	size_t name_len;
	const char *data;
	size_t len;
	bool is_bytecode; /* else data is the file itself */
	uint64_t hash;    /* of the source file */
	uint64_t size;    /* of the source file */
	int64_t mtime;    /* that the package gives the source file: it is made of the hash */
};

/* Borrows the bytes. False when they are no bundle. */
bool sm_bundle_open(struct sm_bundle *bundle, const void *bytes, size_t len);
/* The bundle of this program; one without files when there is none. */
const struct sm_bundle *sm_bundle_own(void);
bool sm_bundle_find(const struct sm_bundle *bundle, const char *name, size_t name_len, struct sm_bundle_file *file);
/* The file at a place, 0 to count - 1; they are sorted by name. */
bool sm_bundle_at(const struct sm_bundle *bundle, uint32_t place, struct sm_bundle_file *file);
/*
 * True when the file on the disk is the bundled one. Size and time of the package settle it; with the same size and
 * another time (it was unpacked by a tool that keeps none) the content does.
 */
bool sm_bundle_is_same(const struct sm_bundle_file *file, const char *path, uint64_t size, int64_t mtime);
/* 64-bit FNV-1a. */
uint64_t sm_bundle_hash(uint64_t hash, const void *bytes, size_t len);
#define SM_BUNDLE_HASH_START UINT64_C(0xcbf29ce484222325)

#endif
