/*
 * lua_string: find, match, gmatch, gsub and rep as scripts see them.
 *
 * Same arguments, results and messages as Lua's own; the difference is that the end of a task (deadline, cancellation)
 * stops them in the middle. string.dump is removed: there is no use for bytecode here.
 */
#include "pattern.h"
#include "task_inner.h"

#include <ctype.h>
#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#define SHORT_NEEDLE 16              /* bytes */
#define MAX_STRING ((size_t)INT_MAX) /* of a repetition, as in Lua */

static bool has_to_stop(void *arg)
{
	return sm_task_must_stop(arg);
}

/* ---- matching ---- */

static const char *match_at(lua_State *L, struct sm_pattern *m, const char *s, const char *pattern)
{
	const char *end = sm_pattern_match(m, s, pattern);
	if (m->status == SM_TIMEOUT)
		sm_task_raise(L);
	if (m->status != SM_OK)
		luaL_error(L, "%s", m->message);
	return end;
}

/* The bytes of one capture, or -2 with the position pushed. [s, e) is the whole match. */
static ptrdiff_t get_capture(lua_State *L, const struct sm_pattern *m, int index, const char *s, const char *e,
                             const char **start)
{
	if (index >= m->level) {
		if (index != 0)
			luaL_error(L, "invalid capture index %%%d", index + 1);
		*start = s;
		return e - s;
	}
	ptrdiff_t len = m->capture[index].len;
	*start = m->capture[index].start;
	if (len == SM_CAPTURE_OPEN)
		luaL_error(L, "unfinished capture");
	if (len == SM_CAPTURE_POSITION)
		lua_pushinteger(L, m->capture[index].start - m->subject + 1);
	return len;
}

static void push_capture(lua_State *L, const struct sm_pattern *m, int index, const char *s, const char *e)
{
	const char *start;
	ptrdiff_t len = get_capture(L, m, index, s, e, &start);
	if (len != SM_CAPTURE_POSITION)
		lua_pushlstring(L, start, (size_t)len);
}

/* All captures; the whole match when there is none (and s is not NULL). */
static int push_captures(lua_State *L, const struct sm_pattern *m, const char *s, const char *e)
{
	int count = m->level == 0 && s != NULL ? 1 : m->level;
	luaL_checkstack(L, count, "too many captures");
	for (int i = 0; i < count; i++)
		push_capture(L, m, i, s, e);
	return count;
}

/* A start position as Lua counts it, as an offset; may be beyond len. */
static size_t start_offset(lua_Integer position, size_t len)
{
	if (position > 0)
		return (size_t)position - 1;
	if (position == 0 || position < -(lua_Integer)len)
		return 0;
	return len - (size_t)-position;
}

static bool is_plain(const char *pattern, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (pattern[i] != '\0' && strchr("^$*+?.([%-", pattern[i]) != NULL)
			return false;
	return true;
}

/* memmem is linear always but slow to begin; short searches go byte by byte. */
static const char *find_bytes(const char *s, size_t len, const char *wanted, size_t wanted_len)
{
	if (wanted_len == 0)
		return s;
	if (wanted_len > len)
		return NULL;
	if (wanted_len > SHORT_NEEDLE)
		return memmem(s, len, wanted, wanted_len);
	const char *last = s + (len - wanted_len);
	while (s <= last && (s = memchr(s, *wanted, (size_t)(last - s) + 1)) != NULL) {
		if (memcmp(s, wanted, wanted_len) == 0)
			return s;
		s++;
	}
	return NULL;
}

static int find_plain(lua_State *L, const char *s, size_t len, size_t start, const char *wanted, size_t wanted_len)
{
	const char *at = find_bytes(s + start, len - start, wanted, wanted_len);
	if (at == NULL) {
		luaL_pushfail(L);
		return 1;
	}
	lua_pushinteger(L, at - s + 1);
	lua_pushinteger(L, at - s + (lua_Integer)wanted_len);
	return 2;
}

