-- AWS from Lua: aws.client("dynamodb"):put_item { TableName = "locks", Item = {...} } gives the output, or nil and a failure.
-- Every operation of every service in ./sewing aws-model list is a method; docs/aws.md tells the rest.
local M = {}

---@param service string           "s3", "dynamodb", ...
---@param options aws.ClientOptions?
---@return aws.Client? client
---@return aws.Failure? failure
function M.client(service, options) return require("aws.client").new(service, options) end

---@return string[] services that can be called, sorted
function M.services() return require("aws.model").services() end

---@param value any
---@return boolean
function M.is_failure(value) return require("aws.failure").is(value) end

return M
