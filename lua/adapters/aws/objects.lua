-- Everything below a prefix of S3, removed.
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"
local json = require "lib.json"
local s3_uri = require "adapters.aws.s3_uri"

local M = {}

local MOST_PAGES <const> = 100 -- of 1,000 objects

local function remove_page(api, bucket, contents)
  local list = {}
  for i, object in ipairs(contents) do list[i] = { Key = object.Key } end
  local output, failure = api:call("s3", "delete_objects", { Bucket = bucket, Delete = { Objects = json.list(list), Quiet = true } })
  if not output then return nil, failures.error(failure, "remove files") end
  local refused = output.Errors and output.Errors[1]
  if refused then return nil, errors.new("ExternalServiceError", ("remove %s: %s"):format(refused.Key, refused.Message or refused.Code)) end
  return true
end

---@param api table
---@param folder string   s3://bucket/folder/; never a whole bucket
---@return boolean|nil, Error?
function M.remove_all(api, folder)
  local bucket, prefix = s3_uri.split(folder, true)
  if not bucket then return nil, prefix end
  if prefix == "" then return nil, errors.new("InternalError", "a whole bucket is not removed") end
  for _ = 1, MOST_PAGES do
    local output, failure = api:call("s3", "list_objects_v2", { Bucket = bucket, Prefix = prefix })
    if not output then return nil, failures.error(failure, "list " .. folder) end
    if not output.Contents or #output.Contents == 0 then return true end
    local ok, err = remove_page(api, bucket, output.Contents)
    if not ok then return nil, err end
  end
  return nil, errors.new("LimitExceeded", "too many files in " .. folder)
end

return M
