-- Verifies JSON Web Tokens: RS256 and ES256 only, by public keys, with issuer, audience and time checks.
-- Refused before any key is looked at: other algorithms (none, HS256 with a public key as secret), `crit` headers,
-- unsigned and encrypted tokens. The key's own type must fit the algorithm of the token.
local errors = require "lib.errors"
local json = require "lib.json"

local M = {}

local Verifier = {}
Verifier.__index = Verifier

local MAX_TOKEN_BYTES <const> = 16384
local KEY_TYPES <const> = { RS256 = "RSA", ES256 = "EC" }
local MIN_RSA_MODULUS_CHARACTERS <const> = 342 -- 2048 bits in base64url

---@class JwtOptions
---@field issuer string
---@field audience string[]
---@field skew_seconds integer
---@field keys table                 of jwt.key_set: find(kid, alg)
---@field verify_signature fun(alg: string, jwk: table, data: string, signature: string): boolean?, string?
---@field unbase64url fun(s: string): string?, string?
---@field now fun(): number

---@param options JwtOptions
---@return table verifier
function M.new(options)
  return setmetatable(options, Verifier)
end

local function refuse(why)
  return nil, errors.new("Unauthorized", "the token was refused: " .. why)
end

local function decode_part(self, part, what)
  local raw = part:find("^[%w_-]+$") and self.unbase64url(part)
  local value = raw and json.decode(raw)
  if type(value) ~= "table" then return refuse("its " .. what .. " cannot be read") end
  return value
end

local function number(value)
  return type(value) == "number" and value == value and math.abs(value) < 1e15
end

local function check_times(self, claims)
  local now, skew = self.now(), self.skew_seconds
  if not number(claims.exp) then return refuse("it has no expiry") end
  if now >= claims.exp + skew then return refuse("it has expired") end
  if claims.nbf ~= nil and (not number(claims.nbf) or now < claims.nbf - skew) then return refuse("it is not valid yet") end
  if claims.iat ~= nil and (not number(claims.iat) or now < claims.iat - skew) then return refuse("it was issued in the future") end
  return true
end

-- Access tokens of Cognito have client_id and no aud.
local function check_audience(self, claims)
  local given = claims.aud
  if given == nil then given = claims.client_id end
  if type(given) == "string" then given = { given } end
  if type(given) ~= "table" then return refuse("it names no audience") end
  for _, one in ipairs(given) do
    for _, wanted in ipairs(self.audience) do
      if one == wanted then return true end
    end
  end
  return refuse("it is for another audience")
end

local function check_claims(self, claims)
  if claims.iss ~= self.issuer then return refuse("another issuer made it") end
  if type(claims.sub) ~= "string" or claims.sub == "" or #claims.sub > 256 then return refuse("it names no subject") end
  local ok, err = check_audience(self, claims)
  if not ok then return nil, err end
  return check_times(self, claims)
end

local function check_header(header)
  local kind = KEY_TYPES[header.alg]
  if not kind then return refuse("its algorithm is not RS256 or ES256") end
  if header.crit ~= nil then return refuse("it asks for extensions that are not known here") end
  if header.kid ~= nil and type(header.kid) ~= "string" then return refuse("its key id is not text") end
  return kind
end

-- What the key says about itself must allow the use.
local function check_key(key, alg)
  if key.kty ~= KEY_TYPES[alg] then return refuse("its key is of another type") end
  if key.use ~= nil and key.use ~= "sig" then return refuse("its key is not for signatures") end
  if key.alg ~= nil and key.alg ~= alg then return refuse("its key is for another algorithm") end
  if alg == "ES256" and key.crv ~= "P-256" then return refuse("its key is on another curve") end
  if alg == "RS256" and #tostring(key.n or "") < MIN_RSA_MODULUS_CHARACTERS then return refuse("its key is too short") end
  return true
end

-- The claims of a good token.
---@param token string
---@return table? claims
---@return Error?
function Verifier:verify(token)
  if #token > MAX_TOKEN_BYTES then return refuse("it is too long") end
  local head, body, tail = token:match("^([^.]+)%.([^.]+)%.([^.]+)$")
  if not head then return refuse("it is not of the form header.claims.signature") end
  local header, err = decode_part(self, head, "header")
  if not header then return nil, err end
  local kind, wrong = check_header(header)
  if not kind then return nil, wrong end
  local key, no_key = self.keys:find(header.kid, header.alg)
  if not key then return nil, no_key end
  local fits, unfit = check_key(key, header.alg)
  if not fits then return nil, unfit end
  local signature = tail:find("^[%w_-]+$") and self.unbase64url(tail)
  if not signature or not self.verify_signature(header.alg, key, head .. "." .. body, signature) then
    return refuse("its signature is wrong")
  end
  local claims, bad_claims = decode_part(self, body, "claims")
  if not claims then return nil, bad_claims end
  local good, reason = check_claims(self, claims)
  if not good then return nil, reason end
  return claims
end

-- Key sets ------------------------------------------------------------------------------------------------------------

local KeySet = {}
KeySet.__index = KeySet

---@class KeySetOptions
---@field load fun(): string?, string?   the text of the key set (a file or a URL); may wait
---@field now fun(): number
---@field max_age_seconds integer?       after this the set is read again (default 3600)
---@field min_refresh_seconds integer?   least time between two reads caused by an unknown key id (default 30)

---@param options KeySetOptions
---@return table key_set
function M.key_set(options)
  return setmetatable({ load = options.load, now = options.now, max_age = options.max_age_seconds or 3600,
    min_refresh = options.min_refresh_seconds or 30, keys = nil, read_at = -math.huge, tried_at = -math.huge }, KeySet)
end

local function parse_keys(source)
  local document = json.decode(source)
  if type(document) ~= "table" or type(document.keys) ~= "table" then return nil end
  local keys = {}
  for _, key in ipairs(document.keys) do
    if type(key) == "table" and (key.kty == "RSA" or key.kty == "EC") then keys[#keys + 1] = key end
  end
  return keys
end

-- Reads the set again, at most once in min_refresh seconds: a stream of tokens with invented key ids must not become a
-- stream of requests. A failed read keeps the keys that are known.
local function refresh(self)
  local now = self.now()
  if now - self.tried_at < self.min_refresh then return nil, self.problem end
  self.tried_at = now
  local source, message = self.load()
  local keys = source and parse_keys(source)
  if not keys then
    self.problem = message or "it is not a JSON Web Key Set"
    return nil, self.problem
  end
  self.keys, self.read_at, self.problem = keys, now, nil
  return true
end

local function choose(keys, kid, alg)
  local fitting
  for _, key in ipairs(keys) do
    if kid and key.kid == kid then return key end
    if not kid and key.kty == KEY_TYPES[alg] and (key.alg == nil or key.alg == alg) then
      if fitting then return nil end -- several would fit: the token must say which
      fitting = key
    end
  end
  return fitting
end

---@param kid string?
---@param alg string
---@return table? jwk
---@return Error?
function KeySet:find(kid, alg)
  if not self.keys or self.now() - self.read_at >= self.max_age then refresh(self) end
  local key = self.keys and choose(self.keys, kid, alg)
  if not key and self.keys and refresh(self) then key = choose(self.keys, kid, alg) end
  if key then return key end
  if not self.keys then
    return nil, errors.new("ExternalServiceError", "the keys to check tokens with cannot be read: " .. tostring(self.problem))
  end
  return refuse(kid and "its key is not known" or "it does not say which key made it")
end

return M
