#include "vm.h"

#include "bundle.h"
#include "log.h"
#include "lua_bundle.h"
#include "task_inner.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BYTES 16u    /* of Lua's stack */
#define MANY_VALUES 41000 /* on the stack of one function */

/*
 * The running task wants more than its cap. Lua collects all garbage and asks again; a second refusal in a row is real,
 * and ends the task even when its script catches the error. (The buffers of Lua's auxiliary library do not ask again:
 * task->refused tells their error from an ordinary one.)
 */
static void *refuse(struct sm_host *host, size_t size)
{
	struct sm_task *task = host->current;
	if (task != NULL && task->kill != SM_KILL_NONE && !task->raised)
		sm_task_note_place(host, task); /* the deadline has passed and this error is how the script ends */
	if (task == NULL || task->kill != SM_KILL_NONE)
		return NULL;
	task->refused = true;
	free(task->place);
	task->place = NULL;
	sm_task_note_place(host, task);
	if (++host->refused >= 2 || size > task->limits.memory_bytes) {
		task->kill = SM_KILL_MEMORY;
		host->cap = host->bytes + SM_MEMORY_GRACE;
		sm_task_strike(host);
	}
	return NULL;
}

/*
 * A __call that is its own __call fills the stack in C, in quadratic time, where no hook fires. A capped task is
 * refused a block that may be such a stack: when the running function has very many values on it already.
 */
static bool is_runaway_stack(const struct sm_host *host, size_t new_size)
{
	return new_size > MANY_VALUES * SLOT_BYTES && host->current != NULL && host->current->limits.memory_bytes != 0 &&
	       lua_gettop(host->chain[host->chain_depth - 1]) > MANY_VALUES / 2;
}

/* Counts every byte of the state. */
static void *allocate(void *arg, void *block, size_t old_size, size_t new_size)
{
	struct sm_host *host = arg;
	if (block == NULL)
		old_size = 0; /* Lua passes the kind of object there */
	if (new_size == 0) {
		sm_alloc_resize(&host->alloc, block, old_size, 0);
		host->bytes -= old_size;
		return NULL;
	}
	if (new_size > old_size && (new_size - old_size > host->cap || host->bytes > host->cap - (new_size - old_size) ||
	                            is_runaway_stack(host, new_size)))
		return refuse(host, new_size);
	void *moved = sm_alloc_resize(&host->alloc, block, old_size, new_size);
	if (moved != NULL) {
		host->bytes += new_size - old_size;
		host->refused = 0;
	}
	return moved;
}

static int panic(lua_State *L)
{
	const char *message = lua_tostring(L, -1);
	sm_log_plain("panic: %s", message ? message : "error outside protection");
	abort();
}

/* ---- error tables ---- */

#define ERROR_TYPE "sm.error"

const char *sm_source_name(const struct sm_host *host, const char *source)
{
	if (source == NULL || (source[0] != '@' && source[0] != '='))
		return NULL; /* the text of a chunk, not its name */
	source++;
	size_t len = strlen(host->root);
	if (strncmp(source, host->root, len) == 0 && strncmp(source + len, "/lua/", 5) == 0)
		return source + len + 5;
	return source;
}

static int l_error_tostring(lua_State *L)
{
	lua_getfield(L, 1, "message");
	return 1;
}

void sm_mark_error_table(lua_State *L)
{
	if (luaL_newmetatable(L, ERROR_TYPE)) {
		lua_pushcfunction(L, l_error_tostring);
		lua_setfield(L, -2, "__tostring");
	}
	lua_setmetatable(L, -2);
}

const char *sm_error_field(lua_State *L, int index, const char *name)
{
	index = lua_absindex(L, index);
	if (!lua_istable(L, index) || !lua_checkstack(L, 1))
		return NULL;
	lua_pushstring(L, name);
	lua_rawget(L, index);
	return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
}

