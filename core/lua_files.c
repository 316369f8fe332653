/*
 * sm.files: the file system for scripts. Every call that touches the disk waits on a worker (lua_job.h), so that only
 * the calling task stands still; outside a task it blocks.
 *
 * Failures of the world are nil, message, code: "not_found", "exists", "refused" (permission), "conflict" (busy, not
 * empty, locked), "invalid" (a folder where a file is meant), "limit", "io". Paths are byte strings without NUL.
 */
#include "files.h"
#include "lua_job.h"
#include "lua_result.h"
#include "lua_type.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_TYPE "sm.files.file"
#define LOCK_TYPE "sm.files.lock"

/* An open file. Works that are under way keep it open: the descriptor is closed by whoever lets go last. */
struct open_file {
	int fd;
	int refs; /* loop thread only */
};

struct file_job {
	struct sm_job job;
	enum sm_status (*call)(struct file_job *fj); /* on a worker */
	int (*give)(lua_State *L, struct file_job *fj);
	enum sm_status status;
	struct sm_error err;
	char *path, *path2;
	const char *mode; /* a constant */
	struct open_file *file;
	struct sm_buf data; /* what is written, or what was read */
	struct sm_file_info info;
	struct sm_file_list list;
	char *text;            /* a path that was found */
	int64_t offset, count; /* in; count out: a size */
	int fd;                /* out */
};

static void file_release(struct open_file *file)
{
	if (--file->refs > 0)
		return;
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}

static void job_free(struct sm_job *job)
{
	struct file_job *fj = (struct file_job *)job;
	free(fj->path);
	free(fj->path2);
	free(fj->text);
	sm_buf_free(&fj->data);
	sm_file_list_free(&fj->list);
	if (fj->fd >= 0)
		close(fj->fd);
	if (fj->file != NULL)
		file_release(fj->file);
	free(fj);
}

static void job_run(struct sm_job *job)
{
	struct file_job *fj = (struct file_job *)job;
	fj->status = fj->call(fj);
}

static int job_push(lua_State *L, struct sm_job *job)
{
	struct file_job *fj = (struct file_job *)job;
	return fj->status == SM_OK ? fj->give(L, fj) : sm_push_error(L, &fj->err);
}

/* NULL without memory. The paths are copied, because the task may go away while the worker still uses them. */
static struct file_job *job_new(enum sm_status (*call)(struct file_job *), int (*give)(lua_State *, struct file_job *),
                                const char *path, const char *path2)
{
	struct file_job *fj = calloc(1, sizeof(*fj));
	if (fj == NULL)
		return NULL;
	fj->job = (struct sm_job){.run = job_run, .push = job_push, .free = job_free};
	fj->call = call;
	fj->give = give;
	fj->fd = -1;
	sm_buf_init(&fj->data, SM_FILES_READ_MAX);
	fj->path = path != NULL ? strdup(path) : NULL;
	fj->path2 = path2 != NULL ? strdup(path2) : NULL;
	if ((path != NULL && fj->path == NULL) || (path2 != NULL && fj->path2 == NULL)) {
		job_free(&fj->job); /* it is the start of fj */
		return NULL;        // cppcheck-suppress memleak
	}
	return fj;
}

static int job_go(lua_State *L, struct file_job *fj)
{
	return fj != NULL ? sm_job_start(L, &fj->job) : sm_push_fail(L, SM_NOMEM, "no memory");
}

static const char *check_path(lua_State *L, int arg)
{
	size_t len;
	const char *path = luaL_checklstring(L, arg, &len);
	luaL_argcheck(L, strlen(path) == len, arg, "a path has no NUL byte");
	luaL_argcheck(L, len > 0, arg, "a path is not empty");
	return path;
}

/* ---- what the calls give ---- */

static int give_true(lua_State *L, struct file_job *fj)
{
	(void)fj;
	lua_pushboolean(L, 1);
	return 1;
}

