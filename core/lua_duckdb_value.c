/* See lua_duckdb_value.h. Exactness first: what a Lua number cannot hold is text with all its digits. */
#include "lua_duckdb_value.h"

#include "lua_result.h"

#include <lauxlib.h>
#include <string.h>

static void push_type_text(lua_State *L, const struct sm_duck_type *type,
                           enum sm_status (*write)(const struct sm_duck_type *, struct sm_buf *), struct sm_buf *text)
{
	sm_buf_reset(text);
	write(type, text);
	lua_pushlstring(L, text->data != NULL ? text->data : "", text->len);
}

static int free_text(lua_State *L)
{
	sm_buf_free(lua_touserdata(L, 1));
	return 0;
}

struct sm_buf *sm_push_text_buffer(lua_State *L)
{
	struct sm_buf *text = lua_newuserdatauv(L, sizeof *text, 0);

	sm_buf_init(text, 1 << 20);
	if (luaL_newmetatable(L, "sm.duckdb.text")) {
		lua_pushcfunction(L, free_text);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return text;
}

static void push_column(lua_State *L, const struct sm_duck_type *type, struct sm_buf *text)
{
	struct sm_athena_type athena = sm_duck_type_athena(type);

	lua_createtable(L, 0, 6);
	lua_pushstring(L, type->name);
	lua_setfield(L, -2, "name");
	push_type_text(L, type, sm_duck_type_text, text);
	lua_setfield(L, -2, "type");
	push_type_text(L, type, sm_duck_type_trino, text);
	lua_setfield(L, -2, "trino_type");
	lua_pushstring(L, athena.type);
	lua_setfield(L, -2, "athena_type");
	lua_pushinteger(L, athena.precision);
	lua_setfield(L, -2, "precision");
	lua_pushinteger(L, athena.scale);
	lua_setfield(L, -2, "scale");
}

void sm_push_columns(lua_State *L, const struct sm_duck_type *types, size_t count)
{
	struct sm_buf *text = sm_push_text_buffer(L);

	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		push_column(L, &types[i], text);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	sm_buf_free(text);
	lua_remove(L, -2);
}

/* ---- cells ---- */

static struct duck_list_entry entry_at(const struct sm_view *view, uint64_t row)
{
	if (view->type->id == DUCK_ARRAY)
		return (struct duck_list_entry){row * view->type->array_size, view->type->array_size};
	return ((const struct duck_list_entry *)view->data)[row];
}

/* A list with NULLs has holes and says its length in n. */
static void push_list(lua_State *L, const struct sm_view *view, uint64_t row, struct sm_buf *scratch)
{
	struct duck_list_entry e = entry_at(view, row);
	bool holes = false;

	lua_createtable(L, (int)e.length, 0);
	for (uint64_t i = 0; i < e.length; i++) {
		holes = holes || sm_view_is_null(&view->children[0], e.offset + i);
		sm_push_cell(L, &view->children[0], e.offset + i, scratch);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	if (holes) {
		lua_pushinteger(L, (lua_Integer)e.length);
		lua_setfield(L, -2, "n");
	}
}

static void push_map(lua_State *L, const struct sm_view *view, uint64_t row, struct sm_buf *scratch)
{
	struct duck_list_entry e = entry_at(view, row);

	lua_createtable(L, 0, (int)e.length);
	for (uint64_t i = 0; i < e.length; i++) {
		sm_push_cell(L, &view->children[0], e.offset + i, scratch);
		/* NaN cannot be a key in Lua. */
		if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) != lua_tonumber(L, -1)) {
			lua_pop(L, 1);
			lua_pushliteral(L, "NaN");
		}
		sm_push_cell(L, &view->children[1], e.offset + i, scratch);
		lua_rawset(L, -3);
	}
}