/* Sets source and line of the table on top of L: the innermost function of a script that co runs. */
static void set_place(lua_State *L, lua_State *co)
{
	lua_Debug ar;
	for (int level = 0; lua_getstack(co, level, &ar); level++) {
		lua_getinfo(co, "Sl", &ar);
		if (ar.currentline <= 0)
			continue;
		const char *source = sm_source_name(sm_host_of(L), ar.source);
		lua_pushstring(L, source != NULL ? source : ar.short_src);
		lua_setfield(L, -2, "source");
		lua_pushinteger(L, ar.currentline);
		lua_setfield(L, -2, "line");
		return;
	}
}

void sm_push_error_table(lua_State *L, lua_State *co)
{
	if (lua_istable(L, -1) || sm_is_kill_mark(L, -1))
		return;
	lua_createtable(L, 0, 4);
	luaL_tolstring(L, -2, NULL);
	lua_setfield(L, -2, "message");
	luaL_traceback(L, co, NULL, L == co ? 1 : 0);
	lua_setfield(L, -2, "traceback");
	set_place(L, co);
	sm_mark_error_table(L);
	lua_replace(L, -2);
}

int sm_message_handler(lua_State *L)
{
	sm_push_error_table(L, L);
	return 1;
}

/* ---- the state ---- */

static void set_path(lua_State *L, const char *root)
{
	lua_getglobal(L, "package");
	lua_pushfstring(L, "%s/lua/?.lua;%s/lua/?/init.lua", root, root);
	lua_setfield(L, -2, "path");
	lua_pop(L, 1);
	lua_pushstring(L, root);
	lua_setfield(L, LUA_REGISTRYINDEX, "sm.root");
	if (sm_bundle_own()->count > 0)
		sm_bundle_searcher(L, root);
}

/* Added first, so it runs after every other hook: those may have made a task ready. */
static void look_at_ready(struct sm_prepare *prepare, int *wait_ms)
{
	struct sm_host *host = (struct sm_host *)((char *)prepare - offsetof(struct sm_host, prepare));
	if (host->ready_head != NULL || host->exiting)
		*wait_ms = 0;
}

struct sm_host *sm_host_new(const char *root)
{
	struct sm_host *host = calloc(1, sizeof(*host));
	if (host == NULL)
		return NULL;
	host->ready_tail = &host->ready_head;
	host->cap = SIZE_MAX;
	host->on_signal = LUA_NOREF;
	host->root = strdup(root);
	host->loop = sm_loop_new(4);
	host->L = host->root != NULL && host->loop != NULL ? lua_newstate(allocate, host) : NULL;
	if (host->L == NULL) {
		sm_loop_free(host->loop);
		sm_alloc_close(&host->alloc);
		free(host->root);
		free(host);
		return NULL;
	}
	host->prepare.run = look_at_ready;
	sm_prepare_add(host->loop, &host->prepare);
	lua_atpanic(host->L, panic);
	*(struct sm_host **)lua_getextraspace(host->L) = host;
	sm_open_libs(host->L);
	set_path(host->L, root);
	sm_host_collect(host);
	return host;
}

void sm_host_collect(struct sm_host *host)
{
	lua_gc(host->L, LUA_GCRESTART);
	lua_gc(host->L, LUA_GCGEN, 10, 0); /* collect after 10 % of growth: what is reused then is still in the cache */
}

void sm_host_keep(struct sm_host *host)
{
	lua_gc(host->L, LUA_GCSTOP);
}

void sm_host_free(struct sm_host *host)
{
	if (host == NULL)
		return;
	sm_tasks_end(host);
	sm_watchdog_off();
	sm_signals_off(host);
	lua_close(host->L);
	sm_loop_free(host->loop);
	sm_tasks_free(host);
	sm_log_flush();
	sm_alloc_close(&host->alloc);
	free(host->root);
	free(host);
}

void sm_host_run(struct sm_host *host, bool (*done)(void *arg), void *arg)
{
	while (!host->exiting && !done(arg)) {
		bool busy = sm_tasks_run_ready(host);
		sm_log_flush();
		if (host->exiting || done(arg))
			break;
		if (!busy && host->ready_head == NULL && host->wait_instead != NULL && host->wait_instead(host))
			continue;
		sm_loop_turn(host->loop, busy || host->ready_head != NULL ? 0 : -1);
	}
	sm_log_flush();
}
