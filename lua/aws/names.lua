-- Names of operations as methods: ListObjectsV2 -> list_objects_v2, as botocore and the AWS command line spell them.
local M = {}

-- "ListWebACLs" -> "list_web_acls": an acronym in the plural at the end is one word.
local function split_plural(name)
  local head, plural = name:match("^(.-)(%u%u+s)$")
  if not head or head == "" then return name end
  return head .. "_" .. plural:lower()
end

---@param name string  of an operation, waiter or parameter in the model
---@return string
function M.snake(name)
  if name:find("_", 1, true) then return name end
  name = split_plural(name)
  name = name:gsub("(.)(%u%l+)", "%1_%2")
  name = name:gsub("([%l%d])(%u)", "%1_%2")
  return name:lower()
end

return M
