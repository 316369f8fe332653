-- aws-model: lists the services that aws.client knows, and makes model files from an installed botocore package.
local errors = require "lib.errors"
local exit_codes = require "cli.exit_codes"
local files = require "sm.files"
local suggest = require "lib.suggest"

local M = {}

local function models_folder()
  return (package.path:match("([^;]*/lua)/%?%.lua") or "lua") .. "/aws/models"
end

local function list(console)
  for _, name in ipairs(require("aws.model").services()) do console.out(name .. "\n") end
  return exit_codes.OK
end

-- The folder with data/: what was given, or botocore/ below it.
local function botocore_root(given)
  if not given then
    return nil, errors.new("Usage", "say where botocore is: --botocore DIR (./sewing aws-model installs the pinned one by itself)")
  end
  for _, folder in ipairs { given, given .. "/botocore" } do
    if files.exists(folder .. "/data/partitions.json") == true then return folder end
  end
  return nil, errors.new("NotFound", "no botocore package at " .. given .. " (it holds data/partitions.json)")
end

local function unknown(root, service)
  local known = require("aws.generate.botocore").services(root)
  return errors.new("NotFound", ("botocore has no service '%s'%s"):format(service, suggest.hint(service, known)))
end

local function write_models(console, root, services)
  local records = require "aws.generate.records"
  for _, service in ipairs(services) do
    local text, message = records.of_service(root, service)
    if not text then return nil, message and unknown(root, service) end
    local path = models_folder() .. "/" .. service .. ".txt"
    local ok, wrong = files.write_atomic(path, text)
    if not ok then return nil, errors.new("InternalError", wrong) end
    console.say(("%s: %d KB\n"):format(path, (#text + 1023) // 1024))
  end
  return true
end

local function write_partitions(root)
  local text = require("aws.generate.partitions").of_botocore(root)
  return files.write_atomic(models_folder() .. "/_partitions.txt", text)
end

---@param console table
---@param parsed table
---@return integer?
---@return Error?
function M.run(console, parsed)
  local what = parsed[1] or "list"
  if what == "list" then return list(console) end
  if what ~= "add" and what ~= "update" then
    return nil, errors.new("Usage", ("aws-model list, add or update, not '%s'"):format(what))
  end
  local root, err = botocore_root(parsed.botocore)
  if not root then return nil, err end
  local services = what == "update" and require("aws.model").services() or table.move(parsed, 2, #parsed, 1, {})
  if #services == 0 then return nil, errors.new("Usage", "say which service: sewing aws-model add SERVICE") end
  local ok
  ok, err = write_models(console, root, services)
  if not ok then return nil, err end
  if what == "update" then
    local wrong
    ok, wrong = write_partitions(root)
    if not ok then return nil, errors.new("InternalError", wrong) end
  end
  return exit_codes.OK
end

return M
