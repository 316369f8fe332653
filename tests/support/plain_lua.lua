-- Lets specs of pure Lua files run under a bare lua5.4: stands in for the JSON codec when the host is not there.
-- Used as a busted helper; does nothing inside the host.
package.path = "lua/?.lua;tests/support/?.lua;" .. package.path

if not pcall(require, "sm.json") then
  local dkjson = require "dkjson"
  local List = { __jsontype = "array" }
  package.loaded["sm.json"] = {
    null = io.stdout and setmetatable({}, { __tojson = function() return "null" end }),
    decode = function(source)
      local value, _, message = dkjson.decode(source, 1, nil)
      if message then return nil, message end
      return value
    end,
    encode = function(value)
      local ok, out = pcall(dkjson.encode, value)
      if not ok then return nil, tostring(out) end
      return out
    end,
    array = function(t) return setmetatable(t or {}, List) end,
    is_array = function(t) return type(t) == "table" and getmetatable(t) == List end,
    raw = function(source) return setmetatable({}, { __tojson = function() return source end }) end,
  }
end
