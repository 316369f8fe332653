/* files: the blocking calls below sm.files, in a folder of their own. */
#include "../../core/files.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *base;

/* A path in the test's folder; a few at a time are valid. */
static const char *in(const char *name)
{
	static char paths[4][512];
	static int next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", base, name);
	return path;
}

static int put(const char *name, const char *text)
{
	return sm_files_write(in(name), text, strlen(text), SM_FILE_REPLACE, NULL) == SM_OK;
}

/* 1 when the file holds just this text. */
static int holds(const char *name, const char *text)
{
	struct sm_buf buf;
	sm_buf_init(&buf, 1 << 20);
	int same = sm_files_read(in(name), &buf, NULL) == SM_OK && buf.len == strlen(text) &&
	           (buf.len == 0 || memcmp(buf.data, text, buf.len) == 0);
	sm_buf_free(&buf);
	return same;
}

TEST(reads_what_was_written)
{
	CHECK(put("a", "one"));
	CHECK(holds("a", "one"));
	CHECK(sm_files_write(in("a"), "+two", 4, SM_FILE_APPEND, NULL) == SM_OK);
	CHECK(holds("a", "one+two"));
	CHECK(put("empty", ""));
	CHECK(holds("empty", ""));
}

TEST(keeps_bytes_as_they_are)
{
	char bytes[256];
	for (int i = 0; i < 256; i++)
		bytes[i] = (char)i;
	struct sm_buf buf;
	sm_buf_init(&buf, sizeof(bytes));
	CHECK(sm_files_write(in("bytes"), bytes, sizeof(bytes), SM_FILE_ATOMIC, NULL) == SM_OK);
	CHECK(sm_files_read(in("bytes"), &buf, NULL) == SM_OK); /* exactly the maximum */
	CHECK(buf.len == sizeof(bytes) && memcmp(buf.data, bytes, sizeof(bytes)) == 0);
	sm_buf_free(&buf);
}

TEST(refuses_a_file_larger_than_the_maximum)
{
	struct sm_error err;
	struct sm_buf buf;
	sm_buf_init(&buf, 4);
	CHECK(put("five", "12345"));
	CHECK(sm_files_read(in("five"), &buf, &err) == SM_LIMIT);
	CHECK(strstr(err.message, "five") != NULL);
	sm_buf_free(&buf);
}

TEST(names_the_file_and_the_reason)
{
	struct sm_error err;
	struct sm_buf buf;
	sm_buf_init(&buf, 10);
	CHECK(sm_files_read(in("nothing/here"), &buf, &err) == SM_NOTFOUND);
	CHECK(strstr(err.message, "nothing/here: No such file") != NULL);
	CHECK(sm_files_read(base, &buf, &err) == SM_INVALID);
	CHECK(sm_files_write(in("no/such/dir"), "x", 1, SM_FILE_ATOMIC, &err) == SM_NOTFOUND);
	sm_buf_free(&buf);
}

TEST(leaves_no_temporary_file_behind)
{
	struct sm_file_list list;
	CHECK(sm_files_mkdir(in("atomic"), SM_FOLDER_SHARED, NULL) == SM_OK);
	CHECK(sm_files_write(in("atomic/x"), "1", 1, SM_FILE_ATOMIC, NULL) == SM_OK);
	CHECK(sm_files_write(in("atomic/x"), "22", 2, SM_FILE_ATOMIC, NULL) == SM_OK);
	CHECK(sm_files_mkdir(in("atomic/dir"), SM_FOLDER_SHARED, NULL) == SM_OK);
	CHECK(sm_files_write(in("atomic/dir"), "3", 1, SM_FILE_ATOMIC, NULL) != SM_OK); /* a folder is in the way */
	CHECK(sm_files_list(in("atomic"), &list, NULL) == SM_OK);
	CHECK(list.count == 2);
	CHECK_STR(list.entries[0].name, "dir");
	CHECK_STR(list.entries[1].name, "x");
	CHECK(list.entries[1].info.size == 2);
	sm_file_list_free(&list);
}

TEST(walks_files_below_and_not_links_to_folders)
{
	struct sm_file_list list;
	CHECK(sm_files_mkdir(in("w/b/c"), SM_FOLDER_SHARED, NULL) == SM_OK);
	CHECK(sm_files_mkdir(in("w/b/c"), SM_FOLDER_SHARED, NULL) == SM_OK); /* there already */
	CHECK(put("w/b/c/2", "x") && put("w/b/1", "") && put("w/z", "zz"));
	CHECK(symlink("..", in("w/b/loop")) == 0);
	CHECK(symlink("../z", in("w/b/file")) == 0);
	CHECK(symlink("nowhere", in("w/dangling")) == 0);
	CHECK(sm_files_walk(in("w"), &list, NULL) == SM_OK);
	CHECK(list.count == 4);
	const char *want[] = {"b/1", "b/c/2", "b/file", "z"};
	for (size_t i = 0; i < list.count && i < 4; i++)
		CHECK_STR(list.entries[i].name, want[i]);
	sm_file_list_free(&list);
}

