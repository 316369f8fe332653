/*
 * Allocation sweep over sm.files, sm.sqlite, sm.json, sm.crypto and sm.time: the 1st, 2nd, ... n-th allocation of ours
 * fails (malloc of the units, Lua's and the bindings'), once outside tasks and once inside. Each run must end with
 * success, nil + message, or an error; the sanitizer build sees leaks. Linked with --wrap for malloc and friends.
 */
#include "../../core/files.h"
#include "../../core/vm.h"
#include "check.h"

#include <lauxlib.h>
#include <stdatomic.h>
#include <stdlib.h>

#define RUNS_MAX 4000

static atomic_int countdown; /* 0: nothing fails */
static atomic_bool failed_one;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

/* Only the one allocation fails: what cleans up afterwards has memory again, as after a refused large request. */
static bool fails(void)
{
	if (atomic_load(&countdown) == 0 || atomic_fetch_sub(&countdown, 1) != 1)
		return false;
	atomic_store(&failed_one, true);
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
	return fails() ? NULL : __real_realloc(block, size);
}

static const char *const scripts[] = {
    "local f = require 'sm.files'\n"
    "local dir = assert(f.temp_dir())\n"
    "local function work()\n"
    "  assert(f.write(dir .. '/a', ('x'):rep(5000)))\n"
    "  assert(f.write_atomic(dir .. '/b', 'yy')) assert(f.append(dir .. '/b', 'z'))\n"
    "  assert(#assert(f.read(dir .. '/a')) == 5000) assert(f.mkdir(dir .. '/c/d')) assert(f.copy(dir .. '/a', dir .. "
    "'/c/d/e'))\n"
    "  assert(f.link(dir .. '/a', dir .. '/l')) assert(f.remove(dir .. '/l')) assert(f.rename(dir .. '/b', dir .. "
    "'/g'))\n"
    "  assert(#assert(f.list(dir)) == 3) assert(#assert(f.walk(dir)) == 3) assert(f.stat(dir).type == 'dir')\n"
    "  assert(f.exists(dir)) assert(f.realpath(dir)) assert(f.sync_dir(dir))\n"
    "  local h <close> = assert(f.open(dir .. '/a', 'rw')) assert(h:pread(1, 4000)) assert(h:read(10)) "
    "assert(h:write('q')) assert(h:size())\n"
    "  local k <close> = assert(f.lock(dir .. '/lock')) assert(not f.read(dir .. '/none'))\n"
    "end\n"
    "local ok, err = pcall(work) disarm()\n"
    "assert(f.remove_tree(dir)) if not ok then error(err, 0) end",

    "local f, s = require 'sm.files', require 'sm.sqlite'\n"
    "local function work()\n"
    "  local db <close> = assert(s.open(':memory:', { busy_ms = 10 }))\n"
    "  assert(db:script('CREATE TABLE t (a INTEGER PRIMARY KEY, b UNIQUE)'))\n"
    "  assert(db:exec('INSERT INTO t VALUES (?, ?)', 1, ('long'):rep(500))) assert(db:exec('INSERT INTO t VALUES (:a, "
    ":b)', { a = 2, b = s.blob 'x' }))\n"
    "  local r = assert(db:rows('SELECT *, 1.5 AS c, NULL AS d FROM t ORDER BY a')) assert(#r == 2 and r[2].b == 'x')\n"
    "  assert(db:row('SELECT count(*) AS n FROM t').n == 2)\n"
    "  assert(db:transaction(function(tx) assert(tx:exec('DELETE FROM t WHERE a = 2')) return tx:row('SELECT count(*) "
    "AS n FROM t').n end) == 1)\n"
    "  assert(not db:transaction(function(tx) assert(tx:exec('DELETE FROM t')) return nil, 'undo' end))\n"
    "  local none, message, code = db:exec('INSERT INTO t VALUES (1, 1)') assert(not none and code == 'exists')\n"
    "  assert(db:row('SELECT count(*) AS n FROM t').n == 1)\n"
    "end\n"
    "local ok, err = pcall(work) disarm() if not ok then error(err, 0) end",

    "local j = require 'sm.json'\n"
    "local function work()\n"
    "  local text = '{\"a\":[1,2.5,\"\\\\n' .. ('x'):rep(3000) .. '\"],\"b\":{\"c\":[]},\"d\":[[[null]]]}'\n"
    "  local v = assert(j.decode(text)) assert(j.encode(v)) assert(j.encode(v, { sorted = true, pretty = true }))\n"
    "  assert(not j.decode('[1,')) assert(not j.encode({ 1, { x = print } })) assert(j.encode({ j.raw '1', j.array() "
    "}) == '[1,[]]')\n"
    "  assert(#j.encode(('y'):rep(200000)) == 200002)\n"
    "end\n"
    "local ok, err = pcall(work) disarm() if not ok then error(err, 0) end",

    "local c, t = require 'sm.crypto', require 'sm.time'\n"
    "local function work()\n"
    "  local data = ('d'):rep(5000) assert(c.unbase64(c.base64(data)) == data) assert(c.unhex(c.hex(data)) == data)\n"
    "  assert(#c.sha256(data) == 32 and #c.hmac_sha256('k', data) == 32 and #c.random(5000) == 5000 and #c.uuid() == "
    "36)\n"
    "  assert(not c.unbase64 '!') assert(not c.sha256_file('/nonexistent')) assert(c.sha256_file('/dev/null'))\n"
    "  assert(t.parse_iso(t.iso(0)) == 0) assert(not t.parse_iso 'x') assert(#t.date() == 10)\n"
    "  local key = { kty = 'EC', x = 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU', y = "
    "'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0' }\n"
    "  assert(not c.verify('ES256', key, 'data', ('s'):rep(64)))\n"
    "end\n"
    "local ok, err = pcall(work) disarm() if not ok then error(err, 0) end",
};

