-- rest-xml: members in path, query and headers; the rest is an XML document.
local common = require "aws.protocol.common"
local rest = require "aws.protocol.rest"
local xml_value = require "aws.protocol.xml_value"

local M = {}

local codec = { content_type = "application/xml" }

-- The name of the root. Where a reference only repeats a name (of its member, or of the shape), the shape's own XML name
-- counts; a payload with a namespace of its own states its name on purpose.
local function root_name(model, ref, whole)
  local shape = model:shape(ref.shape)
  local own = shape.locationName or ref.shape
  local given = ref.locationName
  if not given then return own end
  if whole then return given ~= ref.shape and given or own end
  return (given ~= ref.name or ref.xmlNamespace) and given or own
end

function codec.encode(model, ref, value, whole) return xml_value.encode(model, ref, value, root_name(model, ref, whole)) end

function codec.decode(model, ref, text)
  if text == "" then return {} end
  local root, message = common.parse_xml(text)
  if not root then return nil, message end
  return xml_value.decode(model, ref, root)
end

function codec.failure(model, operation, response)
  return require("aws.protocol.xml_error").parse(model, operation, response, function(shape, node)
    local ref = { type = "structure", shape = shape.name }
    local members = rest.read(codec, model, ref, { status = response.status, headers = response.headers, body = "" })
    for name, value in pairs(xml_value.decode(model, ref, node)) do
      if members[name] == nil then members[name] = value end
    end
    return members
  end)
end

function M.serialize(model, operation, params, options) return rest.serialize(codec, model, operation, params, options) end
function M.parse(model, operation, response) return rest.parse(codec, model, operation, response) end

return M
