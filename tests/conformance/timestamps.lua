-- Times in the three formats, written and read, to the nanosecond.
local timestamp = require "aws.timestamp"
local vectors = require "conformance.support.vectors"

local function whole(text) return math.tointeger(tonumber(text)) end

local function format(case, name)
  local text, message = timestamp.format_parts(whole(case.canonical_seconds), case.canonical_nanos, name)
  if case.error then return text == nil, text end
  return text == case.smithy_format_value, ("%s, not %s"):format(text or message, case.smithy_format_value)
end

local function parse(case, name)
  local seconds, nanos = timestamp.parse_parts(case.smithy_format_value, name)
  if case.error then return seconds == nil, tostring(seconds) end
  return seconds == whole(case.canonical_seconds) and nanos == case.canonical_nanos, ("%s %s"):format(seconds, nanos)
end

return {
  name = "timestamps",
  run = function(dir, report)
    for _, file in ipairs(vectors.names(dir .. "/timestamps", "%.json$")) do
      for section, list in pairs(vectors.read_json(dir .. "/timestamps/" .. file)) do
        local verb, name = section:match "^(%a+)_(.+)$"
        local judge = verb == "format" and format or verb == "parse" and parse
        for i, case in ipairs(judge and list or {}) do
          report(("%s %d %s"):format(section, i, case.iso8601), judge(case, (name:gsub("_", "-"))))
        end
      end
    end
  end,
}