static int give_data(lua_State *L, struct file_job *fj)
{
	lua_pushlstring(L, fj->data.data != NULL ? fj->data.data : "", fj->data.len);
	return 1;
}

/* Nothing read means the end of the file: nil alone. */
static int give_data_or_end(lua_State *L, struct file_job *fj)
{
	if (fj->data.len > 0 || fj->count == 0)
		return give_data(L, fj);
	lua_pushnil(L);
	return 1;
}

static int give_text(lua_State *L, struct file_job *fj)
{
	lua_pushstring(L, fj->text);
	return 1;
}

static int give_count(lua_State *L, struct file_job *fj)
{
	lua_pushinteger(L, (lua_Integer)fj->count);
	return 1;
}

static void push_info(lua_State *L, const struct sm_file_info *info, const char *name)
{
	lua_createtable(L, 0, 4);
	if (name != NULL) {
		lua_pushstring(L, name);
		lua_setfield(L, -2, "name");
	}
	lua_pushstring(L, info->type);
	lua_setfield(L, -2, "type");
	lua_pushinteger(L, (lua_Integer)info->size);
	lua_setfield(L, -2, "size");
	lua_pushnumber(L, (lua_Number)info->mtime_ns / 1e9); /* nanoseconds become the seconds of sm.time */
	lua_setfield(L, -2, "mtime");
}

static int give_info(lua_State *L, struct file_job *fj)
{
	push_info(L, &fj->info, NULL);
	return 1;
}

