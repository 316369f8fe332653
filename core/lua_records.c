/*
 * sm.records: files of sorted lines `key<TAB>value`, read whole and searched in place. Service models are such files.
 */
#include "files.h"
#include "lua_libs.h"
#include "lua_result.h"
#include "lua_type.h"
#include "records.h"

#include <lauxlib.h>
#include <string.h>

#define TYPE "sm.records"
#define MAX_BYTES ((size_t)64 << 20)

struct records {
	struct sm_buf text;
};

static struct records *check_records(lua_State *L)
{
	struct records *records = luaL_checkudata(L, 1, TYPE);
	luaL_argcheck(L, records->text.data != NULL, 1, "the records are closed");
	return records;
}

/* open(path) -> records | nil, message, code. Blocks for the time of reading the file. */
static int l_open(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct records *records = lua_newuserdatauv(L, sizeof(*records), 0);
	struct sm_error err;
	sm_buf_init(&records->text, MAX_BYTES);
	luaL_setmetatable(L, TYPE);
	enum sm_status status = sm_files_read(path, &records->text, &err);
	if (status == SM_OK && sm_buf_reserve(&records->text, 1) != SM_OK) /* so that an empty file is not a closed one */
		status = sm_fail(&err, SM_NOMEM, "no memory");
	return status == SM_OK ? 1 : sm_push_error(L, &err);
}

/* records:get(key) -> value | nil */
static int l_get(lua_State *L)
{
	const struct records *records = check_records(L);
	size_t len;
	const char *key = luaL_checklstring(L, 2, &len);
	struct sm_record record;
	if (!sm_records_find(records->text.data, records->text.len, key, len, &record))
		return 0;
	lua_pushlstring(L, record.value, record.value_len);
	return 1;
}

/* records:keys(prefix?) -> list of the keys that start with it, without it, sorted */
static int l_keys(lua_State *L)
{
	const struct records *records = check_records(L);
	size_t len, total = records->text.len;
	const char *text = records->text.data, *prefix = luaL_optlstring(L, 2, "", &len);
	lua_newtable(L);
	size_t at = sm_records_lower(text, total, prefix, len);
	for (lua_Integer i = 1; at < total; i++) {
		struct sm_record record;
		at = sm_records_read(text, total, at, &record);
		if (record.key_len < len || memcmp(record.key, prefix, len) != 0)
			break;
		lua_pushlstring(L, record.key + len, record.key_len - len);
		lua_rawseti(L, -2, i);
	}
	return 1;
}

/* records:close(): gives the memory back; harmless twice. */
static int l_close(lua_State *L)
{
	struct records *records = luaL_checkudata(L, 1, TYPE);
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
