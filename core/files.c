#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP ((size_t)256 * 1024)

static enum sm_status status_of_errno(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return SM_NOTFOUND;
	case EEXIST:
		return SM_EXISTS;
	case EACCES:
	case EPERM:
	case EROFS:
		return SM_REFUSED;
	case ENOTEMPTY:
	case EBUSY:
		return SM_CONFLICT;
	case EISDIR:
	case EINVAL:
	case ELOOP:
	case ENAMETOOLONG:
		return SM_INVALID;
	case EMFILE:
	case ENFILE:
	case EFBIG:
		return SM_LIMIT;
	case ENOMEM:
		return SM_NOMEM;
	default:
		return SM_IO;
	}
}

enum sm_status sm_files_fail(struct sm_error *err, int saved_errno, const char *what)
{
	/* strerror is safe on several threads with glibc 2.32 and later and with musl. */
	return sm_fail(err, status_of_errno(saved_errno), "%s: %s", what, strerror(saved_errno));
}

/* ---- reading and writing ---- */

enum sm_status sm_files_open(const char *path, const char *mode, int *fd, struct sm_error *err)
{
	int flags = O_RDONLY;
	if (strcmp(mode, "w") == 0)
		flags = O_WRONLY | O_CREAT | O_TRUNC;
	else if (strcmp(mode, "a") == 0)
		flags = O_WRONLY | O_CREAT | O_APPEND;
	else if (strcmp(mode, "rw") == 0)
		flags = O_RDWR | O_CREAT;
	else if (strcmp(mode, "r") != 0)
		return sm_fail(err, SM_INVALID, "%s: unknown mode \"%s\"", path, mode);
	*fd = open(path, flags | O_CLOEXEC, 0666);
	return *fd < 0 ? sm_files_fail(err, errno, path) : SM_OK;
}

static ssize_t read_some(int fd, int64_t offset, void *to, size_t count)
{
	ssize_t got;
	do {
		got = offset < 0 ? read(fd, to, count) : pread(fd, to, count, (off_t)offset);
	} while (got < 0 && errno == EINTR);
	return got;
}

enum sm_status sm_files_read_at(int fd, int64_t offset, size_t count, struct sm_buf *out, struct sm_error *err)
{
	while (count > 0) {
		size_t step = count < READ_STEP ? count : READ_STEP;
		enum sm_status status = sm_buf_reserve(out, step);
		if (status != SM_OK)
			return sm_fail(err, status, "more than %zu bytes, or no memory for them", out->max);
		ssize_t got = read_some(fd, offset, out->data + out->len, step);
		if (got < 0)
			return sm_files_fail(err, errno, "read");
		if (got == 0)
			break;
		out->len += (size_t)got;
		out->data[out->len] = '\0';
		count -= (size_t)got;
		offset = offset < 0 ? offset : offset + got;
	}
	return SM_OK;
}

/* Reads to the end in steps that fit the maximum exactly: a file of just that size is still read. */
static enum sm_status read_rest(int fd, struct sm_buf *out, struct sm_error *err)
{
	for (;;) {
		size_t before = out->len, room = out->max - out->len;
		enum sm_status status = sm_files_read_at(fd, -1, room < READ_STEP ? room : READ_STEP, out, err);
		if (status != SM_OK)
			return status;
		char probe;
		if (out->len == out->max)
			return read_some(fd, -1, &probe, 1) == 0 ? SM_OK
			                                         : sm_fail(err, SM_LIMIT, "larger than %zu bytes", out->max);
		if (out->len == before)
			return SM_OK;
	}
}

enum sm_status sm_files_read(const char *path, struct sm_buf *out, struct sm_error *err)
{
	struct sm_error inner;
	int fd;
	enum sm_status status = sm_files_open(path, "r", &fd, err);
	if (status != SM_OK)
		return status;
	struct stat st;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size <= out->max - out->len)
		status = sm_buf_reserve(out, (size_t)st.st_size);
	if (status == SM_OK)
		status = read_rest(fd, out, &inner);
	else
		sm_fail(&inner, status, "no memory");
	if (status != SM_OK)
		sm_fail(err, status, "%s: %s", path, inner.message);
	close(fd);
	return status;
}

enum sm_status sm_files_write_all(int fd, const void *data, size_t len, struct sm_error *err)
{
	const char *at = data;
	while (len > 0) {
		ssize_t put = write(fd, at, len);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return sm_files_fail(err, errno, "write");
		at += put;
		len -= (size_t)put;
	}
	return SM_OK;
}

