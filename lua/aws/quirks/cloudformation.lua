-- CloudFormation: a template in JSON is given as a table; one in YAML stays a text.
local json = require "sm.json"

local function decode_template(output)
  local body = output.TemplateBody
  local value = type(body) == "string" and json.decode(body)
  if type(value) == "table" then output.TemplateBody = value end
  return output
end

return { GetTemplate = { after_parse = decode_template } }
