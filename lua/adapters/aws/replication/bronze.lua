-- What a load has left on S3, as partitions that can be queried.
local errors = require "lib.errors"
local parquet_schema = require "adapters.aws.parquet_schema"
local s3_uri = require "adapters.aws.s3_uri"

local M = {}

--- Whether every run has a folder of its own.
---@param template string
---@return boolean
function M.is_by_run(template) return template:find("{run}", 1, true) ~= nil end

--- The folder of a run in its bucket, as DMS is told: without a slash at its end.
---@param template string
---@param run string
---@return string
function M.folder(template, run)
  local _, key = s3_uri.split(s3_uri.expand(template, run))
  return (key:gsub("/+$", ""))
end

-- DMS writes schema/table below its folder; dbo_resident is dbo/resident unless it says another spelling.
local function location_of(template, source, run, counted)
  local schema, name = source.bronze:match("^([^_]+)_(.+)$")
  if counted then schema, name = counted.schema, counted.name end
  local base = s3_uri.expand(template, run):gsub("/+$", "")
  return schema and ("%s/%s/%s/"):format(base, schema, name) or ("%s/%s/"):format(base, source.bronze)
end

-- The columns as DMS has written them; those of the pipeline's list when there is no file to look into.
local function columns_of(api, source, location)
  local found, err = parquet_schema.of_folder(api, location)
  if err then return nil, err end
  if not found then return source.columns end
  local has = {}
  for _, column in ipairs(found) do has[column.name] = true end
  for _, column in ipairs(source.columns) do
    if not has[column.name] then
      return nil, errors.new("ExternalServiceError", ("%s lacks the column '%s'"):format(source.bronze, column.name))
    end
  end
  return found
end

--- What the catalog is asked to register for a source.
---@param api table
---@param template string   of the bronze layer
---@param source table      of the pipeline
---@param run string
---@param counted table?    {schema, name} as DMS spells them
---@return table|nil request, Error?
function M.request(api, template, source, run, counted)
  local location = location_of(template, source, run, counted)
  local columns, err = columns_of(api, source, location)
  if not columns then return nil, err end
  return { database = "bronze", table = source.bronze, columns = columns, partition = { run = run }, location = location,
    sole = not M.is_by_run(template) }
end

return M