TEST(makes_folders_only_where_no_file_is)
{
	struct sm_error err;
	CHECK(put("file", "x"));
	CHECK(sm_files_mkdir(in("file/below"), SM_FOLDER_SHARED, &err) != SM_OK);
	CHECK(strstr(err.message, "file") != NULL);
	CHECK(sm_files_mkdir(in("trailing/slash/"), SM_FOLDER_SHARED, &err) == SM_OK);
	struct stat st;
	CHECK(sm_files_mkdir(in("open/slash/"), SM_FOLDER_PRIVATE, &err) == SM_OK);
	CHECK(stat(in("open/slash"), &st) == 0 && (st.st_mode & 0777) == 0700);
	CHECK(sm_files_mkdir(in("open/closed"), SM_FOLDER_PRIVATE, &err) == SM_OK);
	CHECK(stat(in("open/closed"), &st) == 0 && (st.st_mode & 0777) == 0700);
	CHECK(stat(in("open"), &st) == 0 && (st.st_mode & 0077) != 0);
}

TEST(removes_trees_but_not_what_links_point_to)
{
	CHECK(sm_files_mkdir(in("keep"), SM_FOLDER_SHARED, NULL) == SM_OK && put("keep/me", "x"));
	CHECK(sm_files_mkdir(in("tree/deep"), SM_FOLDER_SHARED, NULL) == SM_OK && put("tree/deep/f", "x"));
	CHECK(symlink("../keep", in("tree/link")) == 0);
	CHECK(sm_files_remove(in("tree"), NULL) == SM_CONFLICT); /* not empty */
	CHECK(sm_files_remove_tree(in("tree"), NULL) == SM_OK);
	CHECK(sm_files_remove_tree(in("tree"), NULL) == SM_OK); /* gone already */
	CHECK(access(in("tree"), F_OK) != 0);
	CHECK(holds("keep/me", "x"));
	CHECK(sm_files_remove_tree("/", NULL) == SM_REFUSED);
	CHECK(sm_files_remove_tree("..", NULL) == SM_REFUSED);
	CHECK(sm_files_remove_tree("", NULL) == SM_REFUSED);
}

TEST(copies_links_and_renames)
{
	CHECK(put("from", "content"));
	CHECK(sm_files_copy(in("from"), in("copy"), NULL) == SM_OK && holds("copy", "content"));
	CHECK(sm_files_link(in("from"), in("linked"), NULL) == SM_OK && holds("linked", "content"));
	CHECK(sm_files_link(in("from"), in("linked"), NULL) == SM_EXISTS);
	CHECK(sm_files_rename(in("copy"), in("moved"), NULL) == SM_OK && holds("moved", "content"));
	CHECK(sm_files_copy(in("copy"), in("other"), NULL) == SM_NOTFOUND);
	CHECK(access(in("other"), F_OK) != 0);
}

TEST(locks_against_another_process_and_names_it)
{
	struct sm_error err;
	int ready[2], hold[2], fd;
	char byte;
	CHECK(pipe(ready) == 0 && pipe(hold) == 0);
	pid_t child = fork();
	if (child == 0) {
		close(hold[1]);
		int locked = sm_files_lock(in("lock"), &fd, NULL) == SM_OK;
		if (write(ready[1], locked ? "y" : "n", 1) == 1)
			(void)!read(hold[0], &byte, 1); /* until the parent closes */
		_exit(0);
	}
	CHECK(read(ready[0], &byte, 1) == 1 && byte == 'y');
	CHECK(sm_files_lock(in("lock"), &fd, &err) == SM_CONFLICT);
	char pid[32];
	snprintf(pid, sizeof(pid), "process %ld", (long)child);
	CHECK(strstr(err.message, pid) != NULL);
	close(hold[1]);
	waitpid(child, NULL, 0);
	CHECK(sm_files_lock(in("lock"), &fd, &err) == SM_OK);
	close(fd);
	close(ready[0]), close(ready[1]), close(hold[0]);
}

int main(void)
{
	if (sm_files_temp_dir(&base, NULL) != SM_OK)
		return 1;
	RUN(reads_what_was_written);
	RUN(keeps_bytes_as_they_are);
	RUN(refuses_a_file_larger_than_the_maximum);
	RUN(names_the_file_and_the_reason);
	RUN(leaves_no_temporary_file_behind);
	RUN(walks_files_below_and_not_links_to_folders);
	RUN(makes_folders_only_where_no_file_is);
	RUN(removes_trees_but_not_what_links_point_to);
	RUN(copies_links_and_renames);
	RUN(locks_against_another_process_and_names_it);
	sm_files_remove_tree(base, NULL);
	free(base);
	return check_report();
}
