/*
 * sm.records: files of sorted lines `key<TAB>value`, searched where they lie. Service models are such files.
 */
#include "lua_libs.h"
#include "lua_result.h"
#include "lua_type.h"
#include "records.h"

#include <lauxlib.h>
#include <string.h>

#define TYPE "sm.records"
#define MAX_BYTES ((size_t)64 << 20)

struct records {
	struct sm_records file;
	struct sm_buf text; /* what was read last */
};

static struct records *check_records(lua_State *L)
{
	struct records *records = luaL_checkudata(L, 1, TYPE);
	luaL_argcheck(L, records->file.fd >= 0, 1, "the records are closed");
	sm_buf_reset(&records->text);
	return records;
}

/* open(path) -> records | nil, message, code */
static int l_open(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct records *records = lua_newuserdatauv(L, sizeof(*records), 0);
	struct sm_error err;
	sm_records_init(&records->file);
	sm_buf_init(&records->text, MAX_BYTES);
	luaL_setmetatable(L, TYPE);
	return sm_records_open(&records->file, path, &err) == SM_OK ? 1 : sm_push_error(L, &err);
}

/* records:get(key) -> value | nil [, message, code]. Blocks for the time of reading a few blocks. */
static int l_get(lua_State *L)
{
	struct records *records = check_records(L);
	size_t len;
	const char *key = luaL_checklstring(L, 2, &len);
	struct sm_error err;
	enum sm_status status = sm_records_get(&records->file, key, len, &records->text, &err);
	if (status == SM_NOTFOUND)
		return 0;
	if (status != SM_OK)
		return sm_push_error(L, &err);
	lua_pushlstring(L, records->text.data != NULL ? records->text.data : "", records->text.len);
	return 1;
}

/* records:keys(prefix?) -> list of the keys that start with it, without it, sorted | nil, message, code */
static int l_keys(lua_State *L)
{
	struct records *records = check_records(L);
	size_t len;
	const char *prefix = luaL_optlstring(L, 2, "", &len);
	struct sm_error err;
	uint64_t at = 0;
	enum sm_status status = sm_records_lower(&records->file, prefix, len, &at, &err);
	lua_newtable(L);
	for (lua_Integer i = 1; status == SM_OK; i++) {
		sm_buf_reset(&records->text);
		status = sm_records_next(&records->file, &at, &records->text, &err);
		const char *key = records->text.data;
		if (status != SM_OK || records->text.len < len || (len > 0 && memcmp(key, prefix, len) != 0))
			break;
		lua_pushlstring(L, records->text.len > len ? key + len : "", records->text.len - len);
		lua_rawseti(L, -2, i);
	}
	return status == SM_OK || status == SM_NOTFOUND ? 1 : sm_push_error(L, &err);
}

/* records:close(): harmless twice. */
static int l_close(lua_State *L)
{
	struct records *records = luaL_checkudata(L, 1, TYPE);
	sm_records_close(&records->file);
	sm_buf_free(&records->text);
	return 0;
}

static const luaL_Reg methods[] = {{"get", l_get}, {"keys", l_keys}, {"close", l_close}, {NULL, NULL}};
static const luaL_Reg meta[] = {{"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"open", l_open}, {NULL, NULL}};

int luaopen_sm_records(lua_State *L)
{
	sm_make_type(L, TYPE, methods, meta);
	luaL_newlib(L, functions);
	return 1;
}
