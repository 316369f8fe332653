/*
 * sm.sigv4: AWS signatures for Lua. One signer per state, in the registry; nothing waits.
 *
 * The caller gives time and credentials. Keys that were derived stay in the signer's memory and nowhere else.
 */
#include "lua_libs.h"
#include "lua_result.h"
#include "lua_type.h"
#include "sigv4.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#define SIGNER_TYPE "sm.sigv4.signer"

/* ---- the signer ---- */

static int l_signer_gc(lua_State *L)
{
	sm_sigv4_free(luaL_checkudata(L, 1, SIGNER_TYPE));
	return 0;
}

static struct sm_sigv4 *the_signer(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

/* ---- reading the options at index 1 ---- */

/* What the table itself holds: a metamethod could give a text that nothing keeps alive. */
static int raw_field(lua_State *L, const char *name)
{
	lua_pushstring(L, name);
	return lua_rawget(L, 1);
}

/* A text of the table; it stays alive there. */
static struct sm_bytes text_option(lua_State *L, const char *name, const char *missing)
{
	struct sm_bytes text = {missing, missing != NULL ? strlen(missing) : 0};
	int type = raw_field(L, name);
	if (type == LUA_TSTRING)
		text.data = lua_tolstring(L, -1, &text.len);
	else if (type != LUA_TNIL)
		luaL_error(L, "%s must be a string, not a %s", name, luaL_typename(L, -1));
	else if (missing == NULL)
		luaL_error(L, "%s is needed", name);
	lua_pop(L, 1);
	return text;
}

static bool flag_option(lua_State *L, const char *name, bool missing)
{
	bool value = raw_field(L, name) == LUA_TNIL ? missing : lua_toboolean(L, -1);
	lua_pop(L, 1);
	return value;
}

static int64_t whole_option(lua_State *L, const char *name)
{
	if (raw_field(L, name) != LUA_TNUMBER)
		luaL_error(L, "%s must be a number, not a %s", name, luaL_typename(L, -1));
	lua_Number value = lua_tonumber(L, -1);
	lua_pop(L, 1);
	if (!(value >= -1e15 && value <= 1e15))
		luaL_error(L, "%s is out of range", name);
	return (int64_t)floor(value);
}

static void read_scope(lua_State *L, struct sm_sigv4_scope *scope)
{
	scope->access_key = text_option(L, "access_key", NULL);
	scope->secret_key = text_option(L, "secret_key", NULL);
	scope->session_token = text_option(L, "session_token", "");
	scope->region = text_option(L, "region", NULL);
	scope->service = text_option(L, "service", NULL);
	scope->time = whole_option(L, "time");
	scope->v4a = flag_option(L, "v4a", false);
}

static struct sm_bytes pair_text(lua_State *L, int index, const char *what)
{
	struct sm_bytes text;
	if (lua_type(L, index) != LUA_TSTRING)
		luaL_error(L, "%s must be strings, not a %s", what, luaL_typename(L, index));
	text.data = lua_tolstring(L, index, &text.len);
	return text;
}

/* { { name, value }, ... }; leaves the memory of the pairs on the stack. */
static const struct sm_sigv4_pair *read_query(lua_State *L, int table, size_t *count)
{
	*count = (size_t)lua_rawlen(L, table);
	if (*count > 100000)
		luaL_error(L, "the query is too long");
	struct sm_sigv4_pair *pairs = lua_newuserdatauv(L, (*count + 1) * sizeof(*pairs), 0);
	for (size_t i = 0; i < *count; i++) {
		if (lua_rawgeti(L, table, (lua_Integer)i + 1) != LUA_TTABLE)
			luaL_error(L, "each item of the query must be a table { name, value }");
		lua_rawgeti(L, -1, 1);
		pairs[i].name = pair_text(L, -1, "names of the query");
		if (lua_rawgeti(L, -2, 2) == LUA_TNIL)
			pairs[i].value = (struct sm_bytes){NULL, 0};
		else
			pairs[i].value = pair_text(L, -1, "values of the query");
		lua_pop(L, 3);
	}
	return pairs;
}

static size_t count_headers(lua_State *L, int table)
{
	size_t count = 0;
	for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1))
		count += lua_istable(L, -1) ? (size_t)lua_rawlen(L, -1) : 1;
	return count;
}

