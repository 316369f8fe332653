/*
 * lua_table: insert, remove, move, concat and sort as scripts see them.
 *
 * Same arguments, results and messages as Lua's own; the difference is that the end of a task stops them in the middle,
 * also when a hostile __len or __index written in C makes them run for years without one Lua instruction.
 */
#include "task_inner.h"

#include <lauxlib.h>
#include <limits.h>

enum need { NEED_READ = 1, NEED_WRITE = 2, NEED_LENGTH = 4, NEED_ALL = 6 | 1 };

/* Raises when the task has to end. Called once per element: it reads a flag. */
static void check_stop(lua_State *L)
{
	if (sm_task_must_stop(L))
		sm_task_raise(L);
}

static bool has_field(lua_State *L, const char *name, int metatable)
{
	lua_pushstring(L, name);
	bool there = lua_rawget(L, metatable) != LUA_TNIL;
	lua_pop(L, 1);
	return there;
}

/* A table, or something that behaves like one as far as needed. */
static void check_table(lua_State *L, int arg, int need)
{
	if (lua_type(L, arg) == LUA_TTABLE)
		return;
	bool fits = lua_getmetatable(L, arg) != 0;
	int metatable = lua_gettop(L);
	if (fits && (!(need & NEED_READ) || has_field(L, "__index", metatable)) &&
	    (!(need & NEED_WRITE) || has_field(L, "__newindex", metatable)) &&
	    (!(need & NEED_LENGTH) || has_field(L, "__len", metatable)))
		lua_pop(L, 1);
	else
		luaL_checktype(L, arg, LUA_TTABLE);
}

static lua_Integer checked_length(lua_State *L, int arg, int need)
{
	check_table(L, arg, need | NEED_LENGTH);
	return luaL_len(L, arg);
}

static int l_insert(lua_State *L)
{
	lua_Integer end = (lua_Integer)((lua_Unsigned)checked_length(L, 1, NEED_ALL) + 1), position = end;
	switch (lua_gettop(L)) {
	case 2:
		break;
	case 3:
		position = luaL_checkinteger(L, 2);
		luaL_argcheck(L, (lua_Unsigned)position - 1u < (lua_Unsigned)end, 2, "position out of bounds");
		for (lua_Integer i = end; i > position; i--) {
			check_stop(L);
			lua_geti(L, 1, i - 1);
			lua_seti(L, 1, i);
		}
		break;
	default:
		return luaL_error(L, "wrong number of arguments to 'insert'");
	}
	lua_seti(L, 1, position);
	return 0;
}

static int l_remove(lua_State *L)
{
	lua_Integer size = checked_length(L, 1, NEED_ALL), position = luaL_optinteger(L, 2, size);
	if (lua_gettop(L) >= 2 && position != size)
		luaL_argcheck(L, (lua_Unsigned)position - 1u <= (lua_Unsigned)size, 2, "position out of bounds");
	lua_geti(L, 1, position);
	for (; position < size; position++) {
		check_stop(L);
		lua_geti(L, 1, position + 1);
		lua_seti(L, 1, position);
	}
	lua_pushnil(L);
	lua_seti(L, 1, position);
	return 1;
}

static void move_one(lua_State *L, lua_Integer from, lua_Integer to, int target)
{
	check_stop(L);
	lua_geti(L, 1, from);
	lua_seti(L, target, to);
}

static int l_move(lua_State *L)
{
	lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3), to = luaL_checkinteger(L, 4);
	int target = lua_isnoneornil(L, 5) ? 1 : 5;
	check_table(L, 1, NEED_READ);
	check_table(L, target, NEED_WRITE);
	if (last >= first) {
		luaL_argcheck(L, first > 0 || last < LUA_MAXINTEGER + first, 3, "too many elements to move");
		lua_Integer count = last - first + 1;
		luaL_argcheck(L, to <= LUA_MAXINTEGER - count + 1, 4, "destination wrap around");
		if (to > last || to <= first || (target != 1 && !lua_compare(L, 1, target, LUA_OPEQ))) {
			for (lua_Integer i = 0; i < count; i++)
				move_one(L, first + i, to + i, target);
		} else {
			for (lua_Integer i = count - 1; i >= 0; i--)
				move_one(L, first + i, to + i, target);
		}
	}
	lua_pushvalue(L, target);
	return 1;
}

static void add_element(lua_State *L, luaL_Buffer *buffer, lua_Integer i)
{
	check_stop(L);
	lua_geti(L, 1, i);
	if (!lua_isstring(L, -1))
		luaL_error(L, "invalid value (%s) at index %I in table for 'concat'", luaL_typename(L, -1), (LUAI_UACINT)i);
	luaL_addvalue(buffer);
}

