-- Lua 5.4 everywhere; specs know busted's words.
std = "lua54"
max_line_length = 140
files["tests"] = { std = "+busted" }
files["lua/types"] = { ignore = { "212", "241", "311", "331" } } -- annotations only: names without use
files["docs/examples"] = { globals = { "M" }, ignore = { "131" } } -- pieces to be pasted into a list named M
