-- Credentials for signing: where they come from, and fresh ones in time. Providers are shared by all clients of the process.
--
-- What is loaded when: the keys of the environment need nothing else; every other source is a module of aws/credentials/
-- that is read when it is asked. A Lambda function never gets further than the environment.
local environment = require "aws.credentials.environment"
local failure = require "aws.failure"
local worlds = require "aws.world"

local M = {}

---@class aws.Credentials
---@field access_key string
---@field secret_key string
---@field session_token string?
---@field expires_at number?   seconds since 1970
---@field account_id string?
---@field source string        for people: "environment", "profile dev", "container", ...

-- Seconds before the end of their life at which new ones are looked for, and at which they must come.
local ADVISORY <const> = 15 * 60
local MANDATORY <const> = 10 * 60
-- Between two attempts while the old ones still hold.
local PAUSE_AFTER_FAILURE <const> = 30

-- Credentials shown to people are their source and the key's id, never a secret.
local Shown = { __name = "aws.Credentials" }
function Shown.__tostring(c) return ("credentials of %s (%s)"):format(c.source, c.access_key) end

---@class aws.CredentialsProvider
local Provider = {}
Provider.__index = Provider
Provider.__name = "aws.CredentialsProvider"
Provider.__tostring = function(p) return "credentials provider" .. (p.held and " with " .. tostring(p.held) or "") end

local function left(held, now) return held.expires_at and held.expires_at - now or math.huge end

-- Replaces what is held. While the old ones live, a failed attempt is not repeated at every call.
local function load(self)
  local fresh, err = self.source()
  self.attempts, self.last_failure = self.attempts + 1, err
  if fresh then
    self.held, self.not_before = getmetatable(fresh) and fresh or setmetatable(fresh, Shown), nil
    return fresh
  end
  local now = self.now()
  if self.held and left(self.held, now) > 0 then self.not_before = now + PAUSE_AFTER_FAILURE end
  return nil, err
end

local function line(self)
  self.mutex = self.mutex or require("sm.task").mutex()
  return self.mutex
end

-- One refresh at a time: who waited in line gets what the first one fetched, or its failure.
local function replace(self, old)
  local seen = self.attempts
  return line(self):with(function()
    if self.held ~= old then return self.held end
    if self.attempts ~= seen then return nil, self.last_failure end
    return load(self)
  end)
end

---@return aws.Credentials? credentials
---@return aws.Failure? failure
function Provider:get()
  local held = self.held
  if not held then return replace(self, nil) end
  if not held.expires_at then return held end
  local now = self.now()
  local life = left(held, now)
  if life > ADVISORY or self.not_before and now < self.not_before and life > 0 then return held end
  if life > MANDATORY and self.mutex and self.mutex.free == 0 then return held end -- somebody is at it
  local fresh, err = replace(self, held)
  if fresh then return fresh end
  if left(held, self.now()) > 0 then return held end
  return nil, err
end

---New credentials although the held ones should still do: the service has called them expired.
---@param refused aws.Credentials?  those that were refused; when others are held by now, these are given
---@return aws.Credentials? credentials
---@return aws.Failure? failure
function Provider:refresh(refused)
  return replace(self, refused or self.held)
end

---Forgets what is held: after a restore from a snapshot.
function Provider:forget()
  self.held, self.not_before = nil, nil
end

---A provider around a function that fetches credentials.
---@param source fun(): aws.Credentials?, aws.Failure?
---@param world aws.World?
---@return aws.CredentialsProvider
function M.new(source, world)
  return setmetatable({ source = source, now = (world or worlds.default()).now, attempts = 0 }, Provider)
end

-- ---- which source ----

local function fixed(given)
  local held = { access_key = given.access_key, secret_key = given.secret_key, session_token = given.session_token,
    account_id = given.account_id, expires_at = given.expires_at, source = given.source or "the caller" }
  return function() return held end
end

local function explicit(options)
  local given = options.credentials
  if type(given) == "table" and type(given.get) == "function" then return given end
  if type(given) ~= "table" then given = options end
  if given.access_key and given.secret_key then return M.new(fixed(given)) end
end

-- The environment first, unless the caller named a profile.
local function default_source(options, world)
  return function()
    local found = not options.profile and environment.get(world)
    if found then return found end
    return require("aws.credentials.chain").load(options, world)
  end
end

local shared = {}
local hooked = false

local function share(key, provider)
  shared[key] = provider
  if not hooked then
    hooked = true
    require("lib.restore").on(function()
      for _, one in pairs(shared) do one:forget() end
    end)
  end
  return provider
end

---The provider for a client. Those of the real world are shared: one per profile.
---@param options { credentials: table?, access_key: string?, secret_key: string?, session_token: string?, profile: string? }?
---@param world aws.World?
---@return aws.CredentialsProvider
function M.provider(options, world)
  options = options or {}
  local given = explicit(options)
  if given then return given end
  if world and world ~= worlds.default() then return M.new(default_source(options, world), world) end
  local key = options.profile or ""
  return shared[key] or share(key, M.new(default_source(options, worlds.default())))
end

---No source had any: what was looked at, and what to do.
---@param message string
---@return nil
---@return aws.Failure
function M.none(message) return failure.refuse("credentials", "NoCredentials", message) end

return M