static int find_or_match(lua_State *L, bool find)
{
	size_t len, pattern_len;
	const char *s = luaL_checklstring(L, 1, &len);
	const char *pattern = luaL_checklstring(L, 2, &pattern_len);
	size_t start = start_offset(luaL_optinteger(L, 3, 1), len);
	if (start > len) {
		luaL_pushfail(L);
		return 1;
	}
	if (find && (lua_toboolean(L, 4) || is_plain(pattern, pattern_len)))
		return find_plain(L, s, len, start, pattern, pattern_len);
	struct sm_pattern m;
	sm_pattern_init(&m, s, len, pattern, pattern_len, has_to_stop, L);
	bool anchored = *pattern == '^';
	for (const char *at = s + start; at <= m.subject_end; at++) {
		const char *end = match_at(L, &m, at, pattern + anchored);
		if (end == NULL && !anchored)
			continue;
		if (end == NULL)
			break;
		if (!find)
			return push_captures(L, &m, at, end);
		lua_pushinteger(L, at - s + 1);
		lua_pushinteger(L, end - s);
		return push_captures(L, &m, NULL, NULL) + 2;
	}
	luaL_pushfail(L);
	return 1;
}

static int l_find(lua_State *L)
{
	return find_or_match(L, true);
}

static int l_match(lua_State *L)
{
	return find_or_match(L, false);
}

/* ---- gmatch: upvalues are the subject, the pattern, the next offset, the end of the last match ---- */

static int gmatch_next(lua_State *L)
{
	size_t len, pattern_len;
	const char *s = lua_tolstring(L, lua_upvalueindex(1), &len);
	const char *pattern = lua_tolstring(L, lua_upvalueindex(2), &pattern_len);
	lua_Integer offset = lua_tointeger(L, lua_upvalueindex(3)), last = lua_tointeger(L, lua_upvalueindex(4));
	struct sm_pattern m;
	sm_pattern_init(&m, s, len, pattern, pattern_len, has_to_stop, L);
	for (; offset <= (lua_Integer)len; offset++) {
		const char *end = match_at(L, &m, s + offset, pattern);
		if (end == NULL || end - s == last)
			continue;
		lua_pushinteger(L, end - s);
		lua_pushvalue(L, -1);
		lua_replace(L, lua_upvalueindex(3));
		lua_replace(L, lua_upvalueindex(4));
		return push_captures(L, &m, s + offset, end);
	}
	lua_pushinteger(L, (lua_Integer)len + 1); /* a finished iterator stays finished */
	lua_replace(L, lua_upvalueindex(3));
	return 0;
}

static int l_gmatch(lua_State *L)
{
	size_t len;
	luaL_checklstring(L, 1, &len);
	luaL_checkstring(L, 2);
	size_t start = start_offset(luaL_optinteger(L, 3, 1), len);
	lua_settop(L, 2);
	lua_pushinteger(L, (lua_Integer)(start > len ? len + 1 : start));
	lua_pushinteger(L, -1);
	lua_pushcclosure(L, gmatch_next, 4);
	return 1;
}

/* ---- gsub ---- */

/* The replacement text with its %0 to %9. */
static void add_text(lua_State *L, luaL_Buffer *buffer, const struct sm_pattern *m, const char *s, const char *e)
{
	size_t len;
	const char *text = lua_tolstring(L, 3, &len), *text_end = text + len, *p;
	while ((p = memchr(text, '%', (size_t)(text_end - text))) != NULL) {
		luaL_addlstring(buffer, text, (size_t)(p - text));
		p++;
		if (*p == '%') {
			luaL_addchar(buffer, '%');
		} else if (*p == '0') {
			luaL_addlstring(buffer, s, (size_t)(e - s));
		} else if (isdigit((unsigned char)*p)) {
			const char *start;
			ptrdiff_t capture = get_capture(L, m, *p - '1', s, e, &start);
			if (capture == SM_CAPTURE_POSITION)
				luaL_addvalue(buffer);
			else
				luaL_addlstring(buffer, start, (size_t)capture);
		} else {
			luaL_error(L, "invalid use of '%%' in replacement string");
		}
		text = p + 1;
	}
	luaL_addlstring(buffer, text, (size_t)(text_end - text));
}

