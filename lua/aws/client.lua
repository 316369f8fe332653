-- A client of one service: operations as methods, pages and waiters as iterators, presigned URLs. Making one reads the
-- model's file and the settings; shapes, rules and credentials are touched by the first call.
local config = require "aws.config"
local failure = require "aws.failure"
local model = require "aws.model"

local M = {}

---@class aws.ClientOptions
---@field region string?
---@field endpoint_url string?
---@field profile string?
---@field credentials table?      { access_key, secret_key, session_token } or a provider
---@field anonymous boolean?      nothing is signed
---@field timeout number?         seconds for a call, all attempts together
---@field max_attempts integer?
---@field world aws.World?        the machine as tests want it
-- and the names of aws.Config: use_fips, use_dualstack, s3 = { addressing_style, ... }, connect_timeout, read_timeout, ...

---@class aws.CallOptions
---@field timeout number?    seconds, all attempts together
---@field region string?     another region for this call
---@field anonymous boolean? not signed
---@field max_attempts integer?
---@field headers table<string, string>? added to the request

---@class aws.Client
---@field service string
---@field model aws.Model
---@field config aws.Config
local Client = {}

-- ---- operations ----

local function unknown_method(client, name)
  local hint = require("lib.suggest").hint(name, client.model:methods())
  error(("%s has no operation '%s'%s"):format(client.service, name, hint), 3)
end

-- What the second table of a call may hold, and what the other methods take beside it.
local CALL_OPTIONS <const> = { "timeout", "region", "anonymous", "max_attempts", "headers", "token", "method" }

local function option_set(...)
  local set = {}
  for _, name in ipairs { ... } do set[name] = true end
  for _, name in ipairs(CALL_OPTIONS) do set[name] = true end
  return set
end

local OPTIONS <const> = { call = option_set(), wait = option_set("delay"), presign = option_set("expires"),
  pages = option_set("page_size", "max_items", "starting_token", "result") }