/* "DIR/.NAME.PID.N.tmp": hidden, in the same folder so that rename works, and different for every call. */
static char *temp_name(const char *path)
{
	static atomic_uint counter;
	const char *slash = strrchr(path, '/');
	size_t dir = slash != NULL ? (size_t)(slash - path) + 1 : 0;
	size_t size = strlen(path) + 48;
	char *name = malloc(size);
	if (name != NULL)
		snprintf(name, size, "%.*s.%s.%ld.%u.tmp", (int)dir, path, path + dir, (long)getpid(),
		         atomic_fetch_add(&counter, 1));
	return name;
}

static enum sm_status sync_parent(const char *path, struct sm_error *err)
{
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		return sm_files_sync_dir(".", err);
	char *dir = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (dir == NULL)
		return sm_fail(err, SM_NOMEM, "no memory");
	enum sm_status status = sm_files_sync_dir(dir, err);
	free(dir);
	return status;
}

/* Syncs (when asked) and closes; the first failure counts, the descriptor is closed in any case. */
static enum sm_status finish_fd(int fd, enum sm_status status, bool sync, const char *path, struct sm_error *err)
{
	if (status == SM_OK && sync && fsync(fd) != 0)
		status = sm_files_fail(err, errno, path);
	if (close(fd) != 0 && status == SM_OK)
		status = sm_files_fail(err, errno, path);
	return status;
}

static enum sm_status write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct sm_error *err)
{
	char *temp = temp_name(path);
	if (temp == NULL)
		return sm_fail(err, SM_NOMEM, "no memory");
	enum sm_status status = SM_OK;
	int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0) {
		status = sm_files_fail(err, errno, path);
		goto done;
	}
	status = finish_fd(fd, sm_files_write_all(fd, data, len, err), true, path, err);
	if (status == SM_OK && rename(temp, path) != 0)
		status = sm_files_fail(err, errno, path);
	if (status != SM_OK)
		unlink(temp);
	else
		status = sync_parent(path, err);
done:
	free(temp);
	return status;
}

enum sm_status sm_files_write(const char *path, const void *data, size_t len, enum sm_file_write how,
                              struct sm_error *err)
{
	if (how == SM_FILE_ATOMIC || how == SM_FILE_PRIVATE)
		return write_atomic(path, data, len, how == SM_FILE_PRIVATE ? 0600 : 0666, err);
	int fd;
	enum sm_status status = sm_files_open(path, how == SM_FILE_APPEND ? "a" : "w", &fd, err);
	if (status == SM_OK)
		status = finish_fd(fd, sm_files_write_all(fd, data, len, err), false, path, err);
	return status;
}

enum sm_status sm_files_copy(const char *from, const char *to, struct sm_error *err)
{
	int in = -1, out = -1;
	struct sm_buf buf;
	sm_buf_init(&buf, READ_STEP * 2);
	char *temp = temp_name(to);
	enum sm_status status = temp == NULL ? sm_fail(err, SM_NOMEM, "no memory") : sm_files_open(from, "r", &in, err);
	if (status != SM_OK)
		goto done;
	out = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (out < 0) {
		status = sm_files_fail(err, errno, to);
		goto done;
	}
	do {
		sm_buf_reset(&buf);
		status = sm_files_read_at(in, -1, READ_STEP, &buf, err);
		if (status == SM_OK)
			status = sm_files_write_all(out, buf.data, buf.len, err);
	} while (status == SM_OK && buf.len > 0);
	status = finish_fd(out, status, false, to, err);
	if (status == SM_OK && rename(temp, to) != 0)
		status = sm_files_fail(err, errno, to);
	if (status != SM_OK)
		unlink(temp);
done:
	if (in >= 0)
		close(in);
	free(temp);
	sm_buf_free(&buf);
	return status;
}

/* ---- looking ---- */

static struct sm_file_info info_of(const struct stat *st)
{
	struct sm_file_info info;
	info.type = S_ISREG(st->st_mode) ? "file" : S_ISDIR(st->st_mode) ? "dir" : S_ISLNK(st->st_mode) ? "link" : "other";
	info.size = (int64_t)st->st_size;
	info.mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
	return info;
}

enum sm_status sm_files_stat(const char *path, struct sm_file_info *info, struct sm_error *err)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return sm_files_fail(err, errno, path);
	*info = info_of(&st);
	return SM_OK;
}

void sm_file_list_free(struct sm_file_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->entries[i].name);
	free(list->entries);
	memset(list, 0, sizeof(*list));
}

