-- JMESPath: picks values out of parameters and answers, as paginators, waiters and endpoint parameters want it. The whole
-- language of jmespath.org. Values are those of sm.json: lists are told from objects, null is json.null.
local functions = require "aws.jmespath_functions"
local json = require "sm.json"
local parser = require "aws.jmespath_parser"

local M = {}

local null = json.null

local is_list, is_object = functions.is_list, functions.is_object

local run
local RUN = {}

-- Null and everything empty is false.
local function truth(value)
  if value == null or value == false or value == "" then return false end
  return type(value) ~= "table" or next(value) ~= nil
end

local function field(value, name)
  if not is_object(value) then return null end
  local found = value[name]
  if found == nil then return null end
  return found
end

function RUN.current(_, value) return value end
function RUN.literal(node) return node[2] end
function RUN.field(node, value) return field(value, node[2]) end
function RUN.expref(node) return functions.reference(node[2]) end
RUN["not"] = function(node, value) return not truth(run(node[2], value)) end
function RUN.chain(node, value) return run(node[3], run(node[2], value)) end
function RUN.pipe(node, value) return run(node[3], run(node[2], value)) end
function RUN.group(node, value) return run(node[2], value) end

RUN["or"] = function(node, value)
  local left = run(node[2], value)
  if truth(left) then return left end
  return run(node[3], value)
end

RUN["and"] = function(node, value)
  local left = run(node[2], value)
  if not truth(left) then return left end
  return run(node[3], value)
end

function RUN.index(node, value)
  if not is_list(value) then return null end
  local index = node[2]
  local found = value[index < 0 and #value + index + 1 or index + 1]
  if found == nil then return null end
  return found
end

-- Start and stop within a list, as Python reads them.
local function bound(given, length, step, default)
  if given == nil then return default end
  if given < 0 then
    given = given + length
    if given < 0 then return step < 0 and -1 or 0 end
  elseif given >= length then
    return step < 0 and length - 1 or length
  end
  return given
end

function RUN.slice(node, value)
  if not is_list(value) then return null end
  local length, step = #value, node[4]
  if step == 0 then error({ jmespath_error = "invalid-value", message = "the step of a slice is 0" }, 0) end
  local start = bound(node[2], length, step, step < 0 and length - 1 or 0)
  local stop = bound(node[3], length, step, step < 0 and -1 or length)
  local out = json.array()
  for i = start, step > 0 and stop - 1 or stop + 1, step do out[#out + 1] = value[i + 1] end
  return out
end

local function project(list, node)
  local out = json.array()
  for _, item in ipairs(list) do
    local found = run(node, item)
    if found ~= null then out[#out + 1] = found end
  end
  return out
end

function RUN.project(node, value)
  local list = run(node[2], value)
  if not is_list(list) then return null end
  return project(list, node[3])
end

function RUN.values(node, value)
  local object = run(node[2], value)
  if not is_object(object) then return null end
  return project(functions.sorted_values(object), node[3])
end

function RUN.filter(node, value)
  local list = run(node[2], value)
  if not is_list(list) then return null end
  local kept = json.array()
  for _, item in ipairs(list) do
    if truth(run(node[3], item)) then kept[#kept + 1] = item end
  end
  return project(kept, node[4])
end

function RUN.flatten(node, value)
  local list = run(node[2], value)
  if not is_list(list) then return null end
  local out = json.array()
  for _, item in ipairs(list) do
    if is_list(item) then table.move(item, 1, #item, #out + 1, out) else out[#out + 1] = item end
  end
  return out
end

function RUN.list(node, value)
  if value == null then return null end
  local out = json.array()
  for i, item in ipairs(node[2]) do out[i] = run(item, value) end
  return out
end

function RUN.hash(node, value)
  if value == null then return null end
  local out = {}
  for _, pair in ipairs(node[2]) do out[pair[1]] = run(pair[2], value) end
  return out
end

local ORDER <const> = {
  lt = function(a, b) return a < b end, le = function(a, b) return a <= b end,
  gt = function(a, b) return a > b end, ge = function(a, b) return a >= b end,
}

function RUN.compare(node, value)
  local left, right = run(node[3], value), run(node[4], value)
  if node[2] == "eq" then return functions.equal(left, right) end
  if node[2] == "ne" then return not functions.equal(left, right) end
  if type(left) ~= "number" or type(right) ~= "number" then return null end
  return ORDER[node[2]](left, right)
end

function RUN.call(node, value)
  local arguments = {}
  for i, argument in ipairs(node[3]) do arguments[i] = run(argument, value) end
  return functions.call(node[2], arguments, run)
end

function run(node, value) return RUN[node[1]](node, value) end

local CACHE_MAX <const> = 500
local trees, count = {}, 0

local function tree_of(expression)
  local tree = trees[expression]
  if tree then return tree end
  tree = parser.parse(expression)
  if count >= CACHE_MAX then trees, count = {}, 0 end
  trees[expression], count = tree, count + 1
  return tree
end

---@param expression string
---@param value any
---@param keys_of (fun(object: table): string[])?  the order of an object's keys; by default that of their bytes
---@return any found     nil when there is nothing (null)
---@return string? kind  "syntax", "invalid-type", "invalid-arity", "invalid-value" or "unknown-function" when it failed
---@return string? message
function M.search(expression, value, keys_of)
  if value == nil then value = null end
  functions.keys_of = keys_of
  local ok, found = pcall(function() return run(tree_of(expression), value) end)
  if not ok then
    if type(found) == "table" and found.jmespath_error then return nil, found.jmespath_error, found.message end
    error(found, 0)
  end
  if found == null then return nil end
  return found
end

return M
