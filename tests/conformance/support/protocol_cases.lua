-- What the protocol suites share: models of one case, values as the cases write them, bodies compared by meaning.
local cbor = require "aws.cbor"
local common = require "aws.protocol.common"
local crypto = require "sm.crypto"
local files = require "sm.files"
local json = require "sm.json"
local models = require "aws.model"
local ordered = require "aws.generate.ordered_json"
local vectors = require "conformance.support.vectors"
local xml = require "sm.xml"

local M = {}

local null = json.null
local SPECIAL <const> = { NaN = 0 / 0, Infinity = math.huge, ["-Infinity"] = -math.huge }

---@param suite table  metadata, shapes
---@param given table  the operation
---@return aws.Model
---@return table operation
function M.model(suite, given)
  given.name = given.name or "OperationName"
  given.http = given.http or { method = "POST", requestUri = "/" }
  local service = { metadata = suite.metadata, shapes = suite.shapes, operations = { [given.name] = given } }
  local model = models.from_service(service, "case")
  return model, model:operation(given.name)
end

-- Calls visit(file, suite, case, name) for every case of the files of a folder.
function M.each(folder, visit)
  for _, file in ipairs(vectors.names(folder, "%.json$")) do
    local text = assert(files.read(folder .. "/" .. file))
    for number, suite in ipairs(assert(ordered.decode(text))) do
      for index, case in ipairs(suite.cases) do
        visit(file, suite, case, ("%s %s"):format(file, case.id or ("#%d.%d"):format(number, index)))
      end
    end
  end
end

-- Parameters as a caller gives them: floats out of words.
function M.params(model, ref, value)
  if value == null or value == nil then return value end
  if ref.type == "float" or ref.type == "double" then return SPECIAL[value] or value end
  if type(value) ~= "table" or not ref.shape then return value end
  local shape, out = model:shape(ref.shape), {}
  if shape.document then return value end
  for key, item in pairs(value) do
    local of = shape.member or shape.value or shape.by_name and shape.by_name[key]
    out[key] = of and M.params(model, of, item) or not of and item
  end
  return ref.type == "list" and json.array(out) or out
end

local function words(value)
  if type(value) ~= "number" then return value end
  if value ~= value then return "NaN" end
  if value == math.huge then return "Infinity" end
  if value == -math.huge then return "-Infinity" end
  return value
end

local function collect(iterator)
  local out = json.array {}
  for event in iterator do out[#out + 1] = event end
  return out
end

-- Results as the cases write them: words for odd floats, streams as lists.
function M.plain(value)
  if type(value) == "function" then value = collect(value) end
  if type(value) ~= "table" then return words(value) end
  local out = {}
  for key, item in pairs(value) do out[key] = M.plain(item) end
  return json.is_array(value) and json.array(out) or out
end

-- ---- bodies ----

-- Attributes and children in a form that can be compared; white space around text is nothing.
local function canonical_xml(node)
  local parts = { "<", node.prefix and node.prefix .. ":" or "", node.name }
  local names = {}
  for name in pairs(node.attributes or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do parts[#parts + 1] = (" %s=%q"):format(name, node.attributes[name]) end
  parts[#parts + 1] = ">" .. (node.text or ""):match "^%s*(.-)%s*$"
  -- Entries of maps come in any order: neighbours of one name that are key and value are sorted.
  local at = 1
  while at <= #node do
    local group, name = {}, node[at].name
    while node[at] and node[at].name == name do
      group[#group + 1] = canonical_xml(node[at])
      at = at + 1
    end
    local first = node[at - 1]
    if #first == 2 and #(first[1]) == 0 then table.sort(group) end
    parts[#parts + 1] = table.concat(group)
  end
  parts[#parts + 1] = "</>"
  return table.concat(parts)
end

local function same_xml(expected, got)
  local a, b = xml.parse(expected), xml.parse(got)
  if not (a and b) then return false end
  return canonical_xml(a) == canonical_xml(b)
end

-- A form as a tree of its dotted names; numbered children that are key and value are sorted.
local function form_tree(text)
  local tree = {}
  for pair in text:gmatch "[^&]+" do
    local name, value = pair:match "^([^=]*)=?(.*)$"
    local node = tree
    for step in name:gmatch "[^.]+" do
      node[step] = node[step] or {}
      node = node[step]
    end
    node[""] = value
  end
  return tree
end

local function canonical_form(node)
  local numbered, keys, sizes = true, {}, true
  for key, child in pairs(node) do
    keys[#keys + 1] = key
    numbered = numbered and key:find "^%d+$"
    local count = 0
    if type(child) == "table" then
      for _ in pairs(child) do count = count + 1 end
    end
    sizes = sizes and count == 2
  end
  table.sort(keys)
  local parts = {}
  for i, key in ipairs(keys) do
    local child = node[key]
    local text = type(child) == "table" and canonical_form(child) or "=" .. child
    parts[i] = (numbered and sizes and "*" or key) .. "{" .. text .. "}"
  end
  if numbered and sizes then table.sort(parts) end
  return table.concat(parts, ",")
end

local function same_json(expected, got)
  if expected == got then return true end
  local a, b = json.decode(expected), json.decode(got)
  if a == nil or b == nil then return false end
  return vectors.difference(a, b) == nil and json.is_array(a) == json.is_array(b)
end

local function same_cbor(expected, got)
  local bytes = assert(crypto.unbase64(expected))
  if bytes == "" or got == "" then return bytes == got end
  return vectors.difference(M.plain(cbor.decode(bytes)), M.plain(cbor.decode(got))) == nil
end

-- Whether two bodies say the same in a protocol.
---@param protocol string
---@param expected string
---@param got string
---@return boolean
function M.same_body(protocol, expected, got)
  if protocol == "smithy-rpc-v2-cbor" then return same_cbor(expected, got) end
  if expected == got then return true end
  if expected == "" or got == "" then return false end
  if protocol == "query" or protocol == "ec2" then
    return canonical_form(form_tree(expected)) == canonical_form(form_tree(got))
  end
  if protocol == "rest-xml" and expected:find "^%s*<" then return same_xml(expected, got) end
  return same_json(expected, got)
end

-- ---- requests ----

---@param request aws.Request
---@return string path with its query
function M.uri(request)
  local query = {}
  for i, pair in ipairs(request.query) do
    query[i] = common.percent(pair[1]) .. (pair[2] and "=" .. common.percent(pair[2]) or "")
  end
  return request.path .. (#query > 0 and "?" .. table.concat(query, "&") or "")
end

-- Path and sorted parameters; "?a" and "?a=" are one.
---@param uri string
---@return string
function M.sorted_uri(uri)
  local path, rest = uri:match "^([^?]*)%??(.*)$"
  local list = {}
  for part in rest:gmatch "[^&]+" do list[#list + 1] = part:find("=", 1, true) and part or part .. "=" end
  table.sort(list)
  return path .. "?" .. table.concat(list, "&")
end

return M
