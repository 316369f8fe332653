-- build/dev/sewing --lua tests/bench/json.lua: encode and decode, ours beside the unpatched lua-cjson.
local files, json = require "sm.files", require "sm.json"
local folder = assert(files.realpath "/proc/self/exe"):match "^(.*)/"
local stock = assert(package.loadlib(folder .. "/tests/stock_cjson.so", "luaopen_cjson"))()

local function rows(n)
  local list = {}
  for i = 1, n do
    list[i] = { id = i, name = "resident " .. i, city = "Düsseldorf", born = "1957-03-0" .. i % 9, weight = 50 + i % 400 / 10,
      active = i % 3 == 0, tags = { "a", "b/c", "line\nbreak" }, visits = i * 1234567 }
  end
  return list
end

local function floats(n)
  local list = {}
  for i = 1, n do list[i] = math.sin(i) end
  return list
end

local function integers(n)
  local list = {}
  for i = 1, n do list[i] = i * 7919 end
  return list
end

local cases = {
  { "5000 rows", rows(5000) }, { "small answer", { status = "ok", version = "1.2.3", checks = { lock = true, storage = true } }, 20000 },
  { "100000 integers", integers(100000) }, { "100000 floats", floats(100000) }, { "1 MiB text", { ("text without escapes "):rep(50000) } },
  { "nested", (function() local t = {} local top = t for _ = 1, 300 do t.child = { x = 1 } t = t.child end return top end)(), 200 },
}

-- Best of five, in seconds for one call.
local function best(times, fn, ...)
  local least = math.huge
  for _ = 1, 5 do
    collectgarbage()
    local started = os.clock()
    for _ = 1, times do fn(...) end
    least = math.min(least, (os.clock() - started) / times)
  end
  return least
end

print(("%-16s %10s %10s %7s %10s %10s %7s"):format("", "encode", "stock", "ratio", "decode", "stock", "ratio"))
for _, case in ipairs(cases) do
  local name, value, times = case[1], case[2], case[3] or 4
  local text = assert(json.encode(value))
  local enc, dec = best(times, json.encode, value), best(times, json.decode, text)
  local stock_enc, stock_dec = best(times, stock.encode, value), best(times, stock.decode, text)
  print(("%-16s %7.1f us %7.1f us %7.2f %7.1f us %7.1f us %7.2f   %6.0f MB/s out, %6.0f MB/s in"):format(name, enc * 1e6, stock_enc * 1e6,
    enc / stock_enc, dec * 1e6, stock_dec * 1e6, dec / stock_dec, #text / enc / 1e6, #text / dec / 1e6))
end
