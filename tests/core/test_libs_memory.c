/*
 * Allocation sweep over sm.files, sm.sqlite, sm.records, sm.json, sm.crypto, sm.time and sm.process: the 1st, 2nd, ...
 * n-th allocation of ours fails (malloc of the units, Lua's and the bindings'), once outside tasks and once inside.
 * Each run must end with success, nil + message, or an error; the sanitizer build sees leaks. Linked with --wrap for
 * malloc and friends.
 */
#include "../../core/files.h"
#include "sweep.h"

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
    "  local r = require 'sm.records' assert(f.write(dir .. '/r', 'a\\t1\\nb\\t2\\n'))\n"
    "  local one <close> = assert(r.open(dir .. '/r')) assert(one:get('b') == '2' and #one:keys() == 2)\n"
    "  assert(not r.open(dir .. '/none'))\n"
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
    "  local read = assert(db:reader('SELECT a, b FROM t')) assert(#assert(read(1)) == 1) assert(#assert(read(5)) == "
    "1)\n"
    "  local rows, why = read(5) assert(not rows and not why, why)\n"
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

    "local p = require 'sm.process'\n"
    "local function work()\n"
    "  local r = assert(p.run('echo out; echo $A$B >&2; exit 3', { env = { A = 'one', B = 'two' }, timeout = 20 }))\n"
    "  assert(r.stdout == 'out\\n' and r.stderr == 'onetwo\\n' and r.code == 3)\n"
    "  local none, message, code = p.run('printf 1234567890', { max_bytes = 5 }) assert(not none and code == 'limit', "
    "message)\n"
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
