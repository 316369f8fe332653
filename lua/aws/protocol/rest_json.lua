-- rest-json: members in path, query and headers; the rest is a JSON object.
local json = require "sm.json"
local json_value = require "aws.protocol.json_value"
local rest = require "aws.protocol.rest"

local M = {}

local codec = { content_type = "application/json", blob_type = "application/octet-stream", empty = "{}" }

function codec.encode(model, ref, value) return json.encode(json_value.encode(model, ref, value)) end

function codec.decode(model, ref, text)
  local value, message = json.decode(text)
  if value == nil then return nil, message end
  return json_value.decode(model, ref, value)
end

function codec.failure(model, operation, response)
  return require("aws.protocol.json_error").parse(model, operation, response, function(shape, body)
    local members = rest.read(codec, model, { type = "structure", shape = shape.name }, {
      status = response.status, headers = response.headers, body = "",
    })
    local decoded = json_value.decode(model, { type = "structure", shape = shape.name }, body)
    for name, value in pairs(decoded or {}) do
      if members[name] == nil then members[name] = value end
    end
    return members
  end)
end

function M.serialize(model, operation, params, options) return rest.serialize(codec, model, operation, params, options) end
function M.parse(model, operation, response) return rest.parse(codec, model, operation, response) end

return M
