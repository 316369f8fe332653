-- Models: what a file gives, and the same from a description.
local model = require "aws.model"
local ordered = require "aws.generate.ordered_json"

describe("aws.model", function()
  it("gives operations by their names and as methods", function()
    local m = assert(model.load("dynamodb"))
    assert.are.equal("json", m.metadata.protocol)
    assert.are.equal(m:operation("PutItem"), m:method("put_item"))
    assert.are.equal("POST", m:operation("PutItem").http.method)
    assert.is_nil(m:operation("Put_Item"))
    assert.is_nil(m:operation("NoSuch"))
  end)

  it("gives shapes once, with members in order and by name", function()
    local m = assert(model.load("dynamodb"))
    local shape = m:shape(m:operation("PutItem").input.shape)
    assert.are.equal(shape, m:shape("PutItemInput"))
    assert.are.equal("TableName", shape.members[1].name)
    assert.are.equal("Item", shape.members[2].name)
    assert.are.equal(shape.members[2], shape.by_name.Item)
    assert.are.equal("map", shape.by_name.Item.type)
    assert.are.equal("structure", m:shape(shape.by_name.Item.shape).value.type)
    assert.are.same({ "TableName", "Item" }, shape.required)
    assert.is_nil(m:shape("NoSuch"))
  end)

  it("traits of folded scalars are on the reference", function()
    local m = assert(model.load("s3"))
    local member = m:shape("PutObjectRequest").by_name.Body
    assert.are.equal("blob", member.type)
    assert.is_true(member.streaming)
    assert.is_nil(member.shape)
    assert.are.equal("iso8601", m:shape("LifecycleExpiration").by_name.Date.timestampFormat)
  end)

  it("S3's bucket is not in the path: the endpoint has it", function()
    local m = assert(model.load("s3"))
    assert.are.equal("/{Key+}", m:operation("GetObject").http.requestUri)
    assert.are.equal("/?list-type=2", m:operation("ListObjectsV2").http.requestUri)
    assert.are.equal("/", m:operation("ListBuckets").http.requestUri:match("^[^?]*"))
  end)

  it("says that there is no such service, with the nearest", function()
    local none, err = model.load("dynamodbs")
    assert.is_nil(none)
    assert.are.equal("config", err.kind)
    assert.matches("did you mean 'dynamodb'", err.message)
    for _, name in ipairs { "../secret", "", "_partitions", "S3" } do
      none, err = model.load(name)
      assert.is_nil(none)
      assert.are.equal("UnknownService", err.code)
    end
  end)

  it("refuses a file that it cannot read", function()
    local files = require "sm.files"
    local dir, path = assert(files.temp_dir()), package.path
    package.path = dir .. "/?.lua;" .. path
    assert(files.mkdir(dir .. "/aws/models"))
    for name, text in pairs { oldish = 'metadata\t{"format":0}\n', nonsense = "hello\n", empty = "" } do
      assert(files.write(("%s/aws/models/%s.txt"):format(dir, name), text))
      local none, err = model.load(name)
      assert.is_nil(none)
      assert.are.equal("UnreadableModel", err.code)
      assert.matches(name, err.message)
    end
    package.path = path
    files.remove_tree(dir)
  end)

  it("names of other kinds lead to the file's", function()
    assert.are.equal("cloudwatch", assert(model.load("monitoring")).name)
  end)

  it("is made from a description, in the order of its members", function()
    local m = model.from_service(ordered.decode([[{
      "metadata": {"protocol": "query", "endpointPrefix": "x"},
      "operations": {"DoIt": {"name": "DoIt", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "In"}}},
      "shapes": {
        "In": {"type": "structure", "required": ["z"], "members": {"z": {"shape": "S"}, "a": {"shape": "L"}, "m": {"shape": "In"},
          "t": {"shape": "T", "timestampFormat": "iso8601"}}},
        "S": {"type": "string", "documentation": "no", "enum": ["a"]}, "T": {"type": "timestamp", "timestampFormat": "rfc822"},
        "L": {"type": "list", "member": {"shape": "S", "locationName": "item"}, "flattened": true},
        "Lost": {"type": "structure", "members": {}}}}]]))
    local shape = m:shape("In")
    local names = {}
    for i, member in ipairs(shape.members) do names[i] = member.name end
    assert.are.same({ "z", "a", "m", "t" }, names)
    assert.are.same({ type = "string", name = "z" }, shape.by_name.z)
    assert.are.equal("iso8601", shape.by_name.t.timestampFormat)
    assert.are.equal("In", shape.by_name.m.shape)
    assert.are.same({ type = "string", locationName = "item" }, m:shape("L").member)
    assert.is_true(m:shape("L").flattened)
    assert.is_nil(m:shape("Lost"))
    assert.are.same({ "DoIt" }, m:operations())
  end)
end)

describe("every model", function()
  for _, name in ipairs(model.services()) do
    it(name .. " is whole: each reference leads to a shape", function()
      local m = assert(model.load(name))
      local function check(ref, where) if ref and ref.shape then assert.is_table(m:shape(ref.shape), where .. " " .. ref.shape) end end
      for _, key in ipairs(m.names("shape.")) do
        local shape = m:shape(key)
        for _, member in ipairs(shape.members or {}) do check(member, key) end
        check(shape.member, key)
        check(shape.key, key)
        check(shape.value, key)
      end
      for _, method in ipairs(m:methods()) do
        local operation = m:method(method)
        assert.are.equal(method, m:method_name(operation.name))
        check(operation.input, method)
        check(operation.output, method)
        for _, shape in ipairs(operation.errors or {}) do assert.is_table(m:shape(shape)) end
      end
    end)
  end
end)