/* Adds what replaces [s, e); false when it stays as it is. */
static bool add_value(lua_State *L, luaL_Buffer *buffer, const struct sm_pattern *m, const char *s, const char *e,
                      int type)
{
	if (type == LUA_TFUNCTION) {
		lua_pushvalue(L, 3);
		lua_call(L, push_captures(L, m, s, e), 1);
	} else if (type == LUA_TTABLE) {
		push_capture(L, m, 0, s, e);
		lua_gettable(L, 3);
	} else {
		add_text(L, buffer, m, s, e);
		return true;
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		luaL_addlstring(buffer, s, (size_t)(e - s));
		return false;
	}
	if (!lua_isstring(L, -1))
		luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
	luaL_addvalue(buffer);
	return true;
}

static int l_gsub(lua_State *L)
{
	size_t len, pattern_len;
	const char *s = luaL_checklstring(L, 1, &len);
	const char *pattern = luaL_checklstring(L, 2, &pattern_len), *last = NULL;
	int type = lua_type(L, 3);
	lua_Integer max = luaL_optinteger(L, 4, (lua_Integer)len + 1), count = 0;
	bool anchored = *pattern == '^', changed = false;
	luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
	                 "string/function/table");
	struct sm_pattern m;
	luaL_Buffer buffer;
	sm_pattern_init(&m, s, len, pattern, pattern_len, has_to_stop, L);
	luaL_buffinit(L, &buffer);
	while (count < max) {
		const char *end = match_at(L, &m, s, pattern + anchored);
		if (end != NULL && end != last) {
			count++;
			changed = add_value(L, &buffer, &m, s, end, type) || changed;
			s = last = end;
		} else if (s < m.subject_end) {
			luaL_addchar(&buffer, *s++);
		} else {
			break;
		}
		if (anchored)
			break;
	}
	if (changed) {
		luaL_addlstring(&buffer, s, (size_t)(m.subject_end - s));
		luaL_pushresult(&buffer);
	} else {
		lua_pushvalue(L, 1);
	}
	lua_pushinteger(L, count);
	return 2;
}

/* ---- rep ---- */

static int l_rep(lua_State *L)
{
	size_t len, separator_len;
	const char *s = luaL_checklstring(L, 1, &len);
	lua_Integer count = luaL_checkinteger(L, 2);
	const char *separator = luaL_optlstring(L, 3, "", &separator_len);
	if (count <= 0 || len + separator_len == 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	if (len + separator_len < len || len + separator_len > MAX_STRING / (size_t)count)
		return luaL_error(L, "resulting string too large");
	size_t unit = len + separator_len, total = (size_t)count * len + (size_t)(count - 1) * separator_len;
	luaL_Buffer buffer;
	char *out = luaL_buffinitsize(L, &buffer, total);
	memcpy(out, s, len);
	if (count > 1)
		memcpy(out + len, separator, separator_len);
	for (size_t done = unit; done < total;) { /* each copy doubles what is there */
		size_t more = done < total - done ? done : total - done;
		memcpy(out + done, out, more);
		done += more;
	}
	luaL_pushresultsize(&buffer, total);
	return 1;
}

void sm_open_string(lua_State *L)
{
	static const luaL_Reg functions[] = {{"find", l_find}, {"match", l_match}, {"gmatch", l_gmatch},
	                                     {"gsub", l_gsub}, {"rep", l_rep},     {NULL, NULL}};
	lua_getglobal(L, "string");
	luaL_setfuncs(L, functions, 0);
	lua_pushnil(L);
	lua_setfield(L, -2, "dump");
	lua_pop(L, 1);
}
