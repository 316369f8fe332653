#include "vm.h"

#include "log.h"
#include "task_inner.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

/* Counts every byte of the state, and refuses the running task what is beyond its cap. */
static void *allocate(void *arg, void *block, size_t old_size, size_t new_size)
{
	struct sm_host *host = arg;
	if (block == NULL)
		old_size = 0; /* Lua passes the kind of object there */
	if (new_size == 0) {
		free(block);
		host->bytes -= old_size;
		return NULL;
	}
	struct sm_task *task = host->current;
	if (task != NULL && task->limits.memory_bytes != 0 && new_size > old_size) {
		int64_t used = task->used_bytes + (int64_t)(host->bytes + (new_size - old_size)) - (int64_t)task->slice_bytes;
		if (used > (int64_t)task->limits.memory_bytes) {
			if (host->refused_size == new_size && task->kill == SM_KILL_NONE) { /* again after a collection: it is real */
				task->kill = SM_KILL_MEMORY;
				sm_task_strike(task);
			}
			host->refused_size = new_size;
			return NULL;
		}
	}
	void *moved = realloc(block, new_size);
	if (moved != NULL) {
		host->bytes += new_size - old_size;
		host->refused_size = 0;
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

static void set_source(lua_State *L, lua_State *co, const char *message)
{
	lua_Debug ar;
	const char *colon = NULL;
	for (int level = 0; lua_getstack(co, level, &ar); level++) {
		lua_getinfo(co, "Sl", &ar);
		if (ar.currentline > 0)
			break;
		ar.currentline = 0;
	}
	if (message != NULL && (colon = strstr(message, ".lua:")) != NULL) {
		lua_pushlstring(L, message, (size_t)(colon + 4 - message));
		lua_setfield(L, -2, "source");
		lua_pushinteger(L, strtol(colon + 5, NULL, 10));
		lua_setfield(L, -2, "line");
	}
}

void sm_push_error_table(lua_State *L, lua_State *co)
{
	if (lua_istable(L, -1))
		return;
	lua_createtable(L, 0, 4);
	const char *message = luaL_tolstring(L, -2, NULL);
	lua_setfield(L, -2, "message");
	luaL_traceback(L, co, NULL, 0);
	lua_setfield(L, -2, "traceback");
	set_source(L, co, message);
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
}

struct sm_host *sm_host_new(const char *root)
{
	struct sm_host *host = calloc(1, sizeof(*host));
	if (host == NULL)
		return NULL;
	host->ready_tail = &host->ready_head;
	host->root = strdup(root);
	host->loop = sm_loop_new(4);
	host->L = host->root != NULL && host->loop != NULL ? lua_newstate(allocate, host) : NULL;
	if (host->L == NULL) {
		sm_loop_free(host->loop);
		free(host->root);
		free(host);
		return NULL;
	}
	lua_atpanic(host->L, panic);
	*(struct sm_host **)lua_getextraspace(host->L) = host;
	sm_open_libs(host->L);
	set_path(host->L, root);
	lua_gc(host->L, LUA_GCGEN, 0, 0);
	return host;
}

void sm_host_free(struct sm_host *host)
{
	if (host == NULL)
		return;
	sm_watchdog_off();
	lua_close(host->L);
	sm_loop_free(host->loop);
	sm_log_flush();
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
		sm_loop_turn(host->loop, busy || host->ready_head != NULL ? 0 : -1);
	}
	sm_log_flush();
}