static int l_arm(lua_State *L)
{
	atomic_store(&countdown, (int)luaL_checkinteger(L, 1));
	return 0;
}

static int l_disarm(lua_State *L)
{
	(void)L;
	atomic_store(&countdown, 0);
	return 0;
}

struct outcome {
	bool over, ok;
	char message[256];
};

static void keep(struct outcome *outcome, lua_State *L, int index)
{
	const char *text = NULL;
	if (lua_istable(L, index)) {
		lua_getfield(L, index, "message");
		text = lua_tostring(L, -1);
	} else {
		text = lua_tostring(L, index);
	}
	snprintf(outcome->message, sizeof(outcome->message), "%s", text != NULL ? text : "(no text)");
}

static void on_end(void *owner, enum sm_task_end end, lua_State *co, int count)
{
	struct outcome *outcome = owner;
	atomic_store(&countdown, 0);
	outcome->over = true;
	outcome->ok = end == SM_TASK_OK;
	if (!outcome->ok && count > 0)
		keep(outcome, co, lua_gettop(co));
}

static bool is_over(void *arg)
{
	return ((struct outcome *)arg)->over;
}

/* Runs "arm(n) script" once, as a task or directly. */
static struct outcome run_once(struct sm_host *host, const char *script, int n, bool as_task)
{
	struct outcome outcome = {0};
	lua_State *L = host->L;
	lua_pushfstring(L, "arm(%d)\n%s", n, script);
	if (luaL_loadstring(L, lua_tostring(L, -1)) != LUA_OK) {
		printf("%s\n", lua_tostring(L, -1));
		exit(1);
	}
	lua_remove(L, -2);
	if (as_task) {
		sm_task_start(L, 0, NULL, on_end, &outcome, false);
		sm_host_run(host, is_over, &outcome);
	} else {
		outcome.ok = lua_pcall(L, 0, 0, 0) == LUA_OK;
		atomic_store(&countdown, 0);
		if (!outcome.ok)
			keep(&outcome, L, -1);
	}
	lua_settop(L, 0);
	return outcome;
}

static void sweep(const char *script, bool as_task)
{
	struct sm_host *host = sm_host_new(".");
	int n = 0;
	lua_register(host->L, "arm", l_arm);
	lua_register(host->L, "disarm", l_disarm);
	struct outcome clean = run_once(host, script, 0, as_task);
	if (!clean.ok)
		printf("without failures: %s\n", clean.message);
	CHECK(clean.ok);
	do {
		atomic_store(&failed_one, false);
		struct outcome outcome = run_once(host, script, ++n, as_task);
		/* An allocation that fails may be made up for (a second try after a collection); otherwise it is told. */
		CHECK(outcome.ok || atomic_load(&failed_one));
		if (!outcome.ok && !atomic_load(&failed_one))
			printf("run %d: %s\n", n, outcome.message);
	} while (atomic_load(&failed_one) && n < RUNS_MAX && clean.ok);
	if (getenv("SM_VERBOSE") != NULL)
		printf("%d runs\n", n);
	CHECK(n > 20 && n < RUNS_MAX);
	CHECK(run_once(host, script, 0, as_task).ok); /* nothing is left broken */
	sm_host_free(host);
}

TEST(every_allocation_may_fail_outside_tasks)
{
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++)
		sweep(scripts[i], false);
}

TEST(every_allocation_may_fail_inside_tasks)
{
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++)
		sweep(scripts[i], true);
}

int main(void)
{
	/* A run may fail between making its folder and knowing of it: all of them lie in one that is removed. */
	char *base;
	if (sm_files_temp_dir(&base, NULL) != SM_OK || setenv("TMPDIR", base, 1) != 0)
		return 1;
	RUN(every_allocation_may_fail_outside_tasks);
	RUN(every_allocation_may_fail_inside_tasks);
	sm_files_remove_tree(base, NULL);
	free(base);
	return check_report();
}
