-- The OpenAPI 3.1 document, made from the same route and input declarations that validate requests.
local shape = require "lib.shape"
local text = require "lib.text"

local M = {}

local function path_names(pattern)
  local names = {}
  for name in pattern:gmatch("{([%w_]+)") do names[#names + 1] = name end
  return names
end

local function public_pattern(pattern)
  return (pattern:gsub("{([%w_]+)%.*}", function(name) return "{" .. text.camel(name) .. "}" end))
end

local function parameter(place, name, field, required)
  local schema = field and shape.schema(field) or { type = "string" }
  local described = schema.description
  schema.description = nil
  return { name = name, ["in"] = place, required = required or nil, schema = schema, description = described }
end

local function is_required(field)
  return not field.optional and field.default == nil
end

local function header_name(name)
  return (name:gsub("%f[%w]%l", string.upper))
end

-- Path and header parameters, and which fields they take away from query and body.
local function outer_parameters(route, fields)
  local list, taken = {}, { format = route.accept and true or nil }
  for _, name in ipairs(path_names(route.pattern)) do
    taken[name] = true
    list[#list + 1] = parameter("path", text.camel(name), fields[name], true)
  end
  for _, header in ipairs(text.sorted_keys(route.headers or {})) do
    local name = route.headers[header]
    taken[name] = true
    list[#list + 1] = parameter("header", header_name(header), fields[name])
  end
  return list, taken
end

local function rest_of(input, taken)
  local rest, count = {}, 0
  for _, entry in ipairs(input.fields) do
    if not taken[entry.field] then
      rest[entry.field] = entry.shape
      count = count + 1
    end
  end
  return shape.object(rest, { strict = input.strict }), count
end

local function request_body(rest)
  local required = false
  for _, entry in ipairs(rest.fields) do required = required or is_required(entry.shape) end
  return { required = required, content = { ["application/json"] = { schema = shape.schema(rest) } } }
end

local ERROR = { content = { ["application/json"] = { schema = { ["$ref"] = "#/components/schemas/Error" } } } }

local function error_answer(description)
  return { description = description, content = ERROR.content }
end

local function success_content(route, output)
  if route.produces then return { [route.produces] = { schema = { type = "string" } } } end
  local schema = output and shape.schema(output) or { type = "object" }
  local content = { ["application/json"] = { schema = schema } }
  for kind in pairs(route.accept or {}) do content[kind] = content[kind] or { schema = { type = "string" } } end
  return content
end

local function answers(route, output)
  local content = success_content(route, output)
  local out = {
    [tostring(route.status)] = { description = route.answer, content = content },
    ["400"] = error_answer("The input was refused; error.details names every field."),
    ["500"] = error_answer("A fault on our side, with the request id."),
    ["503"] = error_answer("A limit of the host was reached, or a part of it is not there."),
  }
  if route.status == 200 and route.location then
    out["202"] = { description = "Not ready yet; Location says where to look.",
      content = { ["application/json"] = content["application/json"] } }
  end
  if route.auth ~= "open" and route.auth ~= "signature" then out["401"] = error_answer("The caller did not prove who it is.") end
  if route.auth == "signature" then
    out["403"] = error_answer("The URL was altered or has expired.")
    out["206"] = { description = "The asked range.", content = content }
    out["416"] = error_answer("The range lies outside of the file.")
  end
  if route.pattern:find("{", 1, true) then out["404"] = error_answer("There is no such thing.") end
  if route.method == "POST" then
    out["409"] = error_answer("Something else holds what this needs.")
    out["413"] = error_answer("The body is too large.")
    out["415"] = error_answer("The body is not JSON.")
  end
  if route.use_case == "run" then out["429"] = error_answer("A refresh was started recently; see retryAfterSeconds and Retry-After.") end
  if route.etag then out["304"] = { description = "The caller has this answer already." } end
  return out
end

local function operation(route, use_case)
  local input = use_case and use_case.input or shape.empty
  local parameters, taken = outer_parameters(route, input.field_shapes)
  local rest, count = rest_of(input, taken)
  local out = { operationId = text.camel(route.use_case or route.built_in), summary = use_case and use_case.summary or route.answer,
    responses = answers(route, use_case and use_case.output) }
  if route.method == "POST" then
    if count > 0 then out.requestBody = request_body(rest) end
  else
    for _, entry in ipairs(rest.fields) do
      parameters[#parameters + 1] = parameter("query", entry.public, entry.shape, is_required(entry.shape))
    end
  end
  if #parameters > 0 then out.parameters = parameters end
  return out
end

local error_schema = {
  type = "object", required = { "error" },
  properties = {
    error = {
      type = "object", required = { "code", "message" },
      properties = {
        code = { type = "string", description = "Stable, PascalCase." }, message = { type = "string", description = "For people." },
        details = { type = "object", description = "For programs; depends on the code." },
        requestId = { type = "string", description = "Under which the log has more." },
      },
    },
    retryAfterSeconds = { type = "integer", description = "With 429 only." },
  },
}

---@param routes table[]
---@param lookup fun(name: string): table?   use case by name; nil when it cannot be loaded
---@param info table   { title, version, server_url?, secured? }
---@return table document
function M.build(routes, lookup, info)
  local paths = {}
  for _, route in ipairs(routes) do
    local pattern = public_pattern(route.pattern)
    paths[pattern] = paths[pattern] or {}
    local made = operation(route, route.use_case and lookup(route.use_case))
    if info.secured and (route.auth == nil or route.auth == "caller" or route.auth == "health") then
      made.security = { { bearer = { "call" } } }
    end
    paths[pattern][route.method:lower()] = made
  end
  local components = { schemas = { Error = error_schema } }
  if info.secured then components.securitySchemes = { bearer = { type = "http", scheme = "bearer" } } end
  return {
    openapi = "3.1.0", info = { title = info.title, version = info.version }, paths = paths, components = components,
    servers = info.server_url and { { url = info.server_url } } or nil,
  }
end

return M
