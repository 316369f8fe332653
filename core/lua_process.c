/*
 * sm.process: programs of the machine's shell. Only the calling task waits; it is killed with its children when the
 * time is up, when it prints too much, and when the task goes away. Outside a task the call blocks.
 */
#include "clock.h"
#include "lua_libs.h"
#include "lua_result.h"
#include "process.h"
#include "task.h"

#include <errno.h>
#include <lauxlib.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_DEFAULT 60.0        /* seconds */
#define MAX_BYTES_DEFAULT (1 << 20) /* of what it prints */
#define LOOK_AGAIN_NS 10000000      /* without a watch: how often the end is looked for */
#define ENV_MAX 64

struct run {
	struct sm_wait wait;
	struct sm_loop *loop; /* NULL: blocking */
	struct sm_io out, err, watch;
	struct sm_timer timer;
	struct sm_process process;
	int64_t due_ns;
	bool over;
	enum sm_status status;
	struct sm_error error;
};

static void run_unhook(struct run *run)
{
	if (run->loop == NULL)
		return;
	sm_timer_stop(run->loop, &run->timer);
	sm_io_remove(run->loop, &run->out);
	sm_io_remove(run->loop, &run->err);
	sm_io_remove(run->loop, &run->watch);
}

static void run_free(struct run *run)
{
	run_unhook(run);
	sm_process_close(&run->process);
	free(run);
}

static int push_result(lua_State *L, struct run *run)
{
	struct sm_process *p = &run->process;
	if (run->status != SM_OK)
		return sm_push_error(L, &run->error);
	lua_createtable(L, 0, 4);
	lua_pushlstring(L, p->stdout_text.len > 0 ? p->stdout_text.data : "", p->stdout_text.len);
	lua_setfield(L, -2, "stdout");
	lua_pushlstring(L, p->stderr_text.len > 0 ? p->stderr_text.data : "", p->stderr_text.len);
	lua_setfield(L, -2, "stderr");
	lua_pushinteger(L, p->code);
	lua_setfield(L, -2, "code");
	if (p->signal != 0) {
		lua_pushinteger(L, p->signal);
		lua_setfield(L, -2, "signal");
	}
	return 1;
}

static int protected_push(lua_State *L)
{
	return push_result(L, lua_touserdata(L, 1));
}

/* Pushes the results and frees the run, also when pushing raises for want of memory. */
static int deliver(lua_State *L, struct run *run)
{
	int base = lua_gettop(L);
	lua_pushcfunction(L, protected_push);
	lua_pushlightuserdata(L, run);
	int status = lua_pcall(L, 1, LUA_MULTRET, 0);
	run_free(run);
	if (status != LUA_OK)
		return lua_error(L);
	return lua_gettop(L) - base;
}

/* ---- what happens on the way ---- */

static void take(struct run *run, int *fd)
{
	if (run->status == SM_OK)
		run->status = sm_process_read(&run->process, fd, &run->error);
	if (run->status != SM_OK)
		run->over = true;
}

/* What it printed before it ended may still be in the pipes. A child of its own that keeps them open is not waited for.
 */
static void look_for_end(struct run *run)
{
	if (run->over || !sm_process_ended(&run->process))
		return;
	take(run, &run->process.out);
	take(run, &run->process.err);
	run->over = true;
}

static void out_of_time(struct run *run)
{
	run->status = sm_fail(&run->error, SM_TIMEOUT, "the program did not end in time");
	run->over = true;
}

/* ---- inside a task ---- */

static void settle(struct run *run)
{
	if (!run->over)
		return;
	run_unhook(run);
	sm_wait_done(&run->wait);
}

static int64_t next_look(const struct run *run)
{
	int64_t soon = sm_clock_mono_ns() + LOOK_AGAIN_NS;
	return run->process.watch >= 0 || run->due_ns < soon ? run->due_ns : soon;
}

static void on_timer(struct sm_timer *timer)
{
	struct run *run = (struct run *)((char *)timer - offsetof(struct run, timer));
	look_for_end(run);
	if (!run->over && sm_clock_mono_ns() >= run->due_ns)
		out_of_time(run);
	if (!run->over)
		sm_timer_start(run->loop, &run->timer, next_look(run));
	settle(run);
}

static void on_pipe(struct run *run, struct sm_io *io, int *fd)
{
	sm_io_remove(run->loop, io); /* before the descriptor may be closed */
	take(run, fd);
	if (!run->over && *fd >= 0 && sm_io_add(run->loop, io) != SM_OK) {
		run->status = sm_fail(&run->error, SM_NOMEM, "no memory to wait for a program");
		run->over = true;
	}
	settle(run);
}

static void on_out(struct sm_io *io, short revents)
{
	struct run *run = (struct run *)((char *)io - offsetof(struct run, out));
	(void)revents;
	on_pipe(run, io, &run->process.out);
}

static void on_err(struct sm_io *io, short revents)
{
	struct run *run = (struct run *)((char *)io - offsetof(struct run, err));
	(void)revents;
	on_pipe(run, io, &run->process.err);
}

static void on_watch(struct sm_io *io, short revents)
{
	struct run *run = (struct run *)((char *)io - offsetof(struct run, watch));
	(void)revents;
	look_for_end(run);
	settle(run);
}

