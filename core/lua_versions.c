/*
 * sm.libs: which version of each library this program runs with, by name. Those of the machine are asked at run time:
 * they may be newer than what the program was built with.
 */
#include "lua_libs.h"

#include <curl/curl.h>
#include <lauxlib.h>
#include <openssl/crypto.h>
#if SM_LOCAL
#include <microhttpd.h>
#include <sqlite3.h>
#endif

static void add(lua_State *L, const char *name, const char *version)
{
	lua_pushstring(L, version);
	lua_setfield(L, -2, name);
}

int luaopen_sm_libs(lua_State *L)
{
	lua_createtable(L, 0, 6);
	lua_pushfstring(L, "%s.%s", LUA_VERSION_MAJOR "." LUA_VERSION_MINOR, LUA_VERSION_RELEASE);
	lua_setfield(L, -2, "lua");
	add(L, "lua-cjson", "2.1.0, patched");
	add(L, "libcurl", curl_version_info(CURLVERSION_NOW)->version);
	add(L, "openssl", OpenSSL_version(OPENSSL_VERSION_STRING));
#if SM_LOCAL
	add(L, "libmicrohttpd", MHD_get_version());
	add(L, "sqlite", sqlite3_libversion());
#endif
	return 1;
}
