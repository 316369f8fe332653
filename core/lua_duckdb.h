/* lua_duckdb: what the files of the binding share. */
#ifndef SM_LUA_DUCKDB_H
#define SM_LUA_DUCKDB_H

#include "duckdb.h"

#include <lua.h>

/* The opener of sm.duckdb. */
int luaopen_sm_duckdb(lua_State *L);

/* lua_duckdb_con.c and lua_duckdb_cursor.c: make the metatables of connections and cursors. */
void sm_open_duck_connection(lua_State *L);
void sm_open_duck_cursor(lua_State *L);
/* Pushes a connection of db, or nil, message, code; returns the number. */
int sm_push_duck_connection(lua_State *L, struct sm_duck_db *db);

#endif
