/* lua_lambda_request: requests to the Runtime and Extensions API outside of invocations. Nothing else runs then: they
 * block. */
#include "lua_lambda_inner.h"
#include "lua_result.h"
#include "task_inner.h"

#include <stdio.h>
#include <string.h>

static const char held_key; /* its address is the registry's key of a connection that is kept */

int lambda_l_connection_gc(lua_State *L)
{
	struct sm_api **api = lua_touserdata(L, 1);
	sm_api_free(*api);
	*api = NULL;
	return 0;
}

/* patient: the API takes its time (restore/next); only a signal ends the wait then. */
static enum sm_api_step wait_for(struct sm_api *api, bool patient)
{
	enum sm_api_step step;
	do
		step = sm_api_turn(api, true);
	while (step == SM_API_MORE && !sm_signals_waiting() && (patient || !sm_api_timed_out(api)));
	return step;
}

static int push_answer(lua_State *L, const struct sm_api *api)
{
	struct sm_api_text body = sm_api_body(api), extension = sm_api_get_header(api, SM_API_EXTENSION_ID);
	lua_pushinteger(L, sm_api_status(api));
	lua_pushlstring(L, body.text, body.len);
	if (extension.text != NULL)
		lua_pushlstring(L, extension.text, extension.len);
	else
		lua_pushnil(L);
	return 3;
}

static int finish_request(lua_State *L, struct sm_api *api, enum sm_status status, bool patient)
{
	struct sm_error err = {.status = SM_NOMEM, .message = "not enough memory"};
	if (status != SM_OK || (status = sm_api_open(api, &err)) != SM_OK)
		return sm_push_error(L, &err);
	switch (wait_for(api, patient)) {
	case SM_API_DONE:
		return push_answer(L, api);
	case SM_API_FAILED:
		return sm_push_fail(L, SM_IO, "%s", sm_api_error_text(api));
	default:
		return sm_push_fail(L, SM_TIMEOUT, "the Runtime API does not answer");
	}
}

static struct sm_api *push_connection(lua_State *L, const char *address)
{
	struct sm_error err;
	struct sm_api **api = lua_newuserdatauv(L, sizeof(*api), 0);
	*api = NULL;
	luaL_setmetatable(L, CONNECTION_TYPE);
	if (sm_api_new(address, api, &err) != SM_OK)
		sm_push_error(L, &err);
	return *api;
}

/*
 * post_error(address, "init" | "restore", type, json, cause?) -> status, body | nil, message, code. Blocks: nothing
 * else runs in these phases.
 */
int lambda_l_post_error(lua_State *L)
{
	const char *address = luaL_checkstring(L, 1), *phase = luaL_checkstring(L, 2), *type = luaL_checkstring(L, 3);
	size_t len;
	const char *body = luaL_checklstring(L, 4, &len), *cause = luaL_optstring(L, 5, NULL);
	luaL_argcheck(L, strcmp(phase, "init") == 0 || strcmp(phase, "restore") == 0, 2, "init or restore");
	struct sm_api *api = push_connection(L, address);
	if (api == NULL)
		return 3;
	return finish_request(L, api, sm_api_error(api, phase, type, cause, body, len), false);
}

/*
 * request(address, method, path, headers, body?) -> status, body, extension id | nil, message, code. headers: lines
 * that end with CRLF, or "". A GET has no time limit; blocks.
 */
int lambda_l_request(lua_State *L)
{
	static const char *const methods[] = {"GET", "POST", NULL};
	const char *address = luaL_checkstring(L, 1), *path = luaL_checkstring(L, 3), *headers = luaL_checkstring(L, 4);
	bool get = luaL_checkoption(L, 2, NULL, methods) == 0;
	size_t len = 0;
	const char *body = luaL_optlstring(L, 5, "", &len);
	struct sm_api *api = push_connection(L, address);
	if (api == NULL)
		return 3;
	return finish_request(L, api, get ? sm_api_get(api, path, headers) : sm_api_post(api, path, headers, body, len),
	                      get);
}

/*
 * hold(address, path, headers) -> true | nil, message, code. Sends a GET whose answer nobody waits for: the connection
 * stays open as long as the process lives. Once.
 */
int lambda_l_hold(lua_State *L)
{
	const char *address = luaL_checkstring(L, 1), *path = luaL_checkstring(L, 2), *headers = luaL_checkstring(L, 3);
	struct sm_error err = {.status = SM_NOMEM, .message = "not enough memory"};
	struct sm_api *api = push_connection(L, address);
	if (api == NULL)
		return 3;
	if (sm_api_get(api, path, headers) != SM_OK || sm_api_open(api, &err) != SM_OK)
		return sm_push_error(L, &err);
	enum sm_api_step step;
	do
		step = sm_api_send(api, true);
	while (step == SM_API_MORE && !sm_api_timed_out(api));
	if (step != SM_API_DONE)
		return sm_push_fail(L, SM_IO, "%s", sm_api_error_text(api));
	lua_rawsetp(L, LUA_REGISTRYINDEX, &held_key);
	lua_pushboolean(L, 1);
	return 1;
}

void sm_lambda_init_error(const char *address, const char *type, const char *message)
{
	static const char form[] = "{\"errorType\":\"%s\",\"errorMessage\":\"%s\",\"stackTrace\":[]}";
	char body[2048], plain[1024];
	struct sm_api *api = NULL;
	size_t len = 0;
	for (; len < sizeof(plain) - 1 && message[len] != '\0';
	     len++) /* what JSON would have to escape is not worth it here */
		plain[len] = message[len] < ' ' || message[len] == '"' || message[len] == '\\' ? ' ' : message[len];
	plain[len] = '\0';
	int size = snprintf(body, sizeof(body), form, type, plain);
	if (sm_api_new(address, &api, NULL) == SM_OK && sm_api_open(api, NULL) == SM_OK &&
	    sm_api_error(api, "init", type, NULL, body, (size_t)size) == SM_OK)
		wait_for(api, false);
	sm_api_free(api);
}
