-- Paths and methods to routes.
local router = require "router"

local function route(method, pattern) return { method = method, pattern = pattern } end

local r = router.new {
  route("GET", "/"), route("GET", "/health"), route("GET", "/runs"), route("POST", "/run"), route("GET", "/runs/{id}"),
  route("DELETE", "/runs/{id}"), route("POST", "/runs/{id}/retry"), route("GET", "/runs/latest"), route("GET", "/files/{path...}"),
  route("GET", "/a/{x}/c"), route("GET", "/a/b/{y}"), route("GET", "/s/{db}/{table}"), route("POST", "/m"), route("POST", "/m/undo"),
}

local function found(method, path) return (r:match(method, path) or {}).pattern end

describe("router", function()
  for _, case in ipairs {
    { "GET", "/", "/" }, { "GET", "/health", "/health" }, { "HEAD", "/health", "/health" }, { "GET", "/health/", "/health" },
    { "GET", "/runs/7", "/runs/{id}" }, { "GET", "/runs/7/", "/runs/{id}" }, { "DELETE", "/runs/7", "/runs/{id}" },
    { "POST", "/runs/7/retry", "/runs/{id}/retry" }, { "GET", "/files/a/b/c.parquet", "/files/{path...}" },
    { "POST", "/m/undo", "/m/undo" }, { "GET", "/s/gold/t", "/s/{db}/{table}" },
  } do
    it(("%s %s is %s"):format(case[1], case[2], case[3]), function() assert.are.equal(case[3], found(case[1], case[2])) end)
  end

  for _, path in ipairs { "/nope", "/health/x", "//health", "/runs//retry", "/s/gold", "health", "", "/HEALTH", "/runs/7/retry/x" } do
    it("does not know '" .. path .. "'", function()
      local hit, _, problem, node = r:match("GET", path)
      assert.is_nil(hit)
      assert.are.equal("path", problem)
      assert.is_nil(node)
    end)
  end

  it("lets static segments win", function()
    assert.are.equal("/runs/latest", found("GET", "/runs/latest"))
    assert.are.equal("/a/b/{y}", found("GET", "/a/b/z"))
  end)

  it("goes back to a parameter when the static branch ends nowhere", function()
    local hit, params = r:match("GET", "/a/q/c")
    assert.are.equal("/a/{x}/c", hit.pattern)
    assert.are.same({ x = "q" }, params)
    -- /a/b/c: both patterns fit, the static second segment decides
    assert.are.equal("/a/b/{y}", found("GET", "/a/b/c"))
  end)

  it("names the methods of a known path", function()
    local hit, _, problem, node = r:match("PUT", "/runs/7")
    assert.is_nil(hit)
    assert.are.same({ "method", "DELETE,GET,HEAD,OPTIONS" }, { problem, node.allow })
    assert.are.equal("OPTIONS,POST", select(4, r:match("GET", "/run")).allow)
    assert.are.equal("OPTIONS,POST", select(4, r:match("HEAD", "/run")).allow)
    assert.are.equal("GET,HEAD,OPTIONS", select(4, r:match("OPTIONS", "/health")).allow)
  end)

  it("says the methods for a preflight as the contract writes them", function()
    assert.are.equal("DELETE,GET,OPTIONS", r:node("/runs/9").cors_methods)
    assert.are.equal("OPTIONS,POST", r:node("/run/").cors_methods)
    assert.are.equal("GET,OPTIONS", r:node("/health").cors_methods)
    assert.is_nil(r:node("/nope"))
  end)

  it("decodes a parameter exactly once", function()
    assert.are.same({ id = "a/b c" }, select(2, r:match("GET", "/runs/a%2Fb%20c")))
    assert.are.same({ id = "%20" }, select(2, r:match("GET", "/runs/%2520")))
    assert.are.same({ id = "a+b" }, select(2, r:match("GET", "/runs/a+b")))
    assert.are.same({ path = "x/../y" }, select(2, r:match("GET", "/files/x/%2e%2e/y")))
  end)

  for _, path in ipairs { "/runs/%", "/runs/%zz", "/runs/a%2", "/s/%4/x" } do
    it("refuses the broken escape in " .. path, function() assert.are.equal("escape", select(3, r:match("GET", path))) end)
  end

  it("gives no parameters for a static path", function() assert.is_nil(select(2, r:match("GET", "/health"))) end)

  it("refuses two routes of one method and shape", function()
    assert.has_error(function() router.new { route("GET", "/a/{x}"), route("GET", "/a/{y}") } end)
  end)

  it("keeps the parameter names of each method apart", function()
    local two = router.new { route("GET", "/a/{x}"), route("DELETE", "/a/{y}") }
    assert.are.same({ x = "1" }, select(2, two:match("GET", "/a/1")))
    assert.are.same({ y = "1" }, select(2, two:match("DELETE", "/a/1")))
  end)

  it("answers ten thousand segments in linear time", function()
    local started = os.clock()
    r:match("GET", ("/a"):rep(10000))
    r:match("GET", "/files" .. ("/a"):rep(10000))
    assert.is_true(os.clock() - started < 1)
  end)
end)
