/*
 * task_place: where a killed task's script stood, and the error table that tells it.
 *
 * The place is noted while memory may be refused: nothing here allocates in the Lua state before the table is made.
 */
#include "task_inner.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the place ---- */

static size_t add_text(char *text, size_t size, size_t at, const char *format, const char *a, int b, const char *c)
{
	if (at >= size)
		return size;
	int len = snprintf(text + at, size - at, format, a, b, c);
	return len < 0 ? at : at + (size_t)len;
}

static size_t add_call(char *text, size_t size, size_t at, const char *name)
{
	int len = at < size ? snprintf(text + at, size - at, "\n\t[C]: in %s", name) : 0;
	return len < 0 ? at : at + (size_t)len;
}

/*
 * While a Lua from 5.4.5 on moves the stack of a coroutine, what points into it holds offsets instead: its frames must
 * not be read from the allocator then. The first field of a frame is the pointer to its function in every 5.4; an
 * offset is smaller than the largest stack (1,000,000 slots of 16 bytes).
 */
static bool is_stack_moving(lua_State *co)
{
	lua_Debug ar;
	return lua_getstack(co, 0, &ar) && *(const uintptr_t *)(const void *)ar.i_ci < 16u * 1024 * 1024;
}

/* One coroutine's frames, innermost first. The first line of a script found is the place. */
static size_t note_frames(struct sm_host *host, lua_State *co, struct sm_place *place, size_t at)
{
	lua_Debug ar;
	for (int level = 0; level < 24 && lua_getstack(co, level, &ar); level++) {
		lua_getinfo(co, "Sln", &ar);
		if (ar.currentline <= 0 && place->line == 0 && ar.name != NULL) /* what the script waits in, or had called */
			at = add_call(place->traceback, sizeof(place->traceback), at, ar.name);
		if (ar.currentline <= 0)
			continue;
		const char *source = sm_source_name(host, ar.source);
		if (source == NULL)
			source = ar.short_src;
		if (place->line == 0) {
			place->line = ar.currentline;
			snprintf(place->source, sizeof(place->source), "%s", source);
		}
		at = add_text(place->traceback, sizeof(place->traceback), at, "\n\t%s:%d: in %s", source, ar.currentline,
		              ar.name != NULL     ? ar.name
		              : ar.what[0] == 'm' ? "main chunk"
		                                  : "a function");
	}
	return at;
}

void sm_task_note_place(struct sm_host *host, struct sm_task *task)
{
	for (int i = host->chain_base; i < host->chain_depth; i++)
		if (is_stack_moving(host->chain[i]))
			return;
	if (task->place != NULL || (task->place = calloc(1, sizeof(*task->place))) == NULL)
		return;
	size_t at = (size_t)snprintf(task->place->traceback, sizeof(task->place->traceback), "stack traceback:");
	for (int i = host->chain_depth - 1; i >= host->chain_base; i--)
		at = note_frames(host, host->chain[i], task->place, at);
}

void sm_task_note_definition(lua_State *L, struct sm_task *task, int index)
{
	lua_Debug ar;
	lua_pushvalue(L, index);
	lua_getinfo(L, ">S", &ar);
	if (ar.linedefined <= 0 || (task->place = calloc(1, sizeof(*task->place))) == NULL)
		return;
	const char *source = sm_source_name(task->host, ar.source);
	task->place->line = ar.linedefined;
	snprintf(task->place->source, sizeof(task->place->source), "%s", source != NULL ? source : ar.short_src);
	snprintf(task->place->traceback, sizeof(task->place->traceback),
	         "stack traceback:\n\t%s:%d: in a function defined here", task->place->source, ar.linedefined);
}

/* ---- the error table ---- */

static void set_text(lua_State *L, const char *key, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, key);
}

static void format_value(const struct sm_task *task, char *text, size_t size)
{
	double seconds = (double)(task->limits.deadline_ns - task->started_ns) / 1e9;
	double bytes = (double)task->limits.memory_bytes;
	if (task->kill == SM_KILL_TIME)
		snprintf(text, size, seconds >= 0.995 ? "%.1f s" : "%.2g s", seconds);
	else if (bytes >= 1024.0 * 1024.0)
		snprintf(text, size, "%.4g MiB", bytes / (1024.0 * 1024.0));
	else
		snprintf(text, size, "%.4g KiB", bytes / 1024.0);
}

static void fill_limit(lua_State *L, struct sm_task *task)
{
	const char *limit = task->kill == SM_KILL_TIME ? "time" : "memory";
	char value[48], where[200] = "";
	format_value(task, value, sizeof(value));
	if (task->place != NULL && task->place->line > 0)
		snprintf(where, sizeof(where), " at %s:%d", task->place->source, task->place->line);
	set_text(L, "code", "limit");
	set_text(L, "limit", limit);
	set_text(L, "value", value);
	lua_pushfstring(L, "%s limit of %s reached%s", limit, value, where);
	lua_setfield(L, -2, "message");
}

int sm_task_push_kill(lua_State *L)
{
	struct sm_task *task = lua_touserdata(L, 1);
	lua_createtable(L, 0, 8);
	if (task->kill == SM_KILL_CANCEL) {
		const char *reason = task->reason != NULL ? task->reason : "no longer needed";
		set_text(L, "code", "cancelled");
		set_text(L, "reason", reason);
		lua_pushfstring(L, "cancelled: %s", reason);
		lua_setfield(L, -2, "message");
	} else {
		fill_limit(L, task);
	}
	if (task->place != NULL && task->place->line > 0) {
		set_text(L, "source", task->place->source);
		lua_pushinteger(L, task->place->line);
		lua_setfield(L, -2, "line");
		set_text(L, "traceback", task->place->traceback);
	}
	sm_mark_error_table(L);
	return 1;
}
