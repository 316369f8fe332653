-- The file of partitions (aws, aws-cn, ...): which region belongs to which, and how the hosts of each end.
local botocore = require "aws.generate.botocore"
local json = require "sm.json"
local partitions = require "aws.endpoint.partitions"
local records = require "aws.generate.records"

local M = {}

---@param given table  as in botocore's partitions.json
---@return string text
function M.text(given)
  local out, patterns = {}, json.array()
  for i, partition in ipairs(given.partitions) do
    local outputs = partitions.outputs(partition)
    out["partition." .. partition.id] = outputs
    patterns[i] = { name = partition.id, patterns = json.array(partitions.patterns(partition.regionRegex)) }
    for region in pairs(partition.regions) do out["region." .. region] = partition.id end
  end
  out.patterns = patterns
  return records.text(out)
end

---@param root string  the folder of the botocore package
---@return string text
function M.of_botocore(root) return M.text(botocore.partitions(root)) end

return M
