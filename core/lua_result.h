/*
 * lua_result: the three ways a binding answers, made in one place.
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
/* Pushes nil, "what: strerror", code for an errno value saved by the caller; returns 3. */
int sm_push_errno(lua_State *L, int saved_errno, const char *what);

#endif