/* { name = value | { values }, ... }; leaves the memory of the pairs on the stack. */
static const struct sm_sigv4_pair *read_headers(lua_State *L, int table, size_t *count)
{
	size_t size = count_headers(L, table), at = 0;
	struct sm_sigv4_pair *pairs = lua_newuserdatauv(L, (size + 1) * sizeof(*pairs), 0);
	for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
		struct sm_bytes name = pair_text(L, -2, "names of headers");
		if (!lua_istable(L, -1)) {
			if (at < size)
				pairs[at++] = (struct sm_sigv4_pair){name, pair_text(L, -1, "values of headers")};
			continue;
		}
		for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL && at < size; i++, lua_pop(L, 1))
			pairs[at++] = (struct sm_sigv4_pair){name, pair_text(L, -1, "values of headers")};
		lua_pop(L, 1);
	}
	*count = at;
	return pairs;
}

/* The hash that stands in the request: as given, else of the body; digits is room for it. */
static struct sm_bytes payload_hash(lua_State *L, char digits[SM_SHA256_HEX])
{
	struct sm_bytes hash = text_option(L, "payload_hash", "");
	if (hash.len > 0)
		return hash;
	struct sm_bytes body = text_option(L, "body", "");
	sm_sha256_hex(body.data, body.len, digits);
	return (struct sm_bytes){digits, SM_SHA256_HEX};
}

static void read_request(lua_State *L, struct sm_sigv4_request *request, char digits[SM_SHA256_HEX])
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	read_scope(L, &request->scope);
	request->method = text_option(L, "method", NULL);
	request->path = text_option(L, "path", "/");
	request->payload_hash = payload_hash(L, digits);
	request->double_encode = flag_option(L, "double_encode", true);
	request->normalize = flag_option(L, "normalize", request->double_encode);
	request->omit_token = flag_option(L, "omit_session_token", false);
	request->sign_hash = flag_option(L, "sign_hash", false);
	if (raw_field(L, "query") != LUA_TNIL) {
		luaL_checktype(L, 2, LUA_TTABLE);
		request->query = read_query(L, 2, &request->query_count);
	}
	lua_settop(L, request->query != NULL ? 3 : 1);
	if (raw_field(L, "headers") != LUA_TNIL) {
		luaL_argcheck(L, lua_istable(L, -1), 1, "headers must be a table");
		request->headers = read_headers(L, lua_gettop(L), &request->header_count);
	}
}

/* ---- signing ---- */

static void set_text(lua_State *L, const char *name, const char *text, size_t len)
{
	lua_pushlstring(L, text, len);
	lua_setfield(L, -2, name);
}

/* What the vectors compare; only when asked for. */
static int push_debug(lua_State *L, const struct sm_sigv4 *signer)
{
	if (!flag_option(L, "debug", false))
		return 0;
	lua_createtable(L, 0, 3);
	set_text(L, "canonical", signer->canonical.data, signer->canonical.len);
	set_text(L, "string_to_sign", signer->to_sign.data, signer->to_sign.len);
	set_text(L, "signature", signer->signature, strlen(signer->signature));
	return 1;
}

static void set_headers(lua_State *L, const struct sm_sigv4 *signer, const struct sm_sigv4_request *request)
{
	const struct sm_sigv4_scope *scope = &request->scope;
	lua_createtable(L, 0, 4);
	set_text(L, "authorization", signer->out.data, signer->out.len);
	set_text(L, "x-amz-date", signer->date, SM_SIGV4_DATE - 1);
	if (scope->session_token.len > 0)
		set_text(L, "x-amz-security-token", scope->session_token.data, scope->session_token.len);
	if (request->sign_hash)
		set_text(L, "x-amz-content-sha256", request->payload_hash.data, request->payload_hash.len);
	if (scope->v4a)
		set_text(L, "x-amz-region-set", scope->region.data, scope->region.len);
}

/*
 * sign{ method, path, query, headers, body | payload_hash, access_key, secret_key, session_token, region, service,
 * time, double_encode, normalize, omit_session_token, sign_hash, v4a, debug } -> headers to add, signature, debug table
 * | nil, message, code.
 */
static int l_sign(lua_State *L)
{
	struct sm_error err;
	struct sm_sigv4_request request = {0};
	char digits[SM_SHA256_HEX];
	struct sm_sigv4 *signer = the_signer(L);
	read_request(L, &request, digits);
	if (sm_sigv4_sign(signer, &request, &err) != SM_OK)
		return sm_push_error(L, &err);
	set_headers(L, signer, &request);
	lua_pushstring(L, signer->signature);
	return 2 + push_debug(L, signer);
}

/* presign{ like sign, expires } -> the whole query, debug table | nil, message, code. */
static int l_presign(lua_State *L)
{
	struct sm_error err;
	struct sm_sigv4_request request = {0};
	char digits[SM_SHA256_HEX];
	struct sm_sigv4 *signer = the_signer(L);
	read_request(L, &request, digits);
	request.expires = whole_option(L, "expires");
	if (sm_sigv4_presign(signer, &request, &err) != SM_OK)
		return sm_push_error(L, &err);
	lua_pushlstring(L, signer->out.data, signer->out.len);
	return 1 + push_debug(L, signer);
}

