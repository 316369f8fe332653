-- The files ~/.aws/config and ~/.aws/credentials: their syntax, where they lie, how they are joined.
--
-- A line is blank, a comment (its first character that is no blank is # or ;), a section ([profile x]), a property (name = value), or a
-- continuation (it begins with white space) of the property above. A property without a value that is continued is a block
-- of sub-properties; its text keeps the lines, and `nested` takes it apart. Comments after a value need white space before.
local failure = require "aws.failure"
local worlds = require "aws.world"

local M = {}

---@class aws.ProfileSet
---@field profiles table<string, table<string, string>>
---@field sso_sessions table<string, table<string, string>>
---@field services table<string, table<string, string>>
---@field files string[]   those that were there

local NAME <const> = "^[%w%-/%.%%@_:+]+$"

local Parser = {}
Parser.__index = Parser

function Parser:fail(message)
  self.failure = failure.new { kind = "config", code = "InvalidProfileFile",
    message = ("could not parse profile file %s, line %d: %s"):format(self.path, self.line, message) }
  return nil, self.failure
end

local function trim(text) return text:match("^%s*(.-)%s*$") end

-- ---- sections ----

-- A name as people write it, with quotes or without; nil when it is none.
local function section_name(text)
  local quoted = text:match('^"([^"]+)"$') or text:match("^'([^']+)'$")
  if quoted then return quoted end
  return text:find(NAME) and text or nil
end

-- What the words between the brackets mean: kind of section and its name.
local function section_of(kind, words)
  local prefix, rest = words:match("^(%S+)%s+(.+)$")
  if kind == "credentials" then
    local name = not prefix and section_name(words) or words:match('^"[^"]+"$') and section_name(words)
    return name and "profiles", name
  end
  if words == "default" then return "bare_default", "default" end
  if prefix == "profile" then return "profiles", section_name(rest) end
  if prefix == "sso-session" then return "sso_sessions", section_name(rest) end
  if prefix == "services" then return "services", section_name(rest) end
end

function Parser:section(line)
  local words = line:match("^%[(.-)%]%s*$") or line:match("^%[(.-)%]%s*[#;]")
  if not words then return self:fail("Profile definition must end with ']'") end
  local group, name = section_of(self.kind, trim(words))
  self.property = nil
  if not name then -- somebody else's section, or a name that cannot be: its lines are not ours
    self.current = {}
    return true
  end
  local list = self.set[group]
  list[name] = list[name] or {}
  self.current = list[name]
  return true
end

-- ---- properties ----

function Parser:add(line)
  if not self.current then return self:fail("Expected a profile definition, found something else") end
  local name, value = line:match("^(.-)=(.*)$")
  if not name then return self:fail("Expected an '=' sign defining a property") end
  name = trim(name):lower()
  if name == "" then return self:fail("Property did not have a name") end
  self.property = name:find(NAME) and name or false
  value = value:gsub("%s[#;].*$", "")
  self.is_block = trim(value) == ""
  if self.property then self.current[self.property] = trim(value) end
  return true
end

function Parser:continue(line)
  if not self.current then return self:fail("Expected a profile definition, found a continuation") end
  if self.property == nil then return self:fail("Expected a property definition, found continuation") end
  local text = trim(line)
  if self.is_block then
    local name = text:match("^(.-)=")
    if not name then return self:fail("Expected an '=' sign defining a sub-property") end
    if trim(name) == "" then return self:fail("Sub-property did not have a name") end
  end
  if self.property then self.current[self.property] = self.current[self.property] .. "\n" .. text end
  return true
end

function Parser:take(line)
  if not line:find("%S") or line:find("^%s*[#;]") then return true end
  if line:find("^%s") then return self:continue(line) end
  if line:find("^%[") then return self:section(line) end
  return self:add(line)
end

---@param text string
---@param kind "config"|"credentials"
---@param path string    for messages
---@return aws.ProfileSet? set
---@return aws.Failure? failure  with file and line
function M.parse(text, kind, path)
  local set = { profiles = {}, sso_sessions = {}, services = {}, bare_default = {} }
  local parser = setmetatable({ set = set, kind = kind, path = path, line = 0 }, Parser)
  if text:sub(1, 3) == "\xEF\xBB\xBF" then text = text:sub(4) end
  for line in text:gmatch("([^\n]*)\n?") do
    parser.line = parser.line + 1
    if line:find("%z") then return parser:fail("Expected text, found a NUL byte") end
    local ok, err = parser:take(line:gsub("\r$", ""), nil)
    if not ok then return nil, err end
  end
  -- [profile default] makes [default] of the same file void.
  set.profiles.default = set.profiles.default or set.bare_default.default
  set.bare_default = nil
  return set
end

---The block of sub-properties in a property's text.
---@param text string
---@return table<string, string>
function M.nested(text)
  local out = {}
  for line in text:gmatch("[^\n]+") do
    local name, value = line:match("^%s*(.-)%s*=%s*(.-)%s*$")
    if name and name ~= "" then out[name:lower()] = value end
  end
  return out
end

local function merge_into(target, source)
  for name, properties in pairs(source) do
    target[name] = target[name] or {}
    for key, value in pairs(properties) do target[name][key] = value end
  end
end

---The credentials file's properties win over those of the configuration file.
---@param config aws.ProfileSet
---@param credentials aws.ProfileSet
---@return aws.ProfileSet
function M.merge(config, credentials)
  local out = { profiles = {}, sso_sessions = {}, services = {}, files = {} }
  for _, set in ipairs { config, credentials } do
    for _, group in ipairs { "profiles", "sso_sessions", "services" } do merge_into(out[group], set[group]) end
  end
  return out
end

-- ---- where the files are ----

local function home_of(world)
  local home = worlds.text(world, "HOME")
  if home then return home end
  if world.platform ~= "windows" then return nil end
  home = worlds.text(world, "USERPROFILE")
  if home then return home end
  local drive, path = worlds.text(world, "HOMEDRIVE"), worlds.text(world, "HOMEPATH")
  return drive and path and drive .. path or nil
end

local function expand(path, home, separator)
  local rest = path:match("^~[/\\](.*)$")
  if rest and home then return home .. separator .. rest end
  return path
end

---@class aws.ProfileLocations
---@field config string?
---@field credentials string?
---@field home string?
---@field profile string    the name that the environment chooses

---@param world aws.World
---@return aws.ProfileLocations
function M.locations(world)
  local home, separator = home_of(world), world.platform == "windows" and "\\" or "/"
  local function place(variable, name)
    local given = worlds.text(world, variable)
    if given then return expand(given, home, separator) end
    return home and table.concat({ home, ".aws", name }, separator) or nil
  end
  return {
    config = place("AWS_CONFIG_FILE", "config"), credentials = place("AWS_SHARED_CREDENTIALS_FILE", "credentials"), home = home,
    profile = worlds.text(world, "AWS_PROFILE") or worlds.text(world, "AWS_DEFAULT_PROFILE") or "default",
  }
end

-- ---- the whole ----

local EMPTY <const> = { profiles = {}, sso_sessions = {}, services = {} }

local function read(world, path, kind)
  if not path then return EMPTY, false end
  local text, message, code = world.read_file(path)
  if text then
    local set, err = M.parse(text, kind, path)
    return set, set and true or err
  end
  if code == "not_found" then return EMPTY, false end
  return nil, failure.new { kind = "config", code = "UnreadableProfileFile", message = ("%s: %s"):format(path, message or "unreadable") }
end

local function load_files(world)
  local places = M.locations(world)
  local config, config_there = read(world, places.config, "config")
  if not config then return nil, config_there end
  local credentials, credentials_there = read(world, places.credentials, "credentials")
  if not credentials then return nil, credentials_there end
  local set = M.merge(config, credentials)
  if config_there then table.insert(set.files, places.config) end
  if credentials_there then table.insert(set.files, places.credentials) end
  return set
end

-- Worlds that asked before, so that the clients of a process read the files once.
local loaded = setmetatable({}, { __mode = "k" })

---Both files, read once per world. A file that is not there is empty.
---@param world aws.World
---@return aws.ProfileSet? set
---@return aws.Failure? failure
function M.load(world)
  local set, err = loaded[world], nil
  if not set then
    set, err = load_files(world)
    loaded[world] = set
  end
  return set, err
end

---Reads the files anew: somebody has changed them, or the process was restored elsewhere.
---@param world aws.World
---@return aws.ProfileSet? set
---@return aws.Failure? failure
function M.reload(world)
  loaded[world] = nil
  return M.load(world)
end

return M
