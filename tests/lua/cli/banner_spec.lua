-- What a server says when it starts: where its tables are.
local banner = require "cli.banner"

describe("cli.banner", function()
  it("names the folders of a lake on this machine", function()
    local text = banner.text({ profile = "local", auth = "none" }, "http://127.0.0.1:1", "/lake")
    assert.matches("  data     /lake\n  source   the sample", text, 1, true)
    assert.matches("/lake2\n  source   /from\n", banner.text({ profile = "local", auth = "none", source = "/from" }, "u", "/lake2"), 1, true)
  end)

  it("names the region where the tables are AWS's", function()
    local text = banner.text({ profile = "aws", aws_region = "eu-west-1", auth = "none" }, "http://127.0.0.1:1", "/lake")
    assert.matches("  profile  aws, region eu-west-1", text, 1, true)
    assert.is_nil(text:find("/lake", 1, true))
    assert.is_nil(text:find("sample", 1, true))
  end)
end)
