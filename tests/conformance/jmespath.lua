-- The cases of the JMESPath language.
local jmespath = require "aws.jmespath"
local json = require "sm.json"
local ordered = require "aws.generate.ordered_json"
local vectors = require "conformance.support.vectors"

-- Sums of decimal fractions differ in their last bit.
local function close(expected, got)
  return math.type(expected) == "float" and type(got) == "number" and math.abs(expected - got) <= 1e-12 * math.abs(expected)
end

local function judge(case, given)
  local found, kind, message = jmespath.search(case.expression, given, ordered.keys) -- the cases expect the order in which they are written
  if case.error then return kind == case.error, ("expected the error %s, got %s %s"):format(case.error, tostring(kind), tostring(message)) end
  if kind then return false, kind .. ": " .. message end
  local expected = case.result
  if expected == json.null then expected = nil end
  if close(expected, found) then return true end
  if type(expected) == "table" and type(found) == "table" and json.is_array(expected) ~= json.is_array(found) then
    return false, "a list was expected, or an object"
  end
  local why = vectors.difference(expected, found)
  return why == nil, why
end

return {
  name = "jmespath",
  run = function(dir, report)
    for _, file in ipairs(vectors.names(dir .. "/jmespath", "%.json$")) do
      local count = 0
      for _, group in ipairs(vectors.read_ordered(dir .. "/jmespath/" .. file)) do
        for _, case in ipairs(group.cases) do
          count = count + 1
          if not case.bench then report(("%s#%d %s"):format(file, count, case.expression), judge(case, group.given)) end
        end
      end
    end
  end,
}
