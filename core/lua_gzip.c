/* sm.gzip: bytes in the form that gzip reads. */
#include "gzip.h"
#include "lua_libs.h"
#include "lua_result.h"

#include <lauxlib.h>

#define BUFFER_TYPE "sm.gzip.buffer"
#define OUT_MAX ((size_t)1 << 31)

static int buffer_gc(lua_State *L)
{
	sm_buf_free(luaL_checkudata(L, 1, BUFFER_TYPE));
	return 0;
}

/* compress(bytes) -> the gzip file of them | nil, message, code. */
static int l_compress(lua_State *L)
{
	struct sm_error err;
	size_t len;
	const char *bytes = luaL_checklstring(L, 1, &len);
	struct sm_buf *out = lua_newuserdatauv(L, sizeof(*out), 0);
	sm_buf_init(out, OUT_MAX);
	luaL_setmetatable(L, BUFFER_TYPE);
	if (sm_gzip_write(bytes, len, out, &err) != SM_OK)
		return sm_push_error(L, &err);
	lua_pushlstring(L, out->data, out->len);
	sm_buf_free(out);
	return 1;
}

static const luaL_Reg functions[] = {{"compress", l_compress}, {NULL, NULL}};

int luaopen_sm_gzip(lua_State *L)
{
	luaL_newmetatable(L, BUFFER_TYPE);
	lua_pushcfunction(L, buffer_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	return 1;
}