static enum sm_status hook(struct run *run)
{
	run->out = (struct sm_io){.fd = run->process.out, .events = POLLIN, .ready = on_out};
	run->err = (struct sm_io){.fd = run->process.err, .events = POLLIN, .ready = on_err};
	run->watch = (struct sm_io){.fd = run->process.watch, .events = POLLIN, .ready = on_watch};
	run->timer.fire = on_timer;
	if (sm_io_add(run->loop, &run->out) != SM_OK || sm_io_add(run->loop, &run->err) != SM_OK ||
	    (run->process.watch >= 0 && sm_io_add(run->loop, &run->watch) != SM_OK) ||
	    sm_timer_start(run->loop, &run->timer, next_look(run)) != SM_OK)
		return sm_fail(&run->error, SM_NOMEM, "no memory to wait for a program");
	return SM_OK;
}

static int run_finish(lua_State *L, struct sm_wait *wait)
{
	return deliver(L, (struct run *)wait);
}

static void run_cancel(struct sm_wait *wait)
{
	run_free((struct run *)wait);
}

/* ---- outside ---- */

static void block(struct run *run)
{
	while (!run->over) {
		struct pollfd fds[3] = {{.fd = run->process.out, .events = POLLIN},
		                        {.fd = run->process.err, .events = POLLIN},
		                        {.fd = run->process.watch, .events = POLLIN}};
		int64_t left = next_look(run) - sm_clock_mono_ns();
		int count = poll(fds, 3, left > 0 ? (int)(left / 1000000 + 1) : 0);
		if (count > 0 && fds[0].revents != 0)
			take(run, &run->process.out);
		if (count > 0 && fds[1].revents != 0)
			take(run, &run->process.err);
		look_for_end(run);
		if (!run->over && sm_clock_mono_ns() >= run->due_ns)
			out_of_time(run);
	}
}

/* ---- arguments ---- */

struct request {
	const char *command;
	lua_Number timeout;
	lua_Integer max_bytes;
	const char *add[ENV_MAX + 1];
};

static lua_Number number_option(lua_State *L, const char *name, lua_Number fallback, lua_Number max)
{
	lua_Number value = fallback;
	if (lua_getfield(L, 2, name) != LUA_TNIL) {
		int is_number;
		value = lua_tonumberx(L, -1, &is_number);
		if (!is_number || !(value > 0 && value <= max))
			luaL_error(L, "sm.process.run: %s must be a number from above 0 to %f", name, max);
	}
	lua_pop(L, 1);
	return value;
}

/* "NAME=value" texts; they stay in a table at the top of the stack, so that they live as long as the call. */
static void check_env(lua_State *L, struct request *request)
{
	int count = 0;
	lua_newtable(L);
	int texts = lua_gettop(L);
	if (lua_getfield(L, 2, "env") != LUA_TNIL) {
		luaL_argcheck(L, lua_istable(L, -1), 2, "env must be a table");
		for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
			luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING, 2,
			              "env: texts expected");
			luaL_argcheck(L, count < ENV_MAX, 2, "env: too many variables");
			lua_pushfstring(L, "%s=%s", lua_tostring(L, -2), lua_tostring(L, -1));
			request->add[count] = lua_tostring(L, -1);
			lua_rawseti(L, texts, ++count);
		}
	}
	request->add[count] = NULL;
	lua_settop(L, texts);
}

static void check_request(lua_State *L, struct request *request)
{
	static const char *const known[] = {"timeout", "max_bytes", "env", NULL};
	size_t len;
	request->command = luaL_checklstring(L, 1, &len);
	luaL_argcheck(L, strlen(request->command) == len, 1, "a command holds no NUL");
	lua_settop(L, 2);
	if (lua_isnil(L, 2)) {
		lua_newtable(L);
		lua_replace(L, 2);
	}
	luaL_checktype(L, 2, LUA_TTABLE);
	sm_check_options(L, 2, known, "sm.process.run");
	request->timeout = number_option(L, "timeout", TIMEOUT_DEFAULT, 86400);
	request->max_bytes = (lua_Integer)number_option(L, "max_bytes", MAX_BYTES_DEFAULT, 1 << 30);
	check_env(L, request);
}

static struct run *run_new(lua_State *L, const struct request *request)
{
	struct run *run = calloc(1, sizeof(*run));
	char **env = sm_process_environment(request->add);
	if (run == NULL || env == NULL) {
		free(run);
		free(env);
		return NULL;
	}
	run->loop = sm_can_wait(L) ? sm_loop_of(L) : NULL;
	run->due_ns = sm_clock_mono_ns() + (int64_t)(request->timeout * 1e9);
	run->status = sm_process_start(&run->process, request->command, env, (size_t)request->max_bytes, &run->error);
	if (run->status == SM_OK && run->loop != NULL)
		run->status = hook(run);
	free(env);
	return run;
}

/*
 * run(command, {timeout=60 s, max_bytes=1 MiB, env={NAME=value}}) -> {code, signal?, stdout, stderr (its first 4 KiB)}
 * | nil, message, code ("timeout", "limit", "io"). `/bin/sh -c command` with no input. Waits.
 */
static int l_run(lua_State *L)
{
	struct request request;
	check_request(L, &request);
	struct run *run = run_new(L, &request);
	if (run == NULL)
		return sm_push_fail(L, SM_NOMEM, "no memory");
	if (run->status == SM_OK && run->loop == NULL)
		block(run);
	if (run->status != SM_OK || run->loop == NULL)
		return deliver(L, run);
	run->wait.finish = run_finish;
	run->wait.cancel = run_cancel;
	return sm_wait_yield(L, &run->wait);
}

int luaopen_sm_process(lua_State *L)
{
	static const luaL_Reg functions[] = {{"run", l_run}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
