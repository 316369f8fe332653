#include "lua_result.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

int sm_push_error(lua_State *L, const struct sm_error *err)
{
	lua_pushnil(L);
	lua_pushstring(L, err->message);
	lua_pushstring(L, sm_status_name(err->status));
	return 3;
}

int sm_push_fail(lua_State *L, enum sm_status status, const char *format, ...)
{
	struct sm_error err = {.status = status};
	va_list args;
	va_start(args, format);
	lua_pushnil(L);
	lua_pushvfstring(L, format, args);
	va_end(args);
	lua_pushstring(L, sm_status_name(err.status));
	return 3;
}

static enum sm_status status_of_errno(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return SM_NOTFOUND;
	case EEXIST:
		return SM_EXISTS;
	case EACCES:
	case EPERM:
	case EROFS:
		return SM_REFUSED;
	case ENOMEM:
		return SM_NOMEM;
	case EWOULDBLOCK:
		return SM_CONFLICT;
	default:
		return SM_IO;
	}
}

int sm_push_errno(lua_State *L, int saved_errno, const char *what)
{
	return sm_push_fail(L, status_of_errno(saved_errno), "%s: %s", what, strerror(saved_errno));
}
