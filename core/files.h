/*
 * files: what scripts do with the file system, as plain blocking calls.
 *
 * Safe on any thread. Paths are bytes with a final NUL. Names of results are owned by the result. Relies on POSIX;
 * knows no Lua, no loop and no layout of the data folder.
 */
#ifndef SM_FILES_H
#define SM_FILES_H

#include "buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Largest file that is read whole, in bytes, when the caller names no limit. */
#define SM_FILES_READ_MAX ((size_t)1 << 30)

struct sm_file_info {
	const char *type; /* "file", "dir", "link", "other"; constant */
	int64_t size;     /* bytes */
	int64_t mtime_ns; /* since 1970 */
};

struct sm_file_entry {
	char *name; /* of the entry, or its path below the folder that was walked */
	struct sm_file_info info;
};

struct sm_file_list {
	struct sm_file_entry *entries; /* sorted by the bytes of their names */
	size_t count;
	size_t capacity; /* private */
};

/* SM_FILE_PRIVATE: atomic, and only the owner may read the file. */
enum sm_file_write { SM_FILE_REPLACE, SM_FILE_APPEND, SM_FILE_ATOMIC, SM_FILE_PRIVATE };

/* Fills err from errno: "what: reason"; returns the status. */
enum sm_status sm_files_fail(struct sm_error *err, int saved_errno, const char *what);

/* Appends the whole file to out (caller frees); beyond out->max it is SM_LIMIT. */
enum sm_status sm_files_read(const char *path, struct sm_buf *out, struct sm_error *err);
/*
 * SM_FILE_REPLACE truncates, SM_FILE_APPEND adds at the end, SM_FILE_ATOMIC writes beside, syncs, renames and syncs
 * the folder: after a crash the old or the new content is there, never a part.
 */
enum sm_status sm_files_write(const char *path, const void *data, size_t len, enum sm_file_write how,
                              struct sm_error *err);
enum sm_status sm_files_stat(const char *path, struct sm_file_info *info, struct sm_error *err); /* follows links */
/* Entries of one folder, without "." and "..". Caller frees the list. */
enum sm_status sm_files_list(const char *dir, struct sm_file_list *list, struct sm_error *err);
/* Every regular file below dir, links to files included, links to folders not followed. Caller frees the list. */
enum sm_status sm_files_walk(const char *dir, struct sm_file_list *list, struct sm_error *err);
void sm_file_list_free(struct sm_file_list *list);
/* SM_FOLDER_PRIVATE: only the owner may look into the folder, if it is made now; its parents are as they would be. */
enum sm_folder_sharing { SM_FOLDER_SHARED, SM_FOLDER_PRIVATE };

/* Makes the folder and its parents; one that is there already is fine. */
enum sm_status sm_files_mkdir(const char *path, enum sm_folder_sharing sharing, struct sm_error *err);
/* Removes a file, a link or an empty folder. */
enum sm_status sm_files_remove(const char *path, struct sm_error *err);
/* Removes a folder with everything below it, links themselves and not their targets. Missing is fine. */
enum sm_status sm_files_remove_tree(const char *path, struct sm_error *err);
enum sm_status sm_files_rename(const char *from, const char *to, struct sm_error *err);
enum sm_status sm_files_link(const char *from, const char *to, struct sm_error *err);
/* Copies the content; "to" appears whole or not at all. */
enum sm_status sm_files_copy(const char *from, const char *to, struct sm_error *err);
enum sm_status sm_files_sync_dir(const char *dir, struct sm_error *err);
/* Absolute path without links; allocated, caller frees. */
enum sm_status sm_files_realpath(const char *path, char **out, struct sm_error *err);
/* A new folder, readable by this user only, below $TMPDIR or the system's temporary folder; caller frees. */
enum sm_status sm_files_temp_dir(char **out, struct sm_error *err);

/* mode: "r", "w", "a" or "rw" (kept, created when missing). Sets *fd. */
enum sm_status sm_files_open(const char *path, const char *mode, int *fd, struct sm_error *err);
/* Up to count bytes at offset (-1: at the file's own position), appended to out; less only at the end of the file. */
enum sm_status sm_files_read_at(int fd, int64_t offset, size_t count, struct sm_buf *out, struct sm_error *err);
enum sm_status sm_files_write_all(int fd, const void *data, size_t len, struct sm_error *err);

/*
 * Takes the exclusive lock on a file (made when missing) and writes our process id into it. Does not wait: SM_CONFLICT
 * names the holder. The lock ends when *fd is closed, at the latest with the process.
 */
enum sm_status sm_files_lock(const char *path, int *fd, struct sm_error *err);

#endif