/* Takes name, also when it fails. */
static enum sm_status list_add(struct sm_file_list *list, char *name, const struct stat *st, struct sm_error *err)
{
	if (name != NULL && list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 32;
		struct sm_file_entry *grown = realloc(list->entries, capacity * sizeof(*grown));
		if (grown == NULL) {
			free(name);
			name = NULL;
		} else {
			list->entries = grown;
			list->capacity = capacity;
		}
	}
	if (name == NULL)
		return sm_fail(err, SM_NOMEM, "no memory for the list of files");
	list->entries[list->count++] = (struct sm_file_entry){name, info_of(st)};
	return SM_OK;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct sm_file_entry *)a)->name, ((const struct sm_file_entry *)b)->name);
}

static char *join(const char *dir, const char *name)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	char *path = malloc(size);
	if (path != NULL)
		snprintf(path, size, "%s%s%s", dir, *dir ? "/" : "", name);
	return path;
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Opens the folder "name" below the folder at; a link is followed only at the top. */
static DIR *open_dir(int at, const char *name, bool follow)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL && fd >= 0) {
		int saved = errno;
		close(fd);
		errno = saved;
	}
	return dir;
}

enum sm_status sm_files_list(const char *path, struct sm_file_list *list, struct sm_error *err)
{
	memset(list, 0, sizeof(*list));
	enum sm_status status = SM_OK;
	DIR *dir = open_dir(AT_FDCWD, path, true);
	if (dir == NULL)
		return sm_files_fail(err, errno, path);
	struct dirent *entry;
	while (status == SM_OK && (entry = readdir(dir)) != NULL) {
		struct stat st;
		/* An entry that vanished since it was read is not an error. */
		if (!is_dot(entry->d_name) && fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			status = list_add(list, strdup(entry->d_name), &st, err);
	}
	closedir(dir);
	if (status != SM_OK)
		sm_file_list_free(list);
	else if (list->count > 1)
		qsort(list->entries, list->count, sizeof(*list->entries), by_name);
	return status;
}

static enum sm_status walk_dir(DIR *dir, const char *prefix, struct sm_file_list *list, struct sm_error *err);

static enum sm_status walk_entry(DIR *dir, const char *name, const char *prefix, struct sm_file_list *list,
                                 struct sm_error *err)
{
	struct stat st, target;
	if (is_dot(name) || fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return SM_OK;
	if (S_ISLNK(st.st_mode) && fstatat(dirfd(dir), name, &target, 0) == 0 && S_ISREG(target.st_mode))
		st = target;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return SM_OK;
	char *path = join(prefix, name);
	if (path == NULL || S_ISREG(st.st_mode))
		return list_add(list, path, &st, err);
	enum sm_status status = SM_OK;
	DIR *below = open_dir(dirfd(dir), name, false);
	if (below != NULL)
		status = walk_dir(below, path, list, err);
	else if (errno != ENOENT)
		status = sm_files_fail(err, errno, path);
	free(path);
	return status;
}

/* Takes dir. */
static enum sm_status walk_dir(DIR *dir, const char *prefix, struct sm_file_list *list, struct sm_error *err)
{
	enum sm_status status = SM_OK;
	struct dirent *entry;
	while (status == SM_OK && (entry = readdir(dir)) != NULL)
		status = walk_entry(dir, entry->d_name, prefix, list, err);
	closedir(dir);
	return status;
}

enum sm_status sm_files_walk(const char *path, struct sm_file_list *list, struct sm_error *err)
{
	memset(list, 0, sizeof(*list));
	DIR *dir = open_dir(AT_FDCWD, path, true);
	if (dir == NULL)
		return sm_files_fail(err, errno, path);
	enum sm_status status = walk_dir(dir, "", list, err);
	if (status != SM_OK)
		sm_file_list_free(list);
	else if (list->count > 1)
		qsort(list->entries, list->count, sizeof(*list->entries), by_name);
	return status;
}

enum sm_status sm_files_realpath(const char *path, char **out, struct sm_error *err)
{
	*out = realpath(path, NULL);
	return *out == NULL ? sm_files_fail(err, errno, path) : SM_OK;
}

/* ---- changing ---- */

static bool is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

enum sm_status sm_files_mkdir(const char *path, enum sm_folder_sharing sharing, struct sm_error *err)
{
	if (*path == '\0')
		return sm_fail(err, SM_INVALID, "a folder needs a name");
	char *part = strdup(path);
	if (part == NULL)
		return sm_fail(err, SM_NOMEM, "no memory");
	enum sm_status status = SM_OK;
	for (char *at = part + 1; status == SM_OK; at++) {
		char here = *at;
		if (here != '/' && here != '\0')
			continue;
		bool is_last = here == '\0' || at[1 + strspn(at + 1, "/")] == '\0';
		*at = '\0';
		if (mkdir(part, is_last && sharing == SM_FOLDER_PRIVATE ? 0700 : 0777) != 0) {
			int saved = errno;
			/* Some systems answer EROFS or EACCES for a parent that is there: look before complaining. */
			if (!is_dir(part))
				status = sm_files_fail(err, saved, part);
		}
		*at = here;
		if (here == '\0')
			break;
	}
	free(part);
	return status;
}

enum sm_status sm_files_remove(const char *path, struct sm_error *err)
{
	return remove(path) != 0 ? sm_files_fail(err, errno, path) : SM_OK;
}

static enum sm_status remove_below(int at, const char *name, struct sm_error *err)
{
	DIR *dir = open_dir(at, name, false);
	if (dir == NULL)
		return errno == ENOENT ? SM_OK : sm_files_fail(err, errno, name);
	enum sm_status status = SM_OK;
	struct dirent *entry;
	while (status == SM_OK && (entry = readdir(dir)) != NULL) {
		struct stat st;
		if (is_dot(entry->d_name) || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (S_ISDIR(st.st_mode))
			status = remove_below(dirfd(dir), entry->d_name, err);
		else if (unlinkat(dirfd(dir), entry->d_name, 0) != 0 && errno != ENOENT)
			status = sm_files_fail(err, errno, entry->d_name);
	}
	closedir(dir);
	if (status == SM_OK && unlinkat(at, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
		status = sm_files_fail(err, errno, name);
	return status;
}

enum sm_status sm_files_remove_tree(const char *path, struct sm_error *err)
{
	struct stat st;
	if (path[strspn(path, "/.")] == '\0')
		return sm_fail(err, SM_REFUSED, "\"%s\" is not removed as a tree", path);
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? SM_OK : sm_files_fail(err, errno, path);
	if (!S_ISDIR(st.st_mode))
		return sm_files_remove(path, err);
	struct sm_error inner;
	enum sm_status status = remove_below(AT_FDCWD, path, &inner);
	return status == SM_OK ? SM_OK : sm_fail(err, status, "%s: %s", path, inner.message);
}

enum sm_status sm_files_rename(const char *from, const char *to, struct sm_error *err)
{
	return rename(from, to) != 0 ? sm_files_fail(err, errno, from) : SM_OK;
}

enum sm_status sm_files_link(const char *from, const char *to, struct sm_error *err)
{
	return link(from, to) != 0 ? sm_files_fail(err, errno, to) : SM_OK;
}

enum sm_status sm_files_sync_dir(const char *path, struct sm_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return sm_files_fail(err, errno, path);
	/* EINVAL: this file system has nothing to sync for folders. */
	enum sm_status status = fsync(fd) != 0 && errno != EINVAL ? sm_files_fail(err, errno, path) : SM_OK;
	close(fd);
	return status;
}

enum sm_status sm_files_temp_dir(char **out, struct sm_error *err)
{
	const char *base = getenv("TMPDIR");
	*out = join(base != NULL && *base ? base : P_tmpdir, "sewing-XXXXXX");
	if (*out == NULL)
		return sm_fail(err, SM_NOMEM, "no memory");
	if (mkdtemp(*out) != NULL)
		return SM_OK;
	enum sm_status status = sm_files_fail(err, errno, *out);
	free(*out);
	*out = NULL;
	return status;
}

/* ---- the lock ---- */

static enum sm_status lock_held(int fd, const char *path, struct sm_error *err)
{
	char text[32] = "";
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);
	long holder = got > 0 ? strtol(text, NULL, 10) : 0;
	if (holder > 0)
		return sm_fail(err, SM_CONFLICT, "%s is locked by process %ld", path, holder);
	return sm_fail(err, SM_CONFLICT, "%s is locked by another process", path);
}

enum sm_status sm_files_lock(const char *path, int *fd, struct sm_error *err)
{
	char text[32];
	enum sm_status status = sm_files_open(path, "rw", fd, err);
	if (status != SM_OK)
		return status;
	if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
		int saved = errno;
		status = saved == EWOULDBLOCK ? lock_held(*fd, path, err) : sm_files_fail(err, saved, path);
		goto failed;
	}
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(*fd, 0) != 0 || pwrite(*fd, text, (size_t)len, 0) != len) {
		status = sm_files_fail(err, errno, path);
		goto failed;
	}
	return SM_OK;
failed:
	close(*fd);
	*fd = -1;
	return status;
}
