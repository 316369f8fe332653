-- Pages of an operation, one request after the other, and the items on them.
--
-- The iterators give `false, failure` when a request fails, and then nothing more:
--   for page, err in client:paginate("list_objects_v2", { Bucket = "lake" }) do
--     if not page then return nil, err end
--   end
local failure = require "aws.failure"
local functions = require "aws.jmespath_functions"
local jmespath = require "aws.jmespath"

local M = {}

local function refuse(client, operation, code, message)
  return nil, failure.at(failure.new { kind = "validation", code = code, message = message }, client.service, operation)
end

local function definition_of(client, name)
  local operation, err = client:operation(name)
  if not operation then return nil, err end
  local definition = client.model:paginator(operation.name)
  if not definition then
    return refuse(client, operation.name, "NotPaged", "the answer of this operation has no pages")
  end
  return definition, operation
end

-- Absent, empty and null are no token.
local function is_token(value)
  if value == nil or value == "" then return false end
  return type(value) ~= "table" or next(value) ~= nil
end

-- Token by input parameter; nil when this was the last page.
local function next_token(definition, page)
  if definition.more_results and not jmespath.search(definition.more_results, page) then return nil end
  local token = {}
  for i, expression in ipairs(definition.output_token) do
    local value = jmespath.search(expression, page)
    if is_token(value) then token[definition.input_token[i]] = value end
  end
  return next(token) and token or nil
end

local function with_token(params, definition, token)
  local out = {}
  for name, value in pairs(params) do out[name] = value end
  for _, name in ipairs(definition.input_token) do out[name] = nil end
  for name, value in pairs(token) do out[name] = value end
  return out
end

-- The caller's parameters with page size and starting token.
local function first_params(client, operation, definition, params, options)
  local out = {}
  for name, value in pairs(params) do out[name] = value end
  if options.page_size and definition.limit_key then
    local member = client.model:shape(operation.input.shape).by_name[definition.limit_key]
    out[definition.limit_key] = member and member.type == "string" and tostring(options.page_size) or options.page_size
  end
  local start = options.starting_token
  if start == nil then return out end
  if #definition.input_token == 1 and not (type(start) == "table" and start[definition.input_token[1]] ~= nil) then
    start = { [definition.input_token[1]] = start }
  end
  return with_token(out, definition, start)
end

local function fail_once(err)
  local told = false
  return function()
    if told then return nil end
    told = true
    return false, err
  end
end

local function same_token(client, operation)
  local _, err = refuse(client, operation.name, "SamePageToken", "the service gave the same token for the next page twice")
  return false, err
end

---@param client aws.Client
---@param name string
---@param params table
---@param options table  page_size, starting_token, and those of a call
---@return fun(): table|false?, aws.Failure? iterator
---@return table? definition
function M.pages(client, name, params, options)
  local definition, operation = definition_of(client, name)
  if not definition then return fail_once(operation) end
  local current = first_params(client, operation, definition, params, options)
  local last, repeated
  return function()
    if not current then return nil end
    if repeated then
      current = nil
      return same_token(client, operation)
    end
    local page, err = client:call(operation.name, current, options)
    if not page then
      current = nil
      return false, err
    end
    local token = next_token(definition, page)
    repeated = token ~= nil and last ~= nil and functions.equal(token, last)
    current, last = token and with_token(current, definition, token), token
    return page
  end, definition
end

---@param client aws.Client
---@param name string
---@param params table
---@param options table  also max_items and result: which of the lists
---@return fun(): any, aws.Failure? iterator
function M.items(client, name, params, options)
  local pages, definition = M.pages(client, name, params, options)
  if not definition then return pages end
  local path = options.result or definition.result_key[1]
  local list, at, given = {}, 0, 0
  return function()
    if options.max_items and given >= options.max_items then return nil end
    at = at + 1
    while list[at] == nil do
      local page, err = pages()
      if not page then return page, err end
      list, at = jmespath.search(path, page), 1
      if type(list) ~= "table" then list = { list } end
    end
    given = given + 1
    return list[at]
  end
end

---All items in one list.
---@param client aws.Client
---@param name string
---@param params table
---@param options table  as items
---@return table? items
---@return aws.Failure?
function M.collect(client, name, params, options)
  local out = require("sm.json").array()
  for item, err in M.items(client, name, params, options) do
    if item == false and err then return nil, err end
    out[#out + 1] = item
  end
  return out
end

return M