/* ---- chains ---- */

static int push_next(lua_State *L, enum sm_sigv4_part part)
{
	struct sm_error err;
	struct sm_sigv4_scope scope = {0};
	struct sm_bytes bytes, before;
	char signature[SM_SHA256_HEX];
	luaL_checktype(L, 1, LUA_TTABLE);
	bytes.data = luaL_checklstring(L, 2, &bytes.len);
	read_scope(L, &scope);
	before = text_option(L, "signature", NULL);
	luaL_argcheck(L, before.len == SM_SHA256_HEX, 1, "signature must be the one before, 64 digits");
	memcpy(signature, before.data, SM_SHA256_HEX);
	if (sm_sigv4_next(the_signer(L), &scope, part, bytes, signature, &err) != SM_OK)
		return sm_push_error(L, &err);
	lua_pushlstring(L, signature, sizeof(signature));
	return 1;
}

/* chunk({ access_key, secret_key, region, service, time, signature }, bytes) -> the chunk's signature. */
static int l_chunk(lua_State *L)
{
	return push_next(L, SM_SIGV4_CHUNK);
}

/* trailer({ like chunk }, text) -> signature of the trailing headers, given as "name:value\n" each. */
static int l_trailer(lua_State *L)
{
	return push_next(L, SM_SIGV4_TRAILER);
}

/* ---- texts ---- */

static int give_text(lua_State *L, struct sm_buf *buf, enum sm_status status)
{
	if (status == SM_OK)
		lua_pushlstring(L, buf->len > 0 ? buf->data : "", buf->len);
	return status == SM_OK ? 1 : sm_push_fail(L, status, "the text is too long");
}

/* encode(text, keep_slash) -> everything but A-Z a-z 0-9 - . _ ~ (and "/") as %XX. */
static int l_encode(lua_State *L)
{
	struct sm_bytes text;
	struct sm_buf *out = &the_signer(L)->text;
	text.data = luaL_checklstring(L, 1, &text.len);
	sm_buf_reset(out);
	return give_text(L, out, sm_sigv4_encode(out, text, lua_toboolean(L, 2)));
}

/* query({ { name, value }, ... }) -> "name=value&...", encoded, in the given order; no "=" without a value. */
static int l_query(lua_State *L)
{
	size_t count;
	struct sm_buf *out = &the_signer(L)->text;
	luaL_checktype(L, 1, LUA_TTABLE);
	const struct sm_sigv4_pair *pairs = read_query(L, 1, &count);
	enum sm_status status = SM_OK;
	sm_buf_reset(out);
	for (size_t i = 0; i < count && status == SM_OK; i++) {
		if (i > 0)
			status = sm_buf_addc(out, '&');
		if (status == SM_OK)
			status = sm_sigv4_encode(out, pairs[i].name, false);
		if (status == SM_OK && pairs[i].value.data != NULL)
			status = sm_buf_addc(out, '=');
		if (status == SM_OK && pairs[i].value.data != NULL)
			status = sm_sigv4_encode(out, pairs[i].value, false);
	}
	return give_text(L, out, status);
}

/* sha256_hex(text) -> 64 digits. */
static int l_sha256_hex(lua_State *L)
{
	size_t len;
	char digits[SM_SHA256_HEX];
	const char *text = luaL_checklstring(L, 1, &len);
	sm_sha256_hex(text, len, digits);
	lua_pushlstring(L, digits, sizeof(digits));
	return 1;
}

int luaopen_sm_sigv4(lua_State *L)
{
	static const luaL_Reg functions[] = {
	    {"sign", l_sign},     {"presign", l_presign}, {"chunk", l_chunk}, {"trailer", l_trailer},
	    {"encode", l_encode}, {"query", l_query},     {NULL, NULL}};
	static const luaL_Reg none[] = {{NULL, NULL}}, meta[] = {{"__gc", l_signer_gc}, {NULL, NULL}};
	luaL_newlibtable(L, functions);
	sm_make_type(L, SIGNER_TYPE, none, meta);
	sm_sigv4_init(lua_newuserdatauv(L, sizeof(struct sm_sigv4), 0));
	luaL_setmetatable(L, SIGNER_TYPE);
	luaL_setfuncs(L, functions, 1);
	lua_pushcfunction(L, l_sha256_hex);
	lua_setfield(L, -2, "sha256_hex");
	return 1;
}
