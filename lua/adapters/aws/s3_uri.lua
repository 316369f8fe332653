-- s3://bucket/key, taken apart and put together.
local errors = require "lib.errors"

local M = {}

---@param uri string
---@return string|nil bucket, string|Error key   a key that is not empty ends in "/" when `folder` is asked for
function M.split(uri, folder)
  local bucket, key = uri:match("^s3a?://([^/]+)/?(.*)$")
  if not bucket then return nil, errors.new("BadS3Uri", ("'%s' is not of the form s3://bucket/prefix/"):format(uri:sub(1, 200))) end
  if folder and key ~= "" and key:sub(-1) ~= "/" then key = key .. "/" end
  return bucket, key
end

---@param bucket string
---@param key string
---@return string
function M.join(bucket, key) return ("s3://%s/%s"):format(bucket, key) end

--- A layer's prefix for one run: {run} filled in.
---@param template string
---@param run string
---@return string
function M.expand(template, run) return (template:gsub("{run}", (run:gsub("%%", "%%%%")))) end

return M
