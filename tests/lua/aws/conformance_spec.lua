-- The published vectors, when their folder is there: every suite passes, except the cases listed with a reason.
local conformance = require "cli.conformance"
local files = require "sm.files"

describe("conformance:", function()
  local folder = conformance.default_folder()
  if files.exists(folder) ~= true then
    pending("the vectors are not at " .. folder .. " (SEWING_CONFORMANCE names another folder)")
    return
  end
  local results = assert(conformance.run_all(folder))
  for _, result in ipairs(results) do
    it(("%s passes"):format(result.name), function()
      local lines = {}
      for i, failure in ipairs(result.failed) do lines[i] = failure.case .. ": " .. failure.why end
      assert.are.equal("", table.concat(lines, "\n"))
    end)
  end

  it("a folder that is not there is said", function()
    local none, err = conformance.run_all(folder .. "/no-such-folder")
    assert.is_nil(none)
    assert.are.equal("NotFound", err.code)
  end)
end)
