-- Who calls? One of three ways, chosen by settings: none, token, jwt. The answer is a stable caller id, or Unauthorized.
-- What touches the world (files, keys, clock, hashing) is handed in, so this file can be tried without it.
local errors = require "lib.errors"
local text = require "lib.text"

local M = {}

-- The bearer token of a request; nil and why not.
---@param headers table
---@return string?
---@return Error?
function M.bearer(headers)
  local header = headers.authorization
  if not header then return nil, errors.new("Unauthorized", "send the header Authorization: Bearer TOKEN") end
  local token = header:match("^[Bb][Ee][Aa][Rr][Ee][Rr] +([^%s,]+)%s*$")
  if not token then return nil, errors.new("Unauthorized", "the Authorization header is not of the form Bearer TOKEN") end
  return token
end

local function hex(raw)
  return (raw:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

-- Tokens are compared by their hashes, in constant time, every one of them.
---@param tokens string[]
---@param crypto table  sha256, equal
---@return fun(request: table): string?, Error?
function M.by_token(tokens, crypto)
  local known = {}
  for i, token in ipairs(tokens) do
    local digest = crypto.sha256(token)
    known[i] = { digest = digest, caller = "token-" .. hex(digest):sub(1, 16) }
  end
  return function(request)
    local token, err = M.bearer(request.headers)
    if not token then return nil, err end
    local digest, caller = crypto.sha256(token), nil
    for _, entry in ipairs(known) do
      if crypto.equal(entry.digest, digest) then caller = entry.caller end
    end
    if not caller then return nil, errors.new("Unauthorized", "the token is not known here") end
    return caller
  end
end

---@param verifier table  of lib/jwt
---@return fun(request: table): string?, Error?
function M.by_jwt(verifier)
  return function(request)
    local token, err = M.bearer(request.headers)
    if not token then return nil, err end
    local claims, refused = verifier:verify(token)
    if not claims then return nil, refused end
    return claims.sub
  end
end

-- Tokens of a file: one a line, # comments.
---@param source string
---@return string[]? tokens
---@return Error?
function M.tokens_of(source)
  local tokens = {}
  for line in (source .. "\n"):gmatch("(.-)\r?\n") do
    local token = text.trim(line)
    if token ~= "" and token:sub(1, 1) ~= "#" then
      if #token < 16 or token:find("%s") then
        return nil, errors.new("BadSetting", "a token of SEWING_TOKEN_FILE has fewer than 16 characters or holds a space")
      end
      tokens[#tokens + 1] = token
    end
  end
  if #tokens == 0 then return nil, errors.new("BadSetting", "SEWING_TOKEN_FILE holds no token") end
  return tokens
end

-- Addresses that only this machine can reach.
---@param host string
---@return boolean
function M.is_loopback(host)
  local folded = host:lower():gsub("^%[(.*)%]$", "%1")
  if folded == "localhost" or folded == "::1" or folded == "0:0:0:0:0:0:0:1" then return true end
  local a, b, c, d = folded:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  if not a then
    a, b, c, d = folded:match("^::ffff:(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  end
  return a == "127" and tonumber(b) < 256 and tonumber(c) < 256 and tonumber(d) < 256
end

-- The rule of the house: without authentication nobody but this machine may call.
---@param settings table
---@return boolean? ok
---@return Error?
function M.check_binding(settings)
  if settings.auth ~= "none" or M.is_loopback(settings.host) then return true end
  return nil, errors.new("Forbidden",
    ("will not listen on %s without authentication: anyone who reaches that address could read and change the "
    .. "lake. Use --auth token (SEWING_TOKEN_FILE) or --auth jwt (SEWING_JWT_JWKS, SEWING_JWT_ISSUER, SEWING_JWT_AUDIENCE), "
    .. "or listen on 127.0.0.1"):format(settings.host))
end

-- The function that the API asks for each request; nil with `none`. May read files and keys.
---@param settings table
---@param world table   { read_file, crypto, verifier = fun(settings) -> verifier }
---@return (fun(request: table): string?, Error?)?
---@return Error?
function M.from_settings(settings, world)
  if settings.auth == "none" then return function() return "local" end end
  if settings.auth == "jwt" then
    local verifier, err = world.verifier(settings)
    if not verifier then return nil, err end
    return M.by_jwt(verifier)
  end
  local tokens = settings.token and { settings.token } or {}
  if settings.token_file then
    local source, message = world.read_file(settings.token_file)
    if not source then return nil, errors.new("BadSetting", "SEWING_TOKEN_FILE cannot be read: " .. tostring(message)) end
    local more, err = M.tokens_of(source)
    if not more then return nil, err end
    for _, token in ipairs(more) do tokens[#tokens + 1] = token end
  end
  return M.by_token(tokens, world.crypto)
end

return M
