/* Allocation sweep over sm.duckdb, with the real engine (whose own allocations do not fail). See sweep.h. */
#include "../../core/duckdb_api.h"
#include "sweep.h"

/* Opened once for all runs, before the first allocation may fail. */
#define OPEN                                                                                                           \
	"local d = require 'sm.duckdb'\n"                                                                                  \
	"if not DB then disarm() DB = assert(d.open{threads = 2}) arm(N or 0) end\n"

static const char *const scripts[] = {
    OPEN "local function work()\n"
         "  local con <close> = assert(DB:connect())\n"
         "  local r = assert(con:query([[SELECT 1, 'text longer than twelve', [1, NULL], {'a': 1.5::DECIMAL(4,2), 'b': "
         "MAP {'k': "
         "DATE '2026-01-02'}}, 'x'::ENUM('x','y'), $1, $2]], { ('p'):rep(100), true }))\n"
         "  assert(#r.rows == 1 and #r.columns == 7 and r.rows[1][3].n == 2 and r.rows[1][4].a == '1.50')\n"
         "  local none, message, code, details = con:query('SELECT nix') assert(not none)\n"
         "  if code == 'engine' then assert(details.kind == 'Binder') else assert(code == 'no_memory', message) end\n"
         "  assert(con:exec_script('CREATE TEMP TABLE t AS SELECT range AS i FROM range(3); SELECT 1'))\n"
         "  assert(con:exec('DELETE FROM t WHERE i = ?', { 1 }) == 1)\n"
         "  for _, format in ipairs { 'rows', 'csv', 'ndjson' } do\n"
         "    local cursor <close> = assert(con:stream([[SELECT range AS i, repeat('x', 30) AS s, [range] AS l, "
         "union_value(u := 1) AS "
         "u FROM range(300)]]))\n"
         "    assert(#cursor:columns() == 4) assert(cursor:header(format))\n"
         "    local rows = 0\n"
         "    while true do local text, n = cursor:render(format, 9000) if not text then assert(not n, n) break end "
         "rows = rows + n "
         "end\n"
         "    assert(rows == 300)\n"
         "  end\n"
         "end\n"
         "local ok, err = pcall(work) disarm() if not ok then error(err, 0) end",

    "if DB then disarm() DB:close() DB = nil arm(N or 0) end\n"
    "local d = require 'sm.duckdb'\n"
    "local function work()\n"
    "  local db <close> = assert(d.open{threads = 1, memory_limit = '256MB', config = {preserve_insertion_order = "
    "true}})\n"
    "  assert(db:register_functions()) assert(db:lock_down{directories = {'/nonexistent/a', '/nonexistent/b'}})\n"
    "  local con <close> = assert(db:connect()) assert(con:query('SELECT trino_div(4, 2)').rows[1][1] == 2)\n"
    "end\n"
    "local ok, err = pcall(work) disarm() if not ok then error(err, 0) end",
};

TEST(every_allocation_may_fail_outside_tasks)
{
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
		sweep(scripts[i], false);
}

TEST(every_allocation_may_fail_inside_tasks)
{
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
		sweep(scripts[i], true);
}

int main(void)
{
	struct sm_error why;

	if (sm_duckdb_load(NULL, NULL, &why) != SM_OK) {
		printf("pending: %s\n0 passed, 0 failed\n", why.message);
		return 0;
	}
	RUN(every_allocation_may_fail_outside_tasks);
	RUN(every_allocation_may_fail_inside_tasks);
	return check_report();
}
