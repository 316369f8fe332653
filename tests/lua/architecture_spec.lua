-- Who may require whom, and what a use case may not contain. The rules of docs/architecture.md as a test.
local files = require "sm.files"

local function lua_files(folder)
  local out = {}
  for _, item in ipairs(files.walk(folder) or {}) do
    local name = type(item) == "table" and item.name or item
    if name:find("%.lua$") then out[#out + 1] = folder .. "/" .. name end
  end
  return out
end

local function read(path) return assert(files.read(path)) end

-- Comments away, so that a rule about code does not fire on an explanation.
local function code_of(source)
  return (source:gsub("%-%-%[(=*)%[.-%]%1%]", ""):gsub("%-%-[^\n]*", ""))
end

local function requires_of(source)
  local out = {}
  for name in code_of(source):gmatch("require%s*%(?%s*[\"']([%w_%.]+)[\"']") do out[#out + 1] = name end
  return out
end

-- First part of a module's name -> what its files may require: whole first parts, or names with dots.
local MAY <const> = {
  usecases = { "lib", "domain" },
  domain = { "lib", "domain" },
  lib = { "lib" },
  entry = { "lib", "entry", "router", "routes", "version", "sm" },
  adapters = { "lib", "adapters", "aws", "domain", "sm" },
  cli = { "lib", "entry", "cli", "settings", "version", "boot", "aws", "sm" },
  aws = { "lib", "aws", "version", "sm" },
  sm = { "sm" },
}

-- Files that stand at a border, each with its reason.
local EXCEPTIONS <const> = {
  ["lua/lib/json.lua"] = { "sm.json" },                                -- the codec is the host's
  ["lua/lib/log.lua"] = { "sm.time", "sm.log", "sm.task" },            -- the facade of the host's log
  ["lua/entry/lambda/house.lua"] = { "boot", "settings", "aws" },      -- where the process of a function begins
  ["lua/lib/sandbox.lua"] = { "sm" },                                  -- loads use cases inside of the host's limits
  ["lua/cli/conformance.lua"] = { "conformance" },                     -- its suites are test files
  ["lua/lib/task_extra.lua"] = { "sm" },                               -- the Lua half of sm.task
}

local function allowed(name, list)
  for _, prefix in ipairs(list or {}) do
    if name == prefix or name:sub(1, #prefix + 1) == prefix .. "." then return true end
  end
  return false
end

describe("architecture:", function()
  it("there is something to look at", function() assert.is_true(#lua_files("lua") > 30) end)

  for _, path in ipairs(lua_files("lua")) do
    local part = path:match("^lua/([%w_]+)/")
    local source = read(path)

    it(path .. " parses as text", function()
      local chunk, message = load(source, "@" .. path, "t")
      assert.is_nil(not chunk and message or nil)
    end)

    it(path .. " is readable in one sitting, in our indentation, and says what it is for", function()
      local _, lines = source:gsub("\n", "")
      assert.is_true(lines <= 700, lines .. " lines")
      assert.is_nil(source:find("\n[ ]*\t"))
      assert.is_nil(source:find("\r"))
      assert.matches("^%-%-", source)
    end)

    if part and MAY[part] then
      it(path .. " requires only what its place may", function()
        for _, name in ipairs(requires_of(source)) do
          if not allowed(name, MAY[part]) and not allowed(name, EXCEPTIONS[path]) then
            error(path .. " requires " .. name, 0)
          end
        end
      end)
    end

    it(path .. " uses no way around the rules", function()
      local code = code_of(source)
      for _, word in ipairs { "os%.execute", "io%.popen", "package%.loadlib", "debug%.set", "debug%.getregistry" } do
        assert.is_nil(code:find(word), word)
      end
    end)
  end

  for _, path in ipairs(lua_files("lua/usecases")) do
    local source = read(path)
    local code = code_of(source)

    it(path .. " has fewer than 100 lines", function()
      local _, lines = source:gsub("\n", "")
      assert.is_true(lines < 100, lines .. " lines")
    end)

    it(path .. " says what it does and what may be changed", function()
      assert.matches("What you may change here", source:match("^(.-)\nlocal"), 1, true)
    end)

    it(path .. " has no status codes, headers, vendor words, JSON or SQL text", function()
      for _, word in ipairs { "%f[%w]20[1-9]%f[%W]", "%f[%w]4[0-2][1-9]%f[%W]", "%f[%w]50[1-9]%f[%W]", "[Hh]eaders", "statusCode",
        "athena", "Athena", "dynamo", "DynamoDB", "[Dd]uck[Dd][Bb]", "sqlite", "SQLite", "lambda", "Lambda", "boto", "arn:", "s3://",
        "INSERT%s+INTO", "CREATE%s+TABLE", "DROP%s+TABLE", "DELETE%s+FROM", "json%.encode", "json%.decode" } do
        local from = code:find(word)
        if from and not code:sub(math.max(1, from - 40), from + 20):find("settings%.") then
          error(path .. " holds " .. code:match("[^\n]*" .. word .. "[^\n]*"), 0)
        end
      end
    end)

    it(path .. " declares a name, a summary, an input and ports that exist", function()
      local use_case = require(path:match("^lua/(.*)%.lua$"):gsub("/", "."))
      assert.are.equal(path:match("([%w_]+)%.lua$"), use_case.name)
      assert.matches("^%u.*%.$", use_case.summary)
      assert.are.equal("object", use_case.input.kind)
      assert.is_function(use_case.run)
      for _, port in ipairs(use_case.ports) do assert.is_table(require("ports").list[port], port) end
    end)
  end

  describe("routes", function()
    local router, input = require "router", require "entry.input"
    local list = require("routes").list
    it("make a router", function() assert.is_table(router.new(list)) end)
    for _, route in ipairs(list) do
      it(("%s %s fits its use case"):format(route.method, route.pattern), function()
        assert.matches("^%u.*%.$", route.answer)
        if route.built_in then return end
        local use_case = require("usecases.lakehouse." .. route.use_case)
        local plan = input.plan(route, use_case.input)
        for field, source in pairs(plan.sources) do
          if not use_case.input.field_shapes[field] then error(("%s of %s has no field '%s'"):format(source, use_case.name, field), 0) end
        end
      end)
    end
  end)
end)
