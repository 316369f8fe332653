/*
 * sm.time: the clocks, and times as text. Times are seconds since 1970 (UTC) as floats, exact to a microsecond; the
 * machine's time zone plays no part.
 */
#include "clock.h"
#include "datetime.h"
#include "lua_result.h"

#include <lauxlib.h>
#include <math.h>

#define RANGE "a time in the years 0001 to 9999"

/* Seconds at arg (default: now) in microseconds, rounded: 0.123 is stored as a little less. */
static int64_t check_us(lua_State *L, int arg)
{
	if (lua_isnoneornil(L, arg))
		return sm_clock_wall_ns() / 1000;
	lua_Number seconds = luaL_checknumber(L, arg);
	/* The first comparison also keeps NaN and what llround cannot hold out. */
	luaL_argcheck(L, fabs(seconds) < 1e12, arg, RANGE);
	int64_t us = llround(seconds * 1e6);
	luaL_argcheck(L, us >= SM_DATETIME_MIN_US && us <= SM_DATETIME_MAX_US, arg, RANGE);
	return us;
}

/* now() -> seconds since 1970 by the wall clock. */
static int l_now(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)(sm_clock_wall_ns() / 1000) / 1e6);
	return 1;
}

/* monotonic() -> seconds since some moment; never goes back. For measuring. */
static int l_monotonic(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)sm_clock_mono_ns() / 1e9);
	return 1;
}

/* iso(t=now, digits=0) -> "2026-11-21T09:00:00Z"; digits of the second, 0 to 6, are cut and not rounded. */
static int l_iso(lua_State *L)
{
	char text[SM_DATETIME_SIZE];
	int64_t us = check_us(L, 1);
	lua_Integer digits = luaL_optinteger(L, 2, 0);
	luaL_argcheck(L, digits >= 0 && digits <= 6, 2, "0 to 6 digits");
	lua_pushlstring(L, text, (size_t)sm_datetime_format(us, (int)digits, text));
	return 1;
}

/* parse_iso(text) -> seconds since 1970 | nil, message, "invalid". A date alone is its midnight; no zone means UTC. */
static int l_parse_iso(lua_State *L)
{
	struct sm_error err;
	int64_t us;
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);
	if (sm_datetime_parse(text, len, &us, &err) != SM_OK)
		return sm_push_error(L, &err);
	lua_pushnumber(L, (lua_Number)us / 1e6);
	return 1;
}

/* date(t=now) -> "2026-11-21", the day in UTC. */
static int l_date(lua_State *L)
{
	char text[SM_DATETIME_SIZE];
	int64_t us = check_us(L, 1);
	lua_pushlstring(L, text, (size_t)sm_datetime_format_date(us, text));
	return 1;
}

static const luaL_Reg functions[] = {
    {"now", l_now}, {"monotonic", l_monotonic}, {"iso", l_iso}, {"parse_iso", l_parse_iso}, {"date", l_date},
    {NULL, NULL},
};

int luaopen_sm_time(lua_State *L)
{
	luaL_newlib(L, functions);
	return 1;
}