static void push_struct(lua_State *L, const struct sm_view *view, uint64_t row, struct sm_buf *scratch)
{
	size_t count = view->type->child_count;

	lua_createtable(L, 0, (int)count);
	for (size_t i = 0; i < count; i++) {
		const char *name = view->type->children[i].name;
		sm_push_cell(L, &view->children[i], row, scratch);
		if (name[0] != '\0')
			lua_setfield(L, -2, name);
		else
			lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

static void push_bytes(lua_State *L, const struct sm_view *view, uint64_t row)
{
	const union duck_string *s = (const union duck_string *)view->data + row;

	lua_pushlstring(L, s->inlined.length <= DUCK_INLINE ? s->inlined.bytes : s->pointer.bytes, s->inlined.length);
}

static void push_text(lua_State *L, const struct sm_view *view, uint64_t row, struct sm_buf *scratch)
{
	sm_buf_reset(scratch);
	if (sm_render_value(view, row, scratch) != SM_OK)
		luaL_error(L, "a value of the result is too large");
	lua_pushlstring(L, scratch->data != NULL ? scratch->data : "", scratch->len);
}

void sm_push_cell(lua_State *L, const struct sm_view *view, uint64_t row, struct sm_buf *scratch)
{
	uint64_t big;

	luaL_checkstack(L, 6, "a result is nested too deeply");
	if (sm_view_is_null(view, row)) {
		lua_pushnil(L);
		return;
	}
	switch (view->type->id) {
	case DUCK_BOOLEAN:
		lua_pushboolean(L, ((const uint8_t *)view->data)[row] != 0);
		return;
	case DUCK_TINYINT:
		lua_pushinteger(L, ((const int8_t *)view->data)[row]);
		return;
	case DUCK_SMALLINT:
		lua_pushinteger(L, ((const int16_t *)view->data)[row]);
		return;
	case DUCK_INTEGER:
		lua_pushinteger(L, ((const int32_t *)view->data)[row]);
		return;
	case DUCK_BIGINT:
		lua_pushinteger(L, ((const int64_t *)view->data)[row]);
		return;
	case DUCK_UTINYINT:
		lua_pushinteger(L, ((const uint8_t *)view->data)[row]);
		return;
	case DUCK_USMALLINT:
		lua_pushinteger(L, ((const uint16_t *)view->data)[row]);
		return;
	case DUCK_UINTEGER:
		lua_pushinteger(L, ((const uint32_t *)view->data)[row]);
		return;
	case DUCK_UBIGINT:
		big = ((const uint64_t *)view->data)[row];
		if (big > INT64_MAX)
			push_text(L, view, row, scratch);
		else
			lua_pushinteger(L, (lua_Integer)big);
		return;
	case DUCK_FLOAT:
		lua_pushnumber(L, (lua_Number)((const float *)view->data)[row]);
		return;
	case DUCK_DOUBLE:
		lua_pushnumber(L, ((const double *)view->data)[row]);
		return;
	case DUCK_VARCHAR:
	case DUCK_BLOB:
		push_bytes(L, view, row);
		return;
	case DUCK_LIST:
	case DUCK_ARRAY:
		push_list(L, view, row, scratch);
		return;
	case DUCK_MAP:
		push_map(L, view, row, scratch);
		return;
	case DUCK_STRUCT:
		push_struct(L, view, row, scratch);
		return;
	default:
		push_text(L, view, row, scratch);
		return;
	}
}

/* ---- errors ---- */

/* Lines and columns count from 1, columns in characters. */
static void set_place(lua_State *L, const char *sql, int64_t offset)
{
	lua_Integer line = 1, column = 1;

	lua_pushinteger(L, offset);
	lua_setfield(L, -2, "offset");
	if (sql == NULL)
		return;
	for (const char *p = sql; *p != '\0' && p - sql < offset; p++) {
		if (*p == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)*p & 0xc0) != 0x80) {
			column++;
		}
	}
	lua_pushinteger(L, line);
	lua_setfield(L, -2, "line");
	lua_pushinteger(L, column);
	lua_setfield(L, -2, "column");
}

int sm_push_duck_error(lua_State *L, const struct sm_duck_error *err, const char *sql)
{
	int count = sm_push_error(L, &err->base);

	if (err->kind[0] == '\0')
		return count;
	lua_createtable(L, 0, 4);
	lua_pushstring(L, err->kind);
	lua_setfield(L, -2, "kind");
	if (err->position >= 0)
		set_place(L, sql, err->position);
	return count + 1;
}
