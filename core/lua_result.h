/*
 * lua_result: how a binding answers and refuses, made in one place.
 *
 * Misuse raises (luaL_argerror). The world answers nil, message, code.
 */
#ifndef SM_LUA_RESULT_H
#define SM_LUA_RESULT_H

#include "status.h"

#include <lua.h>

/* Pushes nil, err->message, code name; returns 3. */
int sm_push_error(lua_State *L, const struct sm_error *err);
/* Pushes nil, formatted message, code name; returns 3. */
int sm_push_fail(lua_State *L, enum sm_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Raises for a field of the table at index that is not in known, a list that ends with NULL; call is the function's
 * name. */
void sm_check_options(lua_State *L, int table, const char *const *known, const char *call);

#endif
