/* lua_duckdb_value: results of the engine as Lua values. Private to the binding of sm.duckdb. */
#ifndef SM_LUA_DUCKDB_VALUE_H
#define SM_LUA_DUCKDB_VALUE_H

#include "duckdb.h"

#include <lua.h>

/* Pushes a buffer that the collector frees when a Lua call jumps away; at most 1 MiB. */
struct sm_buf *sm_push_text_buffer(lua_State *L);
/* Pushes a list of {name, type, athena_type, trino_type, precision, scale}. */
void sm_push_columns(lua_State *L, const struct sm_duck_type *types, size_t count);
/* Pushes a value; NULL is nil. scratch: any buffer, its content is replaced. */
void sm_push_cell(lua_State *L, const struct sm_view *view, uint64_t row, struct sm_buf *scratch);
/* Pushes nil, message, code and, when the engine spoke, {kind, offset, line, column}; returns the number. sql may be
 * NULL. */
int sm_push_duck_error(lua_State *L, const struct sm_duck_error *err, const char *sql);

#endif
