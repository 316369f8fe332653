-- The description of the API that is made from routes and shapes.
local openapi = require "lib.openapi"
local shape = require "lib.shape"
local test_api = require "test_api"

local use_cases = {
  run = { summary = "Start.", input = shape.object { run = shape.date { optional = true },
    idempotency_key = shape.string { optional = true, doc = "once" } } },
  list = { summary = "List.", input = shape.object { limit = shape.integer { min = 1, max = 100, default = 10 } },
    output = shape.object { item_list = shape.list(shape.string()) } },
  one = { summary = "One.", input = shape.object { job_id = shape.string() } },
  create = { summary = "Make.", input = shape.object { title = shape.string { min = 1 } } },
}

local document = openapi.build(test_api.routes, function(name) return use_cases[name] end, { title = "t", version = "1", secured = true })

local function refs_of(value, out)
  if type(value) ~= "table" then return out end
  if value["$ref"] then out[#out + 1] = value["$ref"] end
  for _, item in pairs(value) do refs_of(item, out) end
  return out
end

describe("lib.openapi", function()
  it("is version 3.1", function() assert.are.equal("3.1.0", document.openapi) end)
  for _, route in ipairs(test_api.routes) do
    it(("has %s %s"):format(route.method, route.pattern), function()
      local path = route.pattern:gsub("{job_id}", "{jobId}"):gsub("{path%.%.%.}", "{path}")
      local operation = document.paths[path][route.method:lower()]
      assert.is_string(operation.operationId)
      assert.is_string(operation.summary)
      assert.is_table(operation.responses[tostring(route.status)])
      assert.are.equal("#/components/schemas/Error", operation.responses["400"].content["application/json"].schema["$ref"])
      for _, name in ipairs { "path", "job_id" } do
        if route.pattern:find("{" .. name, 1, true) then
          assert.are.equal("path", operation.parameters[1]["in"])
          assert.is_true(operation.parameters[1].required)
        end
      end
    end)
  end
  it("gives every operation a name of its own", function()
    local seen = {}
    for _, methods in pairs(document.paths) do
      for _, operation in pairs(methods) do
        assert.is_nil(seen[operation.operationId])
        seen[operation.operationId] = true
      end
    end
  end)
  it("puts body fields into the body and header fields into headers", function()
    local run = document.paths["/run"].post
    local schema = run.requestBody.content["application/json"].schema
    assert.is_table(schema.properties.run)
    assert.is_nil(schema.properties.idempotencyKey)
    assert.is_false(run.requestBody.required)
    assert.are.same({ "Idempotency-Key", "header" }, { run.parameters[1].name, run.parameters[1]["in"] })
    assert.is_true(document.paths["/items"].post.requestBody.required)
  end)
  it("puts the fields of a GET into the query", function()
    local list = document.paths["/list"].get
    assert.are.same({ "limit", "query", 10 }, { list.parameters[1].name, list.parameters[1]["in"], list.parameters[1].schema.default })
    assert.is_nil(list.requestBody)
  end)
  it("shows declared answers", function()
    assert.is_table(document.paths["/list"].get.responses["200"].content["application/json"].schema.properties.itemList)
  end)
  it("shows formats, 202, 206, 304, 416 and 429 where they happen", function()
    assert.is_table(document.paths["/query"].post.responses["200"].content["text/csv"])
    assert.is_table(document.paths["/query"].post.responses["202"])
    assert.is_table(document.paths["/list"].get.responses["304"])
    assert.is_table(document.paths["/files/{path}"].get.responses["206"])
    assert.is_table(document.paths["/files/{path}"].get.responses["416"])
    assert.is_table(document.paths["/run"].post.responses["429"])
  end)
  it("says which routes want a token", function()
    assert.is_table(document.paths["/list"].get.security)
    assert.is_nil(document.paths["/files/{path}"].get.security)
    assert.is_nil(openapi.build(test_api.routes, function() end, { title = "t", version = "1" }).components.securitySchemes)
  end)
  it("refers only to what is there", function()
    for _, ref in ipairs(refs_of(document, {})) do
      assert.is_table(document.components.schemas[ref:match("^#/components/schemas/(.+)$")])
    end
  end)
end)
