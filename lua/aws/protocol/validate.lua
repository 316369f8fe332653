-- Checks a caller's parameters against the model before anything is sent: names, types, what is required. Lengths and
-- patterns are left to the service, which knows them better.
local failures = require "aws.failure"
local json = require "sm.json"

local M = {}

-- Loaded by the first time that is met: most calls have none.
local timestamp
local function times()
  timestamp = timestamp or require "aws.timestamp"
  return timestamp
end

local null = json.null
local tointeger = math.tointeger
local MAX_FAULTS <const>, MAX_DEPTH <const> = 8, 200

-- What the checks share: where they are, and what they found.
---@class aws.Validation
---@field path (string|integer)[]
---@field depth integer
---@field faults string[]

local function where(state)
  local parts = {}
  for i = 1, state.depth do
    local step = state.path[i]
    parts[i] = type(step) == "number" and ("[%d]"):format(step) or (i > 1 and "." or "") .. step
  end
  return #parts > 0 and table.concat(parts) or "input"
end

local function fault(state, format, ...)
  if #state.faults < MAX_FAULTS then
    state.faults[#state.faults + 1] = where(state) .. ": " .. format:format(...)
  end
end

local function kind_of(value)
  if value == null then return "null" end
  local kind = type(value)
  return kind == "number" and math.type(value) or kind
end

local check -- by type, below

local function check_ref(state, model, ref, value, step)
  local depth = state.depth + 1
  state.depth = depth
  state.path[depth] = step
  check[ref.type](state, model, ref, value)
  state.depth = depth - 1
end

local function check_union(state, value, shape)
  local count = 0
  for _, member in next, value do
    if member ~= null then count = count + 1 end
  end
  if count == 1 then return end
  local names = {}
  for i, ref in ipairs(shape.members) do names[i] = ref.name end
  fault(state, "give exactly one of %s, not %d", table.concat(names, ", "), count)
end

local function unknown_member(state, shape, name)
  local names = {}
  for i, ref in ipairs(shape.members) do names[i] = ref.name end
  local hint = type(name) == "string" and require("lib.suggest").hint(name, names) or ""
  local listed = hint == "" and #names > 0 and #names <= 20 and "; there are: " .. table.concat(names, ", ") or ""
  fault(state, "no member '%s'%s%s", tostring(name), hint, listed)
end

local function check_structure(state, model, ref, value)
  local shape = model:shape(ref.shape)
  if shape.document then return check.document(state, model, ref, value) end
  if type(value) ~= "table" then return fault(state, "a table of members is needed, not %s", kind_of(value)) end
  if state.depth > MAX_DEPTH then return fault(state, "nested too deeply") end
  local by_name = shape.by_name
  if shape.union then check_union(state, value, shape) end
  for _, name in ipairs(shape.required or {}) do
    local given = value[name]
    if (given == nil or given == null) and not (by_name[name] or {}).idempotencyToken then
      fault(state, "'%s' is required", name)
    end
  end
  for name, member in next, value do
    local member_ref = by_name[name]
    if not member_ref then
      unknown_member(state, shape, name)
    elseif member ~= null then
      check_ref(state, model, member_ref, member, name)
    end
  end
end

local function check_list(state, model, ref, value)
  if type(value) ~= "table" then return fault(state, "a list is needed, not %s", kind_of(value)) end
  if state.depth > MAX_DEPTH then return fault(state, "nested too deeply") end
  local member = model:shape(ref.shape).member
  local length = #value
  for key in next, value do
    if math.type(key) ~= "integer" or key < 1 or key > length then
      return fault(state, "a list has no key '%s'", tostring(key))
    end
  end
  local of = check[member.type]
  local depth = state.depth + 1
  state.depth = depth
  for i = 1, length do
    local item = value[i]
    if item ~= null then
      state.path[depth] = i
      if item == nil then fault(state, "a list has no gaps") else of(state, model, member, item) end
    end
  end
  state.depth = depth - 1
end

local function check_map(state, model, ref, value)
  if type(value) ~= "table" then return fault(state, "a table of keys and values is needed, not %s", kind_of(value)) end
  if state.depth > MAX_DEPTH then return fault(state, "nested too deeply") end
  local of = model:shape(ref.shape).value
  for key, item in next, value do
    if type(key) ~= "string" or not utf8.len(key) then
      fault(state, "the key '%s' is no UTF-8 text", tostring(key))
    elseif item ~= null then
      check_ref(state, model, of, item, key)
    end
  end
end

local function check_string(state, model, ref, value)
  if ref.jsonvalue and ref.location == "header" then return check.document(state, model, ref, value) end
  if type(value) ~= "string" then return fault(state, "a text is needed, not %s", kind_of(value)) end
  if not utf8.len(value) then fault(state, "the text is not UTF-8") end
end

local function check_integer(state, _, _, value)
  if type(value) ~= "number" or not tointeger(value) then
    fault(state, "a whole number is needed, not %s", type(value) == "number" and tostring(value) or kind_of(value))
  end
end

local function check_float(state, _, _, value)
  if type(value) ~= "number" then fault(state, "a number is needed, not %s", kind_of(value)) end
end

-- A number beyond 64 bits comes as its digits.
local function check_big(state, _, _, value)
  local good = type(value) == "number" or type(value) == "string" and value:find "^-?%d+%.?%d*[eE]?[+-]?%d*$"
  if not good then fault(state, "a number or its digits are needed, not %s", kind_of(value)) end
end

local function check_boolean(state, _, _, value)
  if type(value) ~= "boolean" then fault(state, "true or false is needed, not %s", kind_of(value)) end
end

local function check_timestamp(state, _, ref, value)
  if type(value) ~= "number" and type(value) ~= "string" then
    return fault(state, "a time is needed (epoch seconds, or ISO 8601 text), not %s", kind_of(value))
  end
  local time, message = times().parse(value, ref.timestampFormat)
  if not time then fault(state, "%s", message) end
end

-- Bytes; a payload may also be a reader or what gives one.
local function check_blob(state, _, ref, value)
  if type(value) == "string" then return end
  if state.payload == ref.name and state.depth == 1 and (type(value) == "function" or type(value) == "table") then return end
  fault(state, "bytes (a string) are needed, not %s", kind_of(value))
end

-- Free JSON. That it can be written is seen when it is written.
local function check_document(state, _, _, value)
  local kind = type(value)
  if kind == "function" or kind == "thread" then fault(state, "a %s cannot be sent as JSON", kind) end
end

check = {
  structure = check_structure, list = check_list, map = check_map, string = check_string, character = check_string,
  integer = check_integer, long = check_integer, short = check_integer, byte = check_integer, intEnum = check_integer,
  float = check_float, double = check_float, bigInteger = check_big, bigDecimal = check_big, boolean = check_boolean,
  timestamp = check_timestamp, blob = check_blob, document = check_document,
}

---@param model aws.Model
---@param operation table
---@param params table
---@return true? ok
---@return aws.Failure?
function M.input(model, operation, params)
  local input = operation.input
  local state = { path = {}, depth = 0, faults = {} }
  if type(params) ~= "table" then
    fault(state, "a table of parameters is needed, not %s", kind_of(params))
  elseif input then
    state.payload = model:shape(input.shape).payload or input.payload
    check_structure(state, model, input, params)
  elseif next(params) ~= nil then
    fault(state, "%s takes no parameters, and '%s' was given", operation.name, tostring((next(params))))
  end
  if #state.faults == 0 then return true end
  return failures.refuse("validation", "ParamValidation", table.concat(state.faults, "; "))
end

return M
