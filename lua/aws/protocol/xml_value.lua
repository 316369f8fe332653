-- Values of a model's shapes as XML, and back.
local json = require "sm.json"
local scalar = require "aws.protocol.scalar"
local xml = require "aws.xml"

local M = {}

local null = json.null
local open, close = xml.open, xml.close

-- ---- to XML ----

-- xmlns of a reference or its shape: { "xmlns:xsi", uri }.
local function namespace(ref, shape)
  local given = ref.xmlNamespace or shape and shape.xmlNamespace
  if not given then return nil end
  if type(given) == "string" then return { { "xmlns", given } } end
  return { { given.prefix and given.prefix ~= "" and "xmlns:" .. given.prefix or "xmlns", given.uri } }
end

local write -- by type, below; scalars have write_scalar

local function write_scalar(out, _, ref, value, name)
  open(out, name, namespace(ref))
  out[#out + 1] = xml.escape(scalar.text(ref, value, "iso8601"))
  close(out, name)
end

local function write_any(out, model, ref, value, name)
  return (write[ref.type] or write_scalar)(out, model, ref, value, name)
end

-- A structure's own XML name counts for roots only.
local function name_of(model, ref)
  if ref.locationName then return ref.locationName end
  return ref.shape and ref.type ~= "structure" and model:shape(ref.shape).locationName or ref.name
end

-- Elements in the order of the model; attributes go into the start tag.
local function write_structure(out, model, ref, value, name)
  local shape = model:shape(ref.shape)
  local attributes = namespace(ref, shape)
  for _, member in ipairs(shape.members) do
    local given = value[member.name]
    if member.xmlAttribute and given ~= nil and given ~= null then
      attributes = attributes or {}
      attributes[#attributes + 1] = { name_of(model, member), scalar.text(member, given, "iso8601") }
    end
  end
  open(out, name, attributes)
  for _, member in ipairs(shape.members) do
    local given = value[member.name]
    if given ~= nil and given ~= null and not member.xmlAttribute then
      write_any(out, model, member, given, name_of(model, member))
    end
  end
  close(out, name)
end

local function write_list(out, model, ref, value, name)
  local shape = model:shape(ref.shape)
  local member = shape.member
  local flat = ref.flattened or shape.flattened
  local item_name = flat and name or member.locationName or "member"
  if not flat then open(out, name, namespace(ref, shape)) end
  for _, item in ipairs(value) do
    if item ~= null then write_any(out, model, member, item, item_name) end
  end
  if not flat then close(out, name) end
end

local function sorted_keys(map)
  local keys = {}
  for key in next, map do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function write_map(out, model, ref, value, name)
  local shape = model:shape(ref.shape)
  local flat = ref.flattened or shape.flattened
  local entry = flat and name or "entry"
  if not flat then open(out, name, namespace(ref, shape)) end
  for _, key in ipairs(sorted_keys(value)) do
    if value[key] ~= null then
      open(out, entry, flat and namespace(ref, shape))
      write_scalar(out, model, shape.key, key, shape.key.locationName or "key")
      write_any(out, model, shape.value, value[key], shape.value.locationName or "value")
      close(out, entry)
    end
  end
  if not flat then close(out, name) end
end

write = { structure = write_structure, list = write_list, map = write_map }

---@param model aws.Model
---@param ref table
---@param value any
---@param name string  of the root element
---@return string
function M.encode(model, ref, value, name)
  local out = {}
  write_any(out, model, ref, value, name)
  return table.concat(out)
end

-- ---- from XML ----

local read -- by type, below

local function read_scalar(_, ref, node) return scalar.read(ref, node.text or "", "iso8601") end
local function read_any(model, ref, node) return (read[ref.type] or read_scalar)(model, ref, node) end

local OUTSIDE <const> = { header = true, headers = true, statusCode = true } -- places that are not the body

-- Per shape: references by the name of their element, and those that are attributes.
local wires = setmetatable({}, { __mode = "k" })
local function wire_of(model, shape)
  local wire = wires[shape]
  if wire then return wire end
  wire = { elements = {}, attributes = nil }
  local others = {}
  for _, ref in ipairs(shape.members) do
    local name = name_of(model, ref)
    local target = ref.shape and model:shape(ref.shape)
    if ref.xmlAttribute then
      wire.attributes = wire.attributes or {}
      table.insert(wire.attributes, { ref = ref, name = name, suffix = ":" .. (name:match ":(.*)$" or name) })
    elseif not (OUTSIDE[ref.location] or ref.eventheader) then
      -- Two members may share an element: a single value and the list that came after it.
      if wire.elements[name] then
        wire.also = wire.also or {}
        wire.also[name] = ref
      else
        wire.elements[name] = ref
      end
      -- Older models name the elements of a flattened list by its member.
      local item = ref.type == "list" and (ref.flattened or target.flattened) and target.member.locationName
      if item then others[item] = ref end
    end
  end
  for name, ref in pairs(others) do wire.elements[name] = wire.elements[name] or ref end
  wires[shape] = wire
  return wire
end

local function read_attributes(wire, node, out)
  for _, wanted in ipairs(wire.attributes) do
    for name, text in pairs(node.attributes or {}) do
      if name == wanted.name or name:sub(-#wanted.suffix) == wanted.suffix then out[wanted.ref.name] = text end
    end
  end
end

local function is_nil(node)
  local attributes = node.attributes
  return attributes and attributes["xsi:nil"] == "true"
end

-- One entry of a map into out.
local function read_entry(model, shape, node, out)
  local key_name, value_name = shape.key.locationName or "key", shape.value.locationName or "value"
  local key, value
  for _, child in ipairs(node) do
    if child.name == key_name then
      key = child.text or ""
    elseif child.name == value_name then
      value = read_any(model, shape.value, child)
    end
  end
  if key ~= nil then out[key] = value end
end

local function read_list(model, ref, node)
  local member = model:shape(ref.shape).member
  local out = {}
  for i, child in ipairs(node) do out[i] = read_any(model, member, child) end
  return out[1] == nil and json.array(out) or out
end

local function read_map(model, ref, node)
  local shape, out = model:shape(ref.shape), {}
  for _, child in ipairs(node) do read_entry(model, shape, child, out) end
  return out
end

-- A child of a structure: alone, or one of the elements of a flattened list or map.
local function read_member(model, ref, child, out)
  local shape = ref.shape and model:shape(ref.shape)
  local flat = shape and (ref.flattened or shape.flattened)
  local name = ref.name
  if flat and ref.type == "list" then
    local list = out[name]
    if not list then
      list = {}
      out[name] = list
    end
    list[#list + 1] = read_any(model, shape.member, child)
  elseif flat and ref.type == "map" then
    out[name] = out[name] or {}
    read_entry(model, shape, child, out[name])
  elseif not is_nil(child) then
    out[name] = read_any(model, ref, child)
  end
end

local function read_structure(model, ref, node)
  local shape = model:shape(ref.shape)
  local wire = wire_of(model, shape)
  local elements, out, unknown = wire.elements, {}, nil
  for _, child in ipairs(node) do
    local member = elements[child.name]
    if member then
      read_member(model, member, child, out)
      local also = wire.also and wire.also[child.name]
      if also then read_member(model, also, child, out) end
    else
      unknown = unknown or child.name
    end
  end
  if wire.attributes then read_attributes(wire, node, out) end
  if shape.union and unknown and next(out) == nil then return { SDK_UNKNOWN_MEMBER = { name = unknown } } end
  return out
end

read = { structure = read_structure, list = read_list, map = read_map }

-- What the caller gets for an element.
---@param model aws.Model
---@param ref table
---@param node sm.xml.Node
---@return any
function M.decode(model, ref, node) return read_any(model, ref, node) end

return M
