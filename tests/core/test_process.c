/* process: what a program prints, how it ends, what it inherits, and that nothing of it stays. */
#include "../../core/process.h"
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_descriptors(void)
{
	int count = 0;
	DIR *dir = opendir("/proc/self/fd");
	while (dir != NULL && readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* Reads until the program has ended. */
static enum sm_status drive(struct sm_process *p, struct sm_error *err)
{
	enum sm_status status = SM_OK;
	while (status == SM_OK && !sm_process_ended(p)) {
		struct pollfd fds[3] = {
		    {.fd = p->out, .events = POLLIN}, {.fd = p->err, .events = POLLIN}, {.fd = p->watch, .events = POLLIN}};
		poll(fds, 3, 20);
		status = sm_process_read(p, &p->out, err);
		if (status == SM_OK)
			status = sm_process_read(p, &p->err, err);
	}
	if (status == SM_OK)
		status = sm_process_read(p, &p->out, err);
	return status == SM_OK ? sm_process_read(p, &p->err, err) : status;
}

static enum sm_status run(struct sm_process *p, const char *command, const char *const *add, size_t max)
{
	struct sm_error err = {0};
	char **env = sm_process_environment(add);
	enum sm_status status = sm_process_start(p, command, env, max, &err);
	free(env);
	return status == SM_OK ? drive(p, &err) : status;
}

TEST(prints_and_ends)
{
	struct sm_process p;
	const char *const add[] = {"SM_ONE=1", "HOME=/elsewhere", NULL};
	CHECK(run(&p, "echo $SM_ONE $HOME; echo oops >&2; exit 7", add, 100) == SM_OK);
	CHECK(strcmp(p.stdout_text.data, "1 /elsewhere\n") == 0);
	CHECK(strcmp(p.stderr_text.data, "oops\n") == 0);
	CHECK(p.code == 7 && p.signal == 0);
	sm_process_close(&p);
	CHECK(run(&p, "kill -9 $$", NULL, 100) == SM_OK);
	CHECK(p.code == 137 && p.signal == 9);
	sm_process_close(&p);
	sm_process_close(&p);
}

TEST(prints_too_much)
{
	struct sm_process p;
	CHECK(run(&p, "while :; do echo 123456789; done", NULL, 1000) == SM_LIMIT);
	sm_process_close(&p);
	CHECK(run(&p, "i=0; while [ $i -lt 3000 ]; do echo 123456789 >&2; i=$((i+1)); done; echo end", NULL, 1000) ==
	      SM_OK);
	CHECK(p.stderr_text.len == SM_PROCESS_STDERR_MAX);
	CHECK(strcmp(p.stdout_text.data, "end\n") == 0);
	sm_process_close(&p);
}

TEST(gets_none_of_our_descriptors_nor_our_input)
{
	struct sm_process p;
	int fds[2];
	CHECK(pipe(fds) == 0); /* without close-on-exec */
	CHECK(run(&p, "ls /proc/self/fd | wc -l; cat; echo $?", NULL, 1000) == SM_OK);
	/* 0, 1, 2 and the folder that ls reads */
	CHECK(strcmp(p.stdout_text.data, "4\n0\n") == 0);
	sm_process_close(&p);
	close(fds[0]);
	close(fds[1]);
}

/* Whoever inherits a killed program reaps it some time; until then it is a zombie. */
static bool is_gone(pid_t pid)
{
	char path[64], line[256] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *stat = fopen(path, "r");
	if (stat == NULL)
		return true;
	if (fgets(line, sizeof(line), stat) == NULL)
		line[0] = '\0';
	fclose(stat);
	return line[0] == '\0' || strstr(line, ") Z") != NULL || strstr(line, ") X") != NULL;
}

TEST(its_children_die_with_it)
{
	struct sm_process p;
	struct sm_error err;
	char **env = sm_process_environment(NULL);
	CHECK(sm_process_start(&p, "sleep 1000 & echo $!; wait", env, 100, &err) == SM_OK);
	free(env);
	while (p.stdout_text.len == 0) {
		struct pollfd fd = {.fd = p.out, .events = POLLIN};
		poll(&fd, 1, 1000);
		sm_process_read(&p, &p.out, &err);
	}
	pid_t grandchild = (pid_t)atoi(p.stdout_text.data);
	pid_t child = p.pid;
	CHECK(grandchild > 1 && kill(grandchild, 0) == 0);
	sm_process_close(&p);
	CHECK(waitpid(child, NULL, WNOHANG) == -1 && errno == ECHILD);
	for (int i = 0; i < 1000 && !is_gone(grandchild); i++)
		poll(NULL, 0, 5);
	CHECK(is_gone(grandchild));
}

TEST(leaves_no_descriptor)
{
	struct sm_process p;
	int before = open_descriptors();
	for (int i = 0; i < 20; i++) {
		CHECK(run(&p, "echo x", NULL, 100) == SM_OK);
		sm_process_close(&p);
	}
	CHECK(open_descriptors() == before);
}

int main(void)
{
	RUN(prints_and_ends);
	RUN(prints_too_much);
	RUN(gets_none_of_our_descriptors_nor_our_input);
	RUN(its_children_die_with_it);
	RUN(leaves_no_descriptor);
	return check_report();
}