static int give_list(lua_State *L, struct file_job *fj)
{
	lua_createtable(L, fj->list.count < INT32_MAX ? (int)fj->list.count : 0, 0);
	for (size_t i = 0; i < fj->list.count; i++) {
		push_info(L, &fj->list.entries[i].info, fj->list.entries[i].name);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* ---- whole files ---- */

static enum sm_status call_read(struct file_job *fj)
{
	return sm_files_read(fj->path, &fj->data, &fj->err);
}

/*
 * read(path, max_bytes?) -> the content | nil, message, code. Waits.
 * max_bytes: default 1 GiB; a larger file is "limit".
 */
static int l_read(lua_State *L)
{
	const char *path = check_path(L, 1);
	lua_Integer max = luaL_optinteger(L, 2, (lua_Integer)SM_FILES_READ_MAX);
	luaL_argcheck(L, max > 0, 2, "a positive number of bytes");
	struct file_job *fj = job_new(call_read, give_data, path, NULL);
	if (fj != NULL)
		fj->data.max = (size_t)max;
	return job_go(L, fj);
}

static enum sm_status call_write(struct file_job *fj)
{
	return sm_files_write(fj->path, fj->data.data, fj->data.len, (enum sm_file_write)fj->offset, &fj->err);
}

static int start_write(lua_State *L, enum sm_file_write how)
{
	size_t len;
	const char *path = check_path(L, 1);
	const char *data = luaL_checklstring(L, 2, &len);
	struct file_job *fj = job_new(call_write, give_true, path, NULL);
	if (fj != NULL) {
		fj->offset = how;
		fj->data.max = len + 1;
		if (sm_buf_add(&fj->data, data, len) != SM_OK) {
			job_free(&fj->job);
			fj = NULL;
		}
	}
	return job_go(L, fj);
}

/* write(path, data) -> true | nil, message, code. Replaces the content; not crash safe. Waits. */
static int l_write(lua_State *L)
{
	return start_write(L, SM_FILE_REPLACE);
}

/*
 * write_atomic(path, data, "shared"|"private" = "shared") -> true | nil, message, code. Old or new content after a
 * crash, and durable on return. A private file is for its owner only. Waits.
 */
static int l_write_atomic(lua_State *L)
{
	static const char *const kinds[] = {"shared", "private", NULL};
	return start_write(L, luaL_checkoption(L, 3, "shared", kinds) == 1 ? SM_FILE_PRIVATE : SM_FILE_ATOMIC);
}

/* append(path, data) -> true | nil, message, code. Made when missing. Waits. */
static int l_append(lua_State *L)
{
	return start_write(L, SM_FILE_APPEND);
}

/* ---- folders and names ---- */

static enum sm_status call_stat(struct file_job *fj)
{
	return sm_files_stat(fj->path, &fj->info, &fj->err);
}

/* stat(path) -> {type="file"|"dir"|"other", size=bytes, mtime=epoch seconds} | nil, message, code. Follows links.
 * Waits. */
static int l_stat(lua_State *L)
{
	return job_go(L, job_new(call_stat, give_info, check_path(L, 1), NULL));
}

/*
 * stamp(path) -> mtime in nanoseconds, size in bytes | nil, message, code. Two integers that change when the file does.
 * Does not wait: for files of the program itself, looked at again and again, where a worker would cost more than it
 * saves.
 */
static int l_stamp(lua_State *L)
{
	const char *path = check_path(L, 1);
	struct stat info;
	struct sm_error err;
	if (stat(path, &info) != 0) {
		sm_files_fail(&err, errno, path);
		return sm_push_error(L, &err);
	}
	lua_pushinteger(L, (lua_Integer)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec);
	lua_pushinteger(L, (lua_Integer)info.st_size);
	return 2;
}

static enum sm_status call_exists(struct file_job *fj)
{
	enum sm_status status = sm_files_stat(fj->path, &fj->info, &fj->err);
	fj->count = status == SM_OK;
	return status == SM_NOTFOUND ? SM_OK : status;
}

static int give_exists(lua_State *L, struct file_job *fj)
{
	lua_pushboolean(L, fj->count != 0);
	return 1;
}

/* exists(path) -> boolean | nil, message, code (the way there may not be looked at). A dangling link does not exist.
 * Waits. */
static int l_exists(lua_State *L)
{
	return job_go(L, job_new(call_exists, give_exists, check_path(L, 1), NULL));
}

static enum sm_status call_list(struct file_job *fj)
{
	return sm_files_list(fj->path, &fj->list, &fj->err);
}

/* list(dir) -> {{name, type="file"|"dir"|"link"|"other", size, mtime}, ...} sorted by name | nil, message, code. Waits.
 */
static int l_list(lua_State *L)
{
	return job_go(L, job_new(call_list, give_list, check_path(L, 1), NULL));
}

static enum sm_status call_walk(struct file_job *fj)
{
	return sm_files_walk(fj->path, &fj->list, &fj->err);
}

/*
 * walk(dir) -> {{name=path below dir, type="file", size, mtime}, ...} sorted by path | nil, message, code. Waits.
 * Every file at any depth; links to files count as files, links to folders are not followed.
 */
static int l_walk(lua_State *L)
{
	return job_go(L, job_new(call_walk, give_list, check_path(L, 1), NULL));
}

static enum sm_status call_mkdir(struct file_job *fj)
{
	bool is_private = strcmp(fj->mode, "private") == 0;
	return sm_files_mkdir(fj->path, is_private ? SM_FOLDER_PRIVATE : SM_FOLDER_SHARED, &fj->err);
}

/*
 * mkdir(path, "shared"|"private" = "shared") -> true | nil, message, code. Parents too; a folder that is there is fine.
 * A private folder that is made now is for its owner only. Waits.
 */
static int l_mkdir(lua_State *L)
{
	static const char *const kinds[] = {"shared", "private", NULL};
	const char *path = check_path(L, 1);
	const char *mode = kinds[luaL_checkoption(L, 2, "shared", kinds)];
	struct file_job *fj = job_new(call_mkdir, give_true, path, NULL);
	if (fj != NULL)
		fj->mode = mode;
	return job_go(L, fj);
}

static enum sm_status call_remove(struct file_job *fj)
{
	return sm_files_remove(fj->path, &fj->err);
}

/* remove(path) -> true | nil, message, code. A file, a link or an empty folder. Waits. */
static int l_remove(lua_State *L)
{
	return job_go(L, job_new(call_remove, give_true, check_path(L, 1), NULL));
}

static enum sm_status call_remove_tree(struct file_job *fj)
{
	return sm_files_remove_tree(fj->path, &fj->err);
}

/* remove_tree(path) -> true | nil, message, code. The folder and all below it; true when there is none. Waits. */
static int l_remove_tree(lua_State *L)
{
	return job_go(L, job_new(call_remove_tree, give_true, check_path(L, 1), NULL));
}

static enum sm_status call_rename(struct file_job *fj)
{
	return sm_files_rename(fj->path, fj->path2, &fj->err);
}

/* rename(from, to) -> true | nil, message, code. Atomic inside one file system; replaces a file at "to". Waits. */
static int l_rename(lua_State *L)
{
	const char *from = check_path(L, 1), *to = check_path(L, 2);
	return job_go(L, job_new(call_rename, give_true, from, to));
}

static enum sm_status call_copy(struct file_job *fj)
{
	return sm_files_copy(fj->path, fj->path2, &fj->err);
}

/* copy(from, to) -> true | nil, message, code. "to" appears whole or not at all. Waits. */
static int l_copy(lua_State *L)
{
	const char *from = check_path(L, 1), *to = check_path(L, 2);
	return job_go(L, job_new(call_copy, give_true, from, to));
}

static enum sm_status call_link(struct file_job *fj)
{
	return sm_files_link(fj->path, fj->path2, &fj->err);
}

/* link(from, to) -> true | nil, message, code ("exists"). A second name for the same file. Waits. */
static int l_link(lua_State *L)
{
	const char *from = check_path(L, 1), *to = check_path(L, 2);
	return job_go(L, job_new(call_link, give_true, from, to));
}

static enum sm_status call_sync_dir(struct file_job *fj)
{
	return sm_files_sync_dir(fj->path, &fj->err);
}

/* sync_dir(dir) -> true | nil, message, code. Makes renames and new names in it durable. Waits. */
static int l_sync_dir(lua_State *L)
{
	return job_go(L, job_new(call_sync_dir, give_true, check_path(L, 1), NULL));
}

static enum sm_status call_realpath(struct file_job *fj)
{
	return sm_files_realpath(fj->path, &fj->text, &fj->err);
}

/* realpath(path) -> the absolute path without links | nil, message, code ("not_found"). Waits. */
static int l_realpath(lua_State *L)
{
	return job_go(L, job_new(call_realpath, give_text, check_path(L, 1), NULL));
}

static enum sm_status call_temp_dir(struct file_job *fj)
{
	return sm_files_temp_dir(&fj->text, &fj->err);
}

/* temp_dir() -> path of a new folder of its own, which the caller removes | nil, message, code. Waits. */
static int l_temp_dir(lua_State *L)
{
	return job_go(L, job_new(call_temp_dir, give_text, NULL, NULL));
}

/* cwd() -> the working folder | nil, message, code. */
static int l_cwd(lua_State *L)
{
	char path[4096];
	if (getcwd(path, sizeof(path)) == NULL)
		return sm_push_fail(L, SM_NOTFOUND, "the working folder is gone");
	lua_pushstring(L, path);
	return 1;
}

/* env(name) -> the value | nil. */
static int l_env(lua_State *L)
{
	lua_pushstring(L, getenv(luaL_checkstring(L, 1)));
	return 1;
}

/* ---- open files ---- */

/* The slot of the handle: NULL once closed. */
static struct open_file **file_slot(lua_State *L)
{
	return luaL_checkudata(L, 1, FILE_TYPE);
}

static struct open_file *check_file(lua_State *L)
{
	struct open_file *file = *file_slot(L);
	if (file == NULL)
		luaL_argerror(L, 1, "the file is closed");
	return file;
}

static enum sm_status call_open(struct file_job *fj)
{
	return sm_files_open(fj->path, fj->mode, &fj->fd, &fj->err);
}

static int give_file(lua_State *L, struct file_job *fj)
{
	struct open_file **slot = lua_newuserdatauv(L, sizeof(*slot), 0);
	*slot = NULL;
	luaL_setmetatable(L, FILE_TYPE);
	struct open_file *file = calloc(1, sizeof(*file));
	if (file == NULL)
		return sm_push_fail(L, SM_NOMEM, "no memory");
	*file = (struct open_file){.fd = fj->fd, .refs = 1};
	fj->fd = -1;
	*slot = file;
	return 1;
}

/* open(path, mode="r"|"w"|"a"|"rw") -> file | nil, message, code. "rw" keeps the content and makes the file when
 * missing. Waits. */
static int l_open(lua_State *L)
{
	static const char *const modes[] = {"r", "w", "a", "rw", NULL};
	const char *path = check_path(L, 1);
	const char *mode = modes[luaL_checkoption(L, 2, "r", modes)];
	struct file_job *fj = job_new(call_open, give_file, path, NULL);
	if (fj != NULL)
		fj->mode = mode;
	return job_go(L, fj);
}

static int file_go(lua_State *L, struct open_file *file, struct file_job *fj)
{
	if (fj != NULL) {
		fj->file = file;
		file->refs++;
	}
	return job_go(L, fj);
}

static enum sm_status call_read_at(struct file_job *fj)
{
	return sm_files_read_at(fj->file->fd, fj->offset, (size_t)fj->count, &fj->data, &fj->err);
}

static int start_read(lua_State *L, struct open_file *file, lua_Integer offset, lua_Integer count)
{
	struct file_job *fj = job_new(call_read_at, give_data_or_end, NULL, NULL);
	if (fj != NULL) {
		fj->offset = offset;
		fj->count = count;
	}
	return file_go(L, file, fj);
}

/* f:read(n) -> up to n bytes, less only at the end; nil at the end | nil, message, code. n <= 1 GiB. Waits. */
static int f_read(lua_State *L)
{
	struct open_file *file = check_file(L);
	lua_Integer count = luaL_checkinteger(L, 2);
	luaL_argcheck(L, count >= 0 && count <= (lua_Integer)SM_FILES_READ_MAX, 2, "0 to 1 GiB");
	return start_read(L, file, -1, count);
}

/* f:pread(offset, n) -> up to n bytes from offset, less only at the end; nil at the end | nil, message, code. Waits. */
static int f_pread(lua_State *L)
{
	struct open_file *file = check_file(L);
	lua_Integer offset = luaL_checkinteger(L, 2), count = luaL_checkinteger(L, 3);
	luaL_argcheck(L, offset >= 0, 2, "not negative");
	luaL_argcheck(L, count >= 0 && count <= (lua_Integer)SM_FILES_READ_MAX, 3, "0 to 1 GiB");
	return start_read(L, file, offset, count);
}

static enum sm_status call_file_write(struct file_job *fj)
{
	return sm_files_write_all(fj->file->fd, fj->data.data, fj->data.len, &fj->err);
}

/* f:write(data) -> true | nil, message, code. All of it, at the file's position. Waits. */
static int f_write(lua_State *L)
{
	size_t len;
	struct open_file *file = check_file(L);
	const char *data = luaL_checklstring(L, 2, &len);
	struct file_job *fj = job_new(call_file_write, give_true, NULL, NULL);
	if (fj != NULL) {
		fj->data.max = len + 1;
		if (sm_buf_add(&fj->data, data, len) != SM_OK) {
			job_free(&fj->job);
			fj = NULL;
		}
	}
	return file_go(L, file, fj);
}

static enum sm_status call_sync(struct file_job *fj)
{
	return fsync(fj->file->fd) != 0 ? sm_files_fail(&fj->err, errno, "sync") : SM_OK;
}

/* f:sync() -> true | nil, message, code. The content is durable on return. Waits. */
static int f_sync(lua_State *L)
{
	struct open_file *file = check_file(L); /* may raise: before anything is owned */
	return file_go(L, file, job_new(call_sync, give_true, NULL, NULL));
}

static enum sm_status call_size(struct file_job *fj)
{
	struct stat st;
	if (fstat(fj->file->fd, &st) != 0)
		return sm_files_fail(&fj->err, errno, "size");
	fj->count = (int64_t)st.st_size;
	return SM_OK;
}

/* f:size() -> bytes | nil, message, code. Waits. */
static int f_size(lua_State *L)
{
	struct open_file *file = check_file(L); /* may raise: before anything is owned */
	return file_go(L, file, job_new(call_size, give_count, NULL, NULL));
}

/* f:close(), also __gc and __close. Harmless twice; calls under way finish first. */
static int f_close(lua_State *L)
{
	struct open_file **slot = file_slot(L), *file = *slot;
	*slot = NULL;
	if (file != NULL)
		file_release(file);
	lua_pushboolean(L, 1);
	return 1;
}

/* ---- locks ---- */

static enum sm_status call_lock(struct file_job *fj)
{
	return sm_files_lock(fj->path, &fj->fd, &fj->err);
}

static int give_lock(lua_State *L, struct file_job *fj)
{
	int *fd = lua_newuserdatauv(L, sizeof(*fd), 0);
	*fd = -1;
	luaL_setmetatable(L, LOCK_TYPE);
	*fd = fj->fd;
	fj->fd = -1;
	return 1;
}

/*
 * lock(path) -> lock | nil, message, code. Does not wait for the holder: "conflict" names its process.
 * Held until lock:close(), the collection of the handle, or the end of the process, however it ends.
 */
static int l_lock(lua_State *L)
{
	return job_go(L, job_new(call_lock, give_lock, check_path(L, 1), NULL));
}

/* lock:close(), also __gc and __close. Harmless twice. */
static int k_close(lua_State *L)
{
	int *slot = luaL_checkudata(L, 1, LOCK_TYPE), fd = *slot;
	*slot = -1;
	if (fd >= 0)
		close(fd);
	lua_pushboolean(L, 1);
	return 1;
}

static const luaL_Reg functions[] = {
    {"read", l_read},
    {"write", l_write},
    {"write_atomic", l_write_atomic},
    {"append", l_append},
    {"open", l_open},
    {"list", l_list},
    {"walk", l_walk},
    {"stat", l_stat},
    {"stamp", l_stamp},
    {"exists", l_exists},
    {"mkdir", l_mkdir},
    {"remove", l_remove},
    {"remove_tree", l_remove_tree},
    {"rename", l_rename},
    {"copy", l_copy},
    {"link", l_link},
    {"sync_dir", l_sync_dir},
    {"realpath", l_realpath},
    {"lock", l_lock},
    {"cwd", l_cwd},
    {"temp_dir", l_temp_dir},
    {"env", l_env},
    {NULL, NULL},
};

static const luaL_Reg file_methods[] = {
    {"read", f_read}, {"pread", f_pread}, {"write", f_write}, {"sync", f_sync},
    {"size", f_size}, {"close", f_close}, {NULL, NULL},
};
static const luaL_Reg file_meta[] = {{"__gc", f_close}, {"__close", f_close}, {NULL, NULL}};
static const luaL_Reg lock_methods[] = {{"close", k_close}, {NULL, NULL}};
static const luaL_Reg lock_meta[] = {{"__gc", k_close}, {"__close", k_close}, {NULL, NULL}};

int luaopen_sm_files(lua_State *L)
{
	sm_make_type(L, FILE_TYPE, file_methods, file_meta);
	sm_make_type(L, LOCK_TYPE, lock_methods, lock_meta);
	luaL_newlib(L, functions);
	return 1;
}
