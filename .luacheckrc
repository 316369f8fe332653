-- Lua 5.4 everywhere; specs know busted's words.
std = "lua54"
max_line_length = 160
files["tests"] = { std = "+busted", max_line_length = false } -- tables of cases are easier to read in one line each
files["lua/types"] = { ignore = { "212", "241", "311", "331" } } -- annotations only: names without use
files["docs/examples"] = { globals = { "M" }, ignore = { "131" } } -- pieces to be pasted into a list named M
files["tests/support/busted.lua"] = { ignore = { "122" } } -- gives busted the os.exit that the host does not offer
files["lua/lib/sql/functions"] = { max_line_length = false } -- tables: one function, one line
exclude_files = { "tests/fixtures/hostile" } -- they misbehave on purpose
