/*
 * sm.checksum: integrity values for Lua, of a text or of texts that come one after the other. Nothing waits.
 */
#include "checksum.h"
#include "crypto.h"
#include "lua_libs.h"
#include "lua_type.h"

#include <lauxlib.h>

#define STATE_TYPE "sm.checksum.state"

/* In the order of enum sm_checksum. */
static const char *const names[] = {"crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256", "sha512", NULL};

struct sum {
	struct sm_checksum_state state;
	bool ended;
};

static int push_end(lua_State *L, struct sm_checksum_state *state)
{
	unsigned char out[SM_CHECKSUM_MAX];
	lua_pushlstring(L, (const char *)out, sm_checksum_end(state, out));
	return 1;
}

static void of_text(lua_State *L, struct sm_checksum_state *state)
{
	int kind = luaL_checkoption(L, 1, NULL, names);
	size_t len;
	const char *text = luaL_checklstring(L, 2, &len);
	sm_checksum_start(state, (enum sm_checksum)kind);
	sm_checksum_add(state, text, len);
}

/* of(name, text) -> bytes; name: "crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256", "sha512". */
static int l_of(lua_State *L)
{
	struct sm_checksum_state state;
	of_text(L, &state);
	return push_end(L, &state);
}

/* base64(name, text) -> the value as it travels in headers. */
static int l_base64(lua_State *L)
{
	struct sm_checksum_state state;
	unsigned char bytes[SM_CHECKSUM_MAX];
	char text[SM_BASE64_SIZE(SM_CHECKSUM_MAX)];
	of_text(L, &state);
	lua_pushlstring(L, text, sm_crypto_base64(bytes, sm_checksum_end(&state, bytes), false, text));
	return 1;
}

/* new(name) -> a running value with add and value. */
static int l_new(lua_State *L)
{
	int kind = luaL_checkoption(L, 1, NULL, names);
	struct sum *sum = lua_newuserdatauv(L, sizeof(*sum), 0);
	sm_checksum_start(&sum->state, (enum sm_checksum)kind);
	sum->ended = false;
	luaL_setmetatable(L, STATE_TYPE);
	return 1;
}

static struct sum *check_running(lua_State *L)
{
	struct sum *sum = luaL_checkudata(L, 1, STATE_TYPE);
	luaL_argcheck(L, !sum->ended, 1, "its value was taken already");
	return sum;
}

/* state:add(text) -> the state. */
static int l_add(lua_State *L)
{
	struct sum *sum = check_running(L);
	size_t len;
	const char *text = luaL_checklstring(L, 2, &len);
	sm_checksum_add(&sum->state, text, len);
	lua_settop(L, 1);
	return 1;
}

/* state:value() -> bytes. Once. */
static int l_value(lua_State *L)
{
	struct sum *sum = check_running(L);
	sum->ended = true;
	return push_end(L, &sum->state);
}

int luaopen_sm_checksum(lua_State *L)
{
	static const luaL_Reg functions[] = {{"of", l_of}, {"base64", l_base64}, {"new", l_new}, {NULL, NULL}};
	static const luaL_Reg methods[] = {{"add", l_add}, {"value", l_value}, {NULL, NULL}};
	sm_make_type(L, STATE_TYPE, methods, NULL);
	luaL_newlib(L, functions);
	return 1;
}
