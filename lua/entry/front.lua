-- Puts routes, use cases, ports and callers together: the API of this process, whoever asks it (server or command line).
--
-- `app` comes from boot.local_profile(settings, options):
--   app.use_case(name) -> use case | nil, err     loaded on first use, again when its file has changed
--   app.ports_of(use_case) -> the ports it declared
--   app.close()
local api = require "entry.api"

local M = {}

local KEY_SET_TIMEOUT_SECONDS <const> = 10
local KEY_SET_MAX_BYTES <const> = 1 << 20

-- Reads a key set from a file or a URL.
local function key_source(place)
  if not place:find("^%a+://") then return function() return require("sm.files").read(place) end end
  return function()
    local answer, message = require("sm.http").request { method = "GET", url = place, timeout = KEY_SET_TIMEOUT_SECONDS,
      connect_timeout = KEY_SET_TIMEOUT_SECONDS, max_bytes = KEY_SET_MAX_BYTES }
    if not answer then return nil, message end
    if answer.status ~= 200 then return nil, ("%s answered %d"):format(place, answer.status) end
    return answer.body
  end
end

local function verifier(settings)
  local crypto, time, jwt = require "sm.crypto", require "sm.time", require "lib.jwt"
  local keys = jwt.key_set { load = key_source(settings.jwt_jwks), now = time.now }
  local is_file = not settings.jwt_jwks:find("^%a+://")
  local probe, err = keys:find("", "RS256")
  if not probe and is_file and err.code == "ExternalServiceError" then return nil, require("lib.errors").new("BadSetting",
    "SEWING_JWT_JWKS: " .. err.message) end
  return jwt.new { issuer = settings.jwt_issuer, audience = settings.jwt_audience, skew_seconds = settings.jwt_skew_seconds, keys = keys,
    verify_signature = crypto.verify, unbase64url = crypto.unbase64url, now = time.now }
end

-- The check of callers that the settings ask for.
---@param settings table
---@return (fun(request: table): string?, Error?)?
---@return Error?
function M.authenticator(settings)
  return require("entry.auth").from_settings(settings, {
    read_file = function(path) return require("sm.files").read(path) end,
    crypto = settings.auth ~= "none" and require "sm.crypto" or nil,
    verifier = verifier,
  })
end

-- The command line of the same user proves itself by the token in <data>/serve.json.
local function with_control_token(authenticate, token, crypto)
  if not token then return authenticate end
  local control = require("entry.auth").by_token({ token }, crypto)
  return function(request)
    if request.headers.authorization and control(request) then return "local" end
    return authenticate(request)
  end
end

local function openapi(app, settings)
  return function(self, request)
    local document = require("lib.openapi").build(self.routes, function(name)
      local use_case = app.use_case(name)
      return use_case
    end, { title = settings.service_name, version = require("version").number, server_url = request.base_url,
      secured = settings.auth ~= "none" })
    return require("lib.json").verbatim(document)
  end
end

-- Settings as use cases see them: no secrets.
---@param settings table
---@return table
function M.visible(settings)
  local out = {}
  for key, value in pairs(settings) do out[key] = value end
  out.token, out.token_file, out.given = nil, nil, nil
  return out
end

-- The text of a script by the name that errors give it: a path, or a path below the lua folder.
local function read_source(name)
  return (require("sm.bundle").read(name)) or (require("sm.files").read(name))
end

---@param settings table
---@param app table
---@param options table?   control_token: accepted beside the configured authentication; trusted: nobody is asked; authenticate: who
---  is asked instead; routes: of the list, those that are served; keep_deadline: the time of a request is set by others
---@return table? api
---@return Error?
function M.build(settings, app, options)
  options = options or {}
  local authenticate, err = options.authenticate
  if not authenticate and options.trusted then
    authenticate = function() return "local" end
  elseif not authenticate then
    authenticate, err = M.authenticator(settings)
    if not authenticate then return nil, err end
    if settings.auth ~= "none" then
      authenticate = with_control_token(authenticate, options.control_token, require "sm.crypto")
    end
  end
  return api.new {
    routes = options.routes or require("routes").list, use_case = app.use_case, ports_of = app.ports_of, authenticate = authenticate,
    settings = M.visible(settings), allowed_origin = settings.allowed_origin, max_body_bytes = settings.max_body_bytes,
    health_open = settings.health_open, built_in = { openapi = openapi(app, settings) },
    version = require("version").number,
    read_source = read_source, set_deadline = not (options.trusted or options.keep_deadline) and require("sm.task").set_deadline or nil,
    sha256 = function(s) return require("sm.crypto").sha256(s) end,
  }
end

return M
