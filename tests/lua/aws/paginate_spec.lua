-- Pages and items: when they end, and what is asked for each.
local failure = require "aws.failure"
local jmespath = require "aws.jmespath"
local model = require "aws.model"
local paginate = require "aws.paginate"

-- A client whose pages are given; what it was asked is kept.
local function fake(service, pages)
  local client = { service = service, model = assert(model.load(service)), asked = {} }
  function client:operation(name) return self.model:method(self.model:method_name(name)) end
  function client:call(name, params)
    self.asked[#self.asked + 1] = params
    self.name = name
    local page = pages[#self.asked]
    if failure.is(page) then return nil, page end
    return page
  end
  return client
end

local function all(iterator)
  local out = {}
  for value, err in iterator do
    if value == false then return out, err end
    out[#out + 1] = value
  end
  return out
end

describe("aws.paginate", function()
  it("asks for the next page with the token of the last one, and keeps the caller's parameters as they were", function()
    local client = fake("dynamodb", { { TableNames = { "a" }, LastEvaluatedTableName = "a" }, { TableNames = { "b" } } })
    local params = { Limit = 1 }
    assert.are.same({ "a", "b" }, all(paginate.items(client, "list_tables", params, {})))
    assert.are.equal("ListTables", client.name)
    assert.are.same({ { Limit = 1 }, { Limit = 1, ExclusiveStartTableName = "a" } }, client.asked)
    assert.are.same({ Limit = 1 }, params)
  end)

  it("a token may be a whole key, and an empty one is none", function()
    local key = { id = { S = "1" } }
    local client = fake("dynamodb", { { Items = {}, LastEvaluatedKey = key }, { Items = { 2 }, LastEvaluatedKey = {} } })
    assert.are.same({ 2 }, all(paginate.items(client, "query", { TableName = "t" }, {})))
    assert.are.same(key, client.asked[2].ExclusiveStartKey)
    assert.are.equal(2, #client.asked)
  end)

  it("several tokens go together, and one that is absent is not sent again", function()
    local client = fake("s3", {
      { IsTruncated = true, NextKeyMarker = "k", NextVersionIdMarker = "v", Versions = { 1 } },
      { IsTruncated = true, NextKeyMarker = "l", Versions = { 2 } },
      { IsTruncated = false, NextKeyMarker = "m", Versions = { 3 } } })
    assert.are.same({ 1, 2, 3 }, all(paginate.items(client, "list_object_versions", { Bucket = "b" }, {})))
    assert.are.same({ Bucket = "b", KeyMarker = "k", VersionIdMarker = "v" }, client.asked[2])
    assert.are.same({ Bucket = "b", KeyMarker = "l" }, client.asked[3])
  end)

  it("more_results decides, also against a token", function()
    local client = fake("s3", { { IsTruncated = false, Contents = { { Key = "a" } }, NextMarker = "x" } })
    assert.are.equal(1, #all(paginate.pages(client, "list_objects", { Bucket = "b" }, {})))
  end)

  it("the first of two ways to find a token counts", function()
    local client = fake("s3", { { IsTruncated = true, Contents = { { Key = "a" }, { Key = "b" } } },
      { IsTruncated = false, Contents = {} } })
    all(paginate.pages(client, "list_objects", { Bucket = "b" }, {}))
    assert.are.equal("b", client.asked[2].Marker)
  end)

  it("the same token twice is a failure, after its page", function()
    local client = fake("dynamodb", { { TableNames = { "a" }, LastEvaluatedTableName = "a" },
      { TableNames = { "b" }, LastEvaluatedTableName = "a" } })
    local pages, err = all(paginate.pages(client, "list_tables", {}, {}))
    assert.are.equal(2, #pages)
    assert.are.equal("SamePageToken", err.code)
    assert.are.equal("ListTables", err.operation)
  end)

  it("a failing request ends the pages with its failure, once", function()
    local gone = failure.new { kind = "service", code = "Gone", message = "" }
    local client = fake("dynamodb", { { TableNames = { "a" }, LastEvaluatedTableName = "a" }, gone })
    local iterator = paginate.items(client, "list_tables", {}, {})
    assert.are.equal("a", iterator())
    local item, err = iterator()
    assert.is_false(item)
    assert.are.equal(gone, err)
    assert.is_nil(iterator())
    local list
    list, err = paginate.collect(fake("dynamodb", { gone }), "list_tables", {}, {})
    assert.is_nil(list)
    assert.are.equal(gone, err)
  end)

  it("page_size is the limit parameter; starting_token and max_items bound it", function()
    local client = fake("dynamodb", { { TableNames = { "c", "d", "e" }, LastEvaluatedTableName = "e" } })
    local items = all(paginate.items(client, "list_tables", {}, { page_size = 3, starting_token = "b", max_items = 2 }))
    assert.are.same({ "c", "d" }, items)
    assert.are.same({ Limit = 3, ExclusiveStartTableName = "b" }, client.asked[1])
  end)

  it("lists under a path, and another list by name", function()
    local client = fake("athena", { { ResultSet = { Rows = { 1, 2 } } } })
    assert.are.same({ 1, 2 }, all(paginate.items(client, "get_query_results", { QueryExecutionId = "x" }, {})))
    client = fake("s3", { { IsTruncated = false, Versions = { 1 }, DeleteMarkers = { 2 } } })
    assert.are.same({ 2 }, all(paginate.items(client, "list_object_versions", { Bucket = "b" }, { result = "DeleteMarkers" })))
  end)

  it("an operation without pages says so", function()
    local list, err = all(paginate.pages(fake("dynamodb", {}), "put_item", {}, {}))
    assert.are.same({}, list)
    assert.are.equal("NotPaged", err.code)
  end)
end)

describe("every paginator of every model", function()
  for _, service in ipairs(model.services()) do
    it("of " .. service .. " names members that are there", function()
      local m = assert(model.load(service))
      for _, method in ipairs(m:methods()) do
        local definition = m:paginator(method)
        if definition then
          local input = m:shape(m:method(method).input.shape).by_name
          for _, name in ipairs(definition.input_token) do assert.is_table(input[name], method .. " " .. name) end
          assert.are.equal(#definition.input_token, #definition.output_token)
          for _, list in ipairs { definition.output_token, definition.result_key, { definition.more_results } } do
            for _, path in ipairs(list) do assert.is_nil((select(2, jmespath.search(path, {}))), path) end
          end
          if definition.limit_key then assert.is_table(input[definition.limit_key], method) end
        end
      end
    end)
  end
end)