-- A mistyped option would silently mean no limit, or another region. `level` is whose line the message names.
local function checked(kind, options, what, level)
  if options == nil then return {} end
  if type(options) ~= "table" then error(what .. ": options are a table", level + 1) end
  for name in pairs(options) do
    if not OPTIONS[kind][name] then
      local known = {}
      for one in pairs(OPTIONS[kind]) do known[#known + 1] = one end
      table.sort(known)
      error(("%s has no option '%s'%s"):format(what, tostring(name), require("lib.suggest").hint(tostring(name), known)), level + 1)
    end
  end
  return options
end

local function method_of(operation)
  return function(client, params, options)
    if params ~= nil and type(params) ~= "table" then error(operation.name .. ": parameters are a table", 2) end
    options = checked("call", options, operation.name, 2)
    return require("aws.call").run(client, operation, params or {}, options)
  end
end

-- Fields of the client, its own methods, then operations; those become methods of the model's class when first used.
local function class_of(service_model)
  local class = service_model.class
  if class then return class end
  local methods = setmetatable({}, { __index = Client })
  class = { __name = "aws.Client", __tostring = function(self) return "aws client of " .. self.service end }
  class.__index = function(self, name)
    local found = methods[name]
    if found ~= nil then return found end
    if type(name) ~= "string" then return nil end
    local operation = service_model:method(name)
    if not operation then unknown_method(self, name) end
    methods[name] = method_of(operation)
    return methods[name]
  end
  service_model.class = class
  return class
end

---The operation of a method, or of its name in the API.
---@param name string
---@return table? operation
---@return aws.Failure?
function Client:operation(name)
  local operation = self.model:method(self.model:method_name(name))
  if operation then return operation end
  local hint = require("lib.suggest").hint(name, self.model:methods())
  return failure.refuse("validation", "UnknownOperation", ("%s has no operation '%s'%s"):format(self.service, name, hint))
end

---Calls an operation by name.
---@param name string  "put_item" or "PutItem"
---@param params table?
---@param options aws.CallOptions?
---@return table? output
---@return aws.Failure?
function Client:call(name, params, options)
  options = checked("pages", options, name, 2) -- pages ask by this method, with their own options
  local operation, err = self:operation(name)
  if not operation then return nil, err end
  return require("aws.call").run(self, operation, params or {}, options)
end

---An iterator of pages; `false, failure` when a request fails:
---  for page, err in client:paginate("list_objects_v2", {...}) do if not page then return nil, err end ... end
---@param name string
---@param params table?
---@param options table?  page_size, max_items, starting_token, and aws.CallOptions
---@return function
function Client:paginate(name, params, options)
  return require("aws.paginate").pages(self, name, params or {}, checked("pages", options, name, 2))
end

---An iterator of the items on all pages, in the first list that the operation pages over.
---@param name string
---@param params table?
---@param options table?  as paginate; result = another of the lists
---@return function
function Client:paginate_items(name, params, options)
  return require("aws.paginate").items(self, name, params or {}, checked("pages", options, name, 2))
end

---All items of all pages in one list.
---@param name string
---@param params table?
---@param options table?  as paginate_items
---@return table? items
---@return aws.Failure?
function Client:collect(name, params, options)
  return require("aws.paginate").collect(self, name, params or {}, checked("pages", options, name, 2))
end

---Waits until something is there, or gone.
---@param name string  "bucket_exists"
---@param params table?
---@param options { delay: number?, max_attempts: integer?, timeout: number? }?
---@return table? output  of the last poll
---@return aws.Failure?
function Client:wait(name, params, options)
  return require("aws.wait").run(self, name, params or {}, checked("wait", options, name, 2))
end

---A URL that does the operation for whoever has it, until it expires.
---@param name string  "get_object"
---@param params table?
---@param options { expires: integer?, region: string? }?  seconds, default 3600
---@return string? url
---@return number|aws.Failure expires_at  seconds since 1970: the earlier of the expiry and the credentials' end
function Client:presign(name, params, options)
  return require("aws.presign").url(self, name, params or {}, checked("presign", options, name, 2))
end

-- ---- making one ----

-- What a client takes beside the settings of aws.config.
local OWN_OPTIONS <const> = { "credentials", "access_key", "secret_key", "session_token", "account_id", "anonymous", "timeout", "world",
  "client_context_params" }
local OWN <const> = {}
for _, name in ipairs(OWN_OPTIONS) do OWN[name] = true end

-- A mistyped option would silently mean another account or host.
local function check_options(options)
  for name in pairs(options) do
    if not OWN[name] and not config.knows(name) then
      local names = table.move(OWN_OPTIONS, 1, #OWN_OPTIONS, 1, config.names())
      error(("aws.client has no option '%s'%s"):format(tostring(name), require("lib.suggest").hint(tostring(name), names)), 3)
    end
  end
  local keys = options.credentials
  if keys ~= nil and not (type(keys) == "table" and (keys.get or keys.access_key and keys.secret_key)) then -- never with other keys instead
    error("aws.client: credentials are { access_key, secret_key, session_token }, or have a method get()", 3)
  end
end

-- Clients with the same plain options are the same client: its connections, token bucket and caches are shared. Those with keys
-- of their own are not kept: there may be as many as there are users.
local CACHE_MAX <const> = 100
local cache, cached = {}, 0

local function cache_key(service, options)
  if options.secret_key then return nil end
  local parts = {}
  for name, value in pairs(options) do
    if type(value) == "table" or type(value) == "function" then return nil end
    parts[#parts + 1] = name .. "=" .. tostring(value)
  end
  table.sort(parts)
  return service .. "\0" .. table.concat(parts, "\0")
end

local function remember(key, client)
  if cached >= CACHE_MAX then cache, cached = {}, 0 end
  cache[key], cached = client, cached + 1
end

---@param service string
---@param options aws.ClientOptions?
---@return aws.Client?
---@return aws.Failure?
function M.new(service, options)
  options = options or {}
  if type(service) ~= "string" then error("aws.client: the first argument is the name of a service, as in aws.client(\"s3\")", 2) end
  if type(options) ~= "table" then error("aws.client: options are a table", 2) end
  local key = cache_key(service, options)
  if key and cache[key] then return cache[key] end
  check_options(options)
  local service_model, err = model.load(service)
  if not service_model then return nil, err end
  local settings
  settings, err = config.resolve(service_model.metadata.serviceId, options, options.world)
  if not settings then return nil, failure.at(err, service) end
  settings.client_context_params, settings.endpoints = options.client_context_params, { count = 0 }
  local client = setmetatable({ service = service_model.name, model = service_model, config = settings, options = options,
    shared = {} }, class_of(service_model))
  if key then remember(key, client) end
  return client
end

---Forgets the clients made so far; the next ones read the settings again.
function M.forget() cache, cached = {}, 0 end

return M
