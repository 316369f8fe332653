-- Every name that a C module offers stands, with a comment, in its stub lua/types/sm_NAME.lua.
local files = require "sm.files"

-- sm.task and sm.http are Lua and annotated in place; their C halves (sm.NAME_core) are private to them.
local function private(name) return name:find "_core$" ~= nil end

local function modules()
  local names = {}
  for name in pairs(package.preload) do
    if name:find("^sm%.") and not private(name) then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- The methods of a module's handles: metatables in the registry whose name begins with that of the module.
local function methods(module)
  local found = {}
  for name, meta in pairs(debug.getregistry and debug.getregistry() or {}) do
    if type(name) == "string" and type(meta) == "table" and name:sub(1, #module + 1) == module .. "." and type(meta.__index) == "table" then
      for method in pairs(meta.__index) do found[method] = name end
    end
  end
  return found
end

-- Lines of the stub that declare something, each with whether a comment stands right above.
local function declared(text)
  local names, before = {}, ""
  for line in text:gmatch "([^\n]*)\n" do
    local kind, name = line:match "^function [%w_]+([.:])([%w_]+)%("
    if not name then kind, name = ".", line:match "^[%w_]+%.([%w_]+) = " or line:match '^[%w_]+%["([^"]+)"%] = ' end
    if name then names[kind .. name] = before:find "^%-%-%-" ~= nil end
    before = line
  end
  return names
end

describe("the stubs of the C modules", function()
  for _, module in ipairs(modules()) do
    it("document every name of " .. module, function()
      local path = "lua/types/" .. module:gsub("%.", "_") .. ".lua"
      local text = files.read(path)
      assert.is_string(text, path .. " is missing")
      assert.is_truthy(text:find("---@meta " .. module, 1, true), path .. " does not begin with ---@meta " .. module)
      assert.is_truthy(load(text, path), path .. " is no Lua")
      local names, missing = declared(text), {}
      for name in pairs(require(module)) do
        if not names["." .. name] then missing[#missing + 1] = module .. "." .. name end
      end
      for name, handle in pairs(methods(module)) do
        if not names[":" .. name] then missing[#missing + 1] = handle .. ":" .. name end
      end
      table.sort(missing)
      assert.are.same({}, missing)
    end)

    it("document nothing that " .. module .. " does not have", function()
      local names = declared(assert(files.read("lua/types/" .. module:gsub("%.", "_") .. ".lua")))
      local there = require(module)
      for name in pairs(names) do
        if name:sub(1, 1) == "." then assert.is_not_nil(there[name:sub(2)], module .. name) end
      end
    end)
  end
end)