static int l_concat(lua_State *L)
{
	lua_Integer last = checked_length(L, 1, NEED_READ);
	size_t len;
	const char *separator = luaL_optlstring(L, 2, "", &len);
	lua_Integer i = luaL_optinteger(L, 3, 1);
	last = luaL_optinteger(L, 4, last);
	luaL_Buffer buffer;
	luaL_buffinit(L, &buffer);
	for (; i < last; i++) {
		add_element(L, &buffer, i);
		luaL_addlstring(&buffer, separator, len);
	}
	if (i == last)
		add_element(L, &buffer, i);
	luaL_pushresult(&buffer);
	return 1;
}

/* ---- sort: quicksort on t[low..high]; index 1 is the table, 2 the function or nil ---- */

#define RANDOM_FROM 100u /* elements; a shorter part takes the middle one as its pivot */

static bool less(lua_State *L, int a, int b)
{
	check_stop(L);
	if (lua_isnil(L, 2))
		return lua_compare(L, a, b, LUA_OPLT);
	lua_pushvalue(L, 2);
	lua_pushvalue(L, a - 1);
	lua_pushvalue(L, b - 2);
	lua_call(L, 2, 1);
	bool result = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return result;
}

/* Pops two values: the top goes to t[i], the one below to t[j]. */
static void set_two(lua_State *L, unsigned i, unsigned j)
{
	lua_seti(L, 1, i);
	lua_seti(L, 1, j);
}

/* Puts t[a] and t[b], a < b, in order. */
static void order_two(lua_State *L, unsigned a, unsigned b)
{
	lua_geti(L, 1, a);
	lua_geti(L, 1, b);
	if (less(L, -1, -2))
		set_two(L, a, b);
	else
		lua_pop(L, 2);
}

/* The pivot is on the stack and in t[high - 1]; t[low] <= pivot <= t[high]. Returns where the pivot ends. */
static unsigned partition(lua_State *L, unsigned low, unsigned high)
{
	unsigned i = low, j = high - 1;
	for (;;) {
		while (lua_geti(L, 1, ++i), less(L, -1, -2)) {
			if (i == high - 1)
				luaL_error(L, "invalid order function for sorting");
			lua_pop(L, 1);
		}
		while (lua_geti(L, 1, --j), less(L, -3, -1)) {
			if (j < i)
				luaL_error(L, "invalid order function for sorting");
			lua_pop(L, 1);
		}
		if (j < i) {
			lua_pop(L, 1);
			set_two(L, high - 1, i);
			return i;
		}
		set_two(L, i, j);
	}
}

static unsigned choose_pivot(unsigned low, unsigned high, unsigned seed)
{
	if (high - low < RANDOM_FROM)
		return low + (high - low) / 2;
	unsigned quarter = (high - low) / 4;
	return seed % (quarter * 2) + low + quarter;
}

static void sort(lua_State *L, unsigned low, unsigned high, unsigned seed)
{
	while (low < high) {
		order_two(L, low, high);
		if (high - low == 1)
			return;
		unsigned pivot = choose_pivot(low, high, seed);
		order_two(L, low, pivot);
		order_two(L, pivot, high);
		if (high - low == 2)
			return;
		lua_geti(L, 1, pivot);
		lua_pushvalue(L, -1);
		lua_geti(L, 1, high - 1);
		set_two(L, pivot, high - 1);
		pivot = partition(L, low, high);
		seed = seed * 1103515245u + 12345u;
		if (pivot - low < high - pivot) { /* the shorter part first: the depth stays below 32 */
			sort(L, low, pivot - 1, seed);
			low = pivot + 1;
		} else {
			sort(L, pivot + 1, high, seed);
			high = pivot - 1;
		}
	}
}

static int l_sort(lua_State *L)
{
	lua_Integer count = checked_length(L, 1, NEED_ALL);
	if (count < 2)
		return 0;
	luaL_argcheck(L, count < INT_MAX, 1, "array too big");
	if (!lua_isnoneornil(L, 2))
		luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_settop(L, 2);
	luaL_checkstack(L, 40, "");
	sort(L, 1, (unsigned)count, (unsigned)count);
	return 0;
}

void sm_open_table(lua_State *L)
{
	static const luaL_Reg functions[] = {{"insert", l_insert}, {"remove", l_remove}, {"move", l_move},
	                                     {"concat", l_concat}, {"sort", l_sort},     {NULL, NULL}};
	lua_getglobal(L, "table");
	luaL_setfuncs(L, functions, 0);
	lua_pop(L, 1);
}
