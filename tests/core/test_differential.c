/* The string, table and protection functions of the host against those of a pristine Lua state, on random calls. */
#include "check.h"
#include "vm.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#define CALLS 120000
#define BATCH 2000

/* The lines of one batch; stays on the stack of L. */
static const char *run(lua_State *L, int first)
{
	lua_settop(L, 0);
	if (luaL_loadfile(L, SM_SOURCE "/tests/fixtures/lua/differential.lua") != LUA_OK)
		return lua_tostring(L, -1);
	lua_pushinteger(L, first);
	lua_pushinteger(L, BATCH);
	lua_pcall(L, 2, 1, 0);
	return lua_tostring(L, -1);
}

/* Messages carry addresses of tables and functions nowhere; the first line that differs is shown. */
static int show_difference(const char *ours, const char *theirs)
{
	const char *a = ours, *b = theirs;
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return 0;
	while (a > ours && a[-1] != '\n') {
		a--;
		b--;
	}
	printf("ours:   %.*s\ntheirs: %.*s\n", (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
	return 1;
}

TEST(random_calls_agree_with_pristine_lua)
{
	lua_State *pristine = luaL_newstate();
	struct sm_host *host = sm_host_new(SM_SOURCE);
	int different = 0;
	luaL_openlibs(pristine);
	for (int first = 1; first <= CALLS && different == 0; first += BATCH) {
		const char *theirs = run(pristine, first), *ours = run(host->L, first);
		different = show_difference(ours, theirs);
		CHECK(strlen(theirs) > BATCH * 4);
	}
	CHECK(different == 0);
	lua_settop(host->L, 0);
	sm_host_free(host);
	lua_close(pristine);
}

int main(void)
{
	RUN(random_calls_agree_with_pristine_lua);
	return check_report();
}
