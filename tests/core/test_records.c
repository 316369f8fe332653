/* records: every line is found, nothing else is, and odd files do no harm. */
#include "../../core/records.h"

#include "../../core/files.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[256];
static struct sm_records records;

static void use(const char *text, size_t len)
{
	sm_records_close(&records);
	CHECK(sm_files_write(path, text, len, SM_FILE_REPLACE, NULL) == SM_OK);
	CHECK(sm_records_open(&records, path, NULL) == SM_OK);
}

/* The value, "(none)", or "(error)"; valid until the next call. */
static const char *find_bytes(const char *key, size_t len)
{
	static char *value;
	struct sm_buf out;
	struct sm_error err;
	sm_buf_init(&out, 1 << 20);
	enum sm_status status = sm_records_get(&records, key, len, &out, &err);
	free(value);
	value = strdup(status == SM_NOTFOUND ? "(none)" : status != SM_OK ? "(error)" : out.data != NULL ? out.data : "");
	sm_buf_free(&out);
	return value;
}

static const char *find(const char *key)
{
	return find_bytes(key, strlen(key));
}

TEST(finds_each_line_and_nothing_else)
{
	static const char text[] = "a\t1\nab\t2\nb\t\nshape.X\t{\"a\":\"b\"}\nz\tlast";
	use(text, sizeof(text) - 1);
	CHECK_STR(find("a"), "1");
	CHECK_STR(find("ab"), "2");
	CHECK_STR(find("b"), "");
	CHECK_STR(find("shape.X"), "{\"a\":\"b\"}");
	CHECK_STR(find("z"), "last");
	CHECK_STR(find(""), "(none)");
	CHECK_STR(find("aa"), "(none)");
	CHECK_STR(find("shape"), "(none)");
	CHECK_STR(find("zz"), "(none)");
}

/* Lines of all lengths, so that keys and values lie across the borders of blocks. */
TEST(any_number_of_lines)
{
	static char text[400000];
	for (int count = 0; count < 400; count += count < 20 ? 1 : 37) {
		size_t len = 0;
		for (int i = 0; i < count; i++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "key%03d\t%d%*s\n", i, i, i * 5 % 900, "");
		use(text, len);
		for (int i = 0; i < count; i++) {
			char key[16];
			snprintf(key, sizeof(key), "key%03d", i);
			CHECK(atoi(find(key)) == i);
		}
		uint64_t at;
		CHECK(sm_records_lower(&records, "key", 3, &at, NULL) == SM_OK && at == 0);
		CHECK(sm_records_lower(&records, "kez", 3, &at, NULL) == SM_OK && at == len);
	}
}

TEST(long_values_are_passed_over)
{
	size_t len = 0;
	char *text = malloc(3 * 100000 + 64);
	for (char c = 'a'; c <= 'c'; c++) {
		text[len++] = c;
		text[len++] = '\t';
		memset(text + len, c, 100000);
		len += 100000;
		text[len++] = '\n';
	}
	use(text, len);
	CHECK(strlen(find("b")) == 100000 && find("b")[99999] == 'b');
	CHECK_STR(find("bb"), "(none)");
	free(text);
}

TEST(odd_files_do_no_harm)
{
	static const char *const texts[] = {"", "\n", "\n\n\n", "\t", "no tab", "b\t1\na\t2\n", "\t\t\t\n\t\n"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		use(texts[i], strlen(texts[i]));
		CHECK_STR(find("zzz"), "(none)");
		struct sm_buf key;
		uint64_t at = 0;
		sm_buf_init(&key, 100);
		for (int n = 0; sm_records_next(&records, &at, &key, NULL) == SM_OK; n++)
			CHECK(n < 10);
		CHECK(at == strlen(texts[i]));
		sm_buf_free(&key);
	}
	use("no tab", 6);
	CHECK_STR(find("no tab"), "");
}

TEST(keys_may_hold_bytes)
{
	static const char text[] = "a\0b\t1\n\xc3\xa9\t2\n";
	use(text, sizeof(text) - 1);
	CHECK_STR(find_bytes("a\0b", 3), "1");
	CHECK_STR(find("\xc3\xa9"), "2");
}

TEST(a_file_that_was_cut_is_an_error)
{
	static char text[20000];
	memset(text, 'x', sizeof(text));
	memcpy(text, "a\t", 2);
	memcpy(text + sizeof(text) - 5, "\nz\t1", 4);
	use(text, sizeof(text));
	CHECK(truncate(path, 0) == 0);
	records.held = 0;
	CHECK_STR(find("z"), "(error)");
}

TEST(a_missing_file_is_told)
{
	struct sm_error err;
	struct sm_records none;
	sm_records_init(&none);
	CHECK(sm_records_open(&none, "/nonexistent/file", &err) == SM_NOTFOUND);
	sm_records_close(&none);
	sm_records_close(&none);
}

int main(void)
{
	char *folder;
	if (sm_files_temp_dir(&folder, NULL) != SM_OK)
		return 1;
	snprintf(path, sizeof(path), "%s/records", folder);
	sm_records_init(&records);
	RUN(finds_each_line_and_nothing_else);
	RUN(any_number_of_lines);
	RUN(long_values_are_passed_over);
	RUN(odd_files_do_no_harm);
	RUN(keys_may_hold_bytes);
	RUN(a_file_that_was_cut_is_an_error);
	RUN(a_missing_file_is_told);
	sm_records_close(&records);
	sm_files_remove_tree(folder, NULL);
	free(folder);
	return check_report();
}
