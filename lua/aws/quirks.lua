-- The services that have a file in aws/quirks/: what no model tells about them. Hooks are described in aws.call.
local M = {}

-- A list, because a file that is not there would be looked for with each new client.
local SERVICES <const> = {
  "apigateway", "autoscaling", "cloudformation", "docdb", "dynamodb", "ec2", "iam", "neptune", "rds", "route53", "s3", "s3control",
  "sqs", "sts",
}

local known = {}
for _, service in ipairs(SERVICES) do known[service] = true end

---@param service string  as the model's file is named
---@return table? hooks   operation, or "*" for all -> name of a hook -> function
function M.of(service)
  return known[service] and require("aws.quirks." .. service:gsub("%-", "_")) or nil
end

---@return string[]
function M.services() return SERVICES end

return M
