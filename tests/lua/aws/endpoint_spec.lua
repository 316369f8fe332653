-- Where requests go: settings, arguments and rules together. The rules themselves are judged by the conformance suite.
local endpoint = require "aws.endpoint"
local model = require "aws.model"

local function resolve(service, operation, params, config)
  local m = assert(model.load(service))
  local merged = { region = "eu-west-1", account_id_endpoint_mode = "preferred" }
  for name, value in pairs(config or {}) do merged[name] = value end
  if config and config.no_region then merged.region = nil end
  return endpoint.resolve(m, assert(m:operation(operation)), params or {}, merged)
end

local function url(...) return assert(resolve(...)).url end

describe("aws.endpoint", function()
  it("knows hosts of regions and partitions, also of regions nobody has heard of", function()
    for region, expected in pairs { ["eu-west-1"] = "https://athena.eu-west-1.amazonaws.com",
      ["cn-north-1"] = "https://athena.cn-north-1.amazonaws.com.cn", ["us-gov-west-1"] = "https://athena.us-gov-west-1.amazonaws.com",
      ["eu-north-9"] = "https://athena.eu-north-9.amazonaws.com", ["us-iso-east-1"] = "https://athena.us-iso-east-1.c2s.ic.gov",
      ["mars-1"] = "https://athena.mars-1.amazonaws.com" } do
      assert.are.equal(expected, url("athena", "StartQueryExecution", {}, { region = region }))
    end
  end)

  it("FIPS and dual stack", function()
    assert.are.equal("https://athena-fips.us-east-1.amazonaws.com", url("athena", "StartQueryExecution", {}, { region = "us-east-1", use_fips = true }))
    assert.are.equal("https://athena.eu-west-1.api.aws", url("athena", "StartQueryExecution", {}, { use_dualstack = true }))
    assert.are.equal("http://127.0.0.1:9", url("athena", "StartQueryExecution", {}, { endpoint_url = "http://127.0.0.1:9", use_fips = true }))
  end)

  it("S3 puts the bucket where it fits", function()
    for bucket, expected in pairs { ["lake-data"] = "https://lake-data.s3.eu-west-1.amazonaws.com", ["my.lake"] = "https://s3.eu-west-1.amazonaws.com/my.lake",
      Upper = "https://s3.eu-west-1.amazonaws.com/Upper", ["arn:aws:s3:eu-west-1:123456789012:accesspoint/ap"] = "https://ap-123456789012.s3-accesspoint.eu-west-1.amazonaws.com" } do
      assert.are.equal(expected, url("s3", "GetObject", { Bucket = bucket, Key = "k" }))
    end
    assert.are.equal("https://s3.eu-west-1.amazonaws.com/lake", url("s3", "GetObject", { Bucket = "lake", Key = "k" }, { s3 = { addressing_style = "path" } }))
    assert.are.equal("http://127.0.0.1:9/lake", url("s3", "GetObject", { Bucket = "lake", Key = "k" }, { endpoint_url = "http://127.0.0.1:9" }))
    assert.are.equal("https://lake.s3-accelerate.amazonaws.com", url("s3", "GetObject", { Bucket = "lake", Key = "k" }, { s3 = { accelerate = true } }))
    assert.are.equal("https://lake.s3.dualstack.eu-west-1.amazonaws.com", url("s3", "GetObject", { Bucket = "lake", Key = "k" }, { s3 = { use_dualstack = true } }))
    assert.are.equal("https://s3.eu-west-1.amazonaws.com/lake", url("s3", "GetBucketLocation", { Bucket = "lake" }))
  end)

  it("us-east-1 is a region like others, for S3 and STS, unless the old way is asked for", function()
    assert.are.equal("https://lake.s3.us-east-1.amazonaws.com", url("s3", "GetObject", { Bucket = "lake", Key = "k" }, { region = "us-east-1" }))
    assert.are.equal("https://lake.s3.amazonaws.com", url("s3", "GetObject", { Bucket = "lake", Key = "k" },
      { region = "us-east-1", s3 = { us_east_1_regional_endpoint = "legacy" } }))
    assert.are.equal("https://sts.eu-west-1.amazonaws.com", url("sts", "GetCallerIdentity", {}, { sts_regional = "regional" }))
    local legacy = assert(resolve("sts", "GetCallerIdentity", {}, { sts_regional = "legacy" }))
    assert.are.same({ "https://sts.amazonaws.com", "us-east-1" }, { legacy.url, legacy.signing.region })
  end)

  it("DynamoDB's hosts carry the account when the credentials know it", function()
    local params = { TableName = "t" }
    assert.are.equal("https://dynamodb.eu-west-1.amazonaws.com", url("dynamodb", "GetItem", params))
    assert.are.equal("https://123456789012.ddb.eu-west-1.amazonaws.com", url("dynamodb", "GetItem", params, { account_id = function() return "123456789012" end }))
    assert.are.equal("https://dynamodb.eu-west-1.amazonaws.com", url("dynamodb", "GetItem", params, { account_id = "123456789012", account_id_endpoint_mode = "disabled" }))
    local none, err = resolve("dynamodb", "GetItem", params, { account_id_endpoint_mode = "required" })
    assert.is_nil(none)
    assert.are.equal("config", err.kind)
  end)

  it("says how to sign", function()
    local signing = assert(resolve("s3", "GetObject", { Bucket = "b-b", Key = "k" })).signing
    assert.are.same({ scheme = "v4", name = "s3", region = "eu-west-1", double_encode = false }, signing)
    signing = assert(resolve("cloudwatch", "PutMetricData", {})).signing
    assert.are.same({ "monitoring", true }, { signing.name, signing.double_encode })
    assert.are.equal("bedrock", assert(resolve("bedrock-runtime", "InvokeModel", {})).signing.name)
    assert.are.equal("none", assert(resolve("sts", "AssumeRoleWithWebIdentity", {})).signing.scheme)
    assert.are.equal("v4a", assert(resolve("s3", "GetObject", { Bucket = "arn:aws:s3::123456789012:accesspoint/x.mrap", Key = "k" })).signing.scheme)
    assert.are.equal("v4-s3express", assert(resolve("s3", "GetObject", { Bucket = "data--euw1-az1--x-s3", Key = "k" })).signing.scheme)
  end)

  it("signs as the settings prefer, where there is a choice", function()
    local prefer = { auth_scheme_preference = "sigv4a, sigv4", sigv4a_region_set = "eu-west-1,eu-west-2" }
    local signing = assert(resolve("sts", "GetCallerIdentity", {}, prefer)).signing
    assert.are.same({ "v4a", "eu-west-1,eu-west-2" }, { signing.scheme, signing.region })
    assert.are.equal("v4", assert(resolve("athena", "ListWorkGroups", {}, prefer)).signing.scheme)
  end)

  it("no region is told in words that help", function()
    for _, service in ipairs { "athena", "s3", "dynamodb" } do
      local none, err = resolve(service, service == "s3" and "ListBuckets" or service == "athena" and "ListWorkGroups" or "ListTables", {}, { no_region = true })
      assert.is_nil(none)
      assert.are.equal("NoRegion", err.code)
      assert.matches("AWS_REGION", err.message)
    end
  end)

  it("what the rules refuse is a failure of the settings", function()
    local none, err = resolve("s3", "GetObject", { Bucket = "arn:aws:s3:eu-west-1", Key = "k" })
    assert.is_nil(none)
    assert.are.equal("config", err.kind)
    none, err = resolve("athena", "ListWorkGroups", {}, { region = "not a region!" })
    assert.is_nil(none)
    assert.is_string(err.message)
  end)

  it("a bucket named nil is not taken for no bucket, nor one argument for two", function()
    assert.are.equal("https://s3.eu-west-1.amazonaws.com", url("s3", "ListBuckets"))
    assert.are.equal("https://nil.s3.eu-west-1.amazonaws.com", url("s3", "HeadBucket", { Bucket = "nil" }))
    local kept = { endpoints = { count = 0 } }
    assert.are.equal("https://aaa.s3.eu-west-1.amazonaws.com", url("s3", "GetObject", { Bucket = "aaa", Key = "b\0c" }, kept))
    assert.are_not.equal("https://aaa.s3.eu-west-1.amazonaws.com", url("s3", "GetObject", { Bucket = "aaa\0b", Key = "c" }, kept))
  end)

  -- Whatever stands in a region, an argument or an ARN: a signed request goes to a host of AWS or nowhere.
  it("no argument leads a request to another host", function()
    local hostile = { "evil.com", "evil.com/", "evil.com#", "evil.com?", "a@evil.com", "evil.com:443", "..", ".", "-", "", "a.b", "a\0b", "a b",
      "evil.com\\", "\r\nHost: evil.com", "%2f", "[::1]", "127.0.0.1", "é", "--ol-s3", "a--x-s3", "arn:aws:s3:evil.com/:123456789012:accesspoint/ap",
      "arn:aws:s3:eu-west-1:evil.com/:accesspoint/ap", "arn:aws:s3:eu-west-1:123456789012:accesspoint/evil.com/", "arn:evil.com/:s3:::b",
      "arn:aws:s3-outposts:eu-west-1:123456789012:outpost/evil.com#/accesspoint/x", "arn:aws:s3-object-lambda:eu-west-1:123456789012:accesspoint/e@f",
      "arn:aws:s3::123456789012:accesspoint/evil.com/x.mrap", "arn:aws:s3::123456789012:accesspoint:evil.com/",
      "arn:aws:kinesis:eu-west-1:evil.com/:stream/s", "arn:aws:dynamodb:evil.com/:123456789012:table/t" }
    local calls = { { "s3", "GetObject", "Bucket" }, { "s3", "ListObjectsV2", "Bucket" }, { "s3", "CreateSession", "Bucket" },
      { "kinesis", "PutRecord", "StreamARN" }, { "dynamodb", "GetItem", "TableName" }, { "events", "PutEvents", "EndpointId" } }
    for _, value in ipairs(hostile) do
      for _, call in ipairs(calls) do
        for _, config in ipairs { {}, { use_dualstack = true }, { s3 = { addressing_style = "path", accelerate = false } }, { region = value },
          { account_id = value } } do
          local found = resolve(call[1], call[2], { [call[3]] = value, Key = "k" }, config)
          local host = found and found.url:match("^https://([^/?#]*)")
          if found then
            assert.is_truthy(host and host:find("^[%w.-]+$"), found.url)
            assert.is_truthy(host:find("%.amazonaws%.com$") or host:find("%.api%.aws$") or host:find("%.on%.aws$"), found.url)
            assert.is_nil(found.url:find("[%c\128-\255@#? ]"), found.url)
          end
        end
      end
    end
  end)

  it("a client's answers are kept, and told apart by what they depend on", function()
    local config = { region = "eu-west-1", endpoints = { count = 0 } }
    local m = assert(model.load("s3"))
    local get = m:operation("GetObject")
    local one = endpoint.resolve(m, get, { Bucket = "one-one", Key = "a" }, config)
    assert.are.equal(one, endpoint.resolve(m, get, { Bucket = "one-one", Key = "b" }, config))
    assert.are_not.equal(one.url, endpoint.resolve(m, get, { Bucket = "two-two", Key = "b" }, config).url)
    config.region = "eu-west-2"
    assert.matches("eu%-west%-2", endpoint.resolve(m, get, { Bucket = "one-one", Key = "b" }, config).url)
    for i = 1, 600 do endpoint.resolve(m, get, { Bucket = "bucket-" .. i, Key = "b" }, config) end
    assert.is_true(config.endpoints.count <= 256)
  end)
end)
