-- Clients of many services and every protocol against a simulator on a real socket: calls, pages, waiters, presigned URLs, errors.
local aws = require "aws"
local http = require "sm.http"
local services = require "aws_services"

describe("clients against moto:", function()
  if not services.has("moto") then return pending("moto is not installed here (./sewing test installs it)") end

  local function client(service)
    return assert(aws.client(service, { region = services.REGION, endpoint_url = services.url("moto"),
      credentials = { access_key = "AKIDEXAMPLE", secret_key = "secret" }, s3 = { addressing_style = "path" } }))
  end

  -- S3: rest-xml
  describe("s3", function()
    local s3, bucket = nil, "lake-" .. require("sm.crypto").uuid():sub(1, 8)
    setup(function()
      s3 = client("s3")
      assert(s3:create_bucket { Bucket = bucket })
      for i = 1, 7 do assert(s3:put_object { Bucket = bucket, Key = ("gold/ü %d+.txt"):format(i), Body = "content " .. i }) end
    end)

    it("waits for what is there, and gives up on what is not", function()
      assert(s3:wait("bucket_exists", { Bucket = bucket }))
      local none, err = s3:wait("object_exists", { Bucket = bucket, Key = "none" }, { delay = 0, max_attempts = 2 })
      assert.is_nil(none)
      assert.are.equal("WaiterTimeout", err.code)
    end)

    it("pages and items", function()
      local pages = 0
      for page, err in s3:paginate("list_objects_v2", { Bucket = bucket }, { page_size = 3 }) do
        assert(page, err)
        pages = pages + 1
      end
      assert.are.equal(3, pages)
      local items = assert(s3:collect("list_objects_v2", { Bucket = bucket }, { page_size = 2 }))
      assert.are.equal(7, #items)
      assert.are.equal("gold/ü 1+.txt", items[1].Key)
      assert.are.equal(2, #assert(s3:collect("list_objects_v2", { Bucket = bucket }, { max_items = 2 })))
    end)

    it("streams a body", function()
      local output = assert(s3:get_object { Bucket = bucket, Key = "gold/ü 3+.txt" })
      local parts = {}
      for piece in output.Body do parts[#parts + 1] = piece end
      assert.are.equal("content 3", table.concat(parts))
      assert.are.equal(9, output.ContentLength)
      assert.are.equal("number", type(output.LastModified))
    end)

    it("URLs for others to read and to write", function()
      local url, ends = s3:presign("get_object", { Bucket = bucket, Key = "gold/ü 3+.txt" }, { expires = 60 })
      assert.are.equal("content 3", assert(http.request { url = url }).body)
      assert.is_true(ends > os.time() and ends <= os.time() + 61)
      url = assert(s3:presign("put_object", { Bucket = bucket, Key = "from outside" }, { expires = 60 }))
      assert.are.equal(200, assert(http.request { url = url, method = "PUT", body = "hello" }).status)
      assert.are.equal(5, assert(s3:head_object { Bucket = bucket, Key = "from outside" }).ContentLength)
    end)

    it("errors have code, status and request", function()
      local none, err, answer = s3:get_object { Bucket = bucket, Key = "none" }
      assert.is_nil(none)
      assert.are.same({ "service", "NoSuchKey", 404, "s3", "GetObject" }, { err.kind, err.code, err.status, err.service, err.operation })
      assert.are.equal(404, answer.status)
      none, err = s3:head_object { Bucket = bucket, Key = "none" }
      assert.is_nil(none)
      assert.are.equal(404, err.status)
    end)

    it("deletes many at once", function()
      local output = assert(s3:delete_objects { Bucket = bucket, Delete = { Objects = { { Key = "gold/ü 1+.txt" }, { Key = "gold/ü 2+.txt" } } } })
      assert.are.equal(2, #output.Deleted)
    end)
  end)

  it("dynamodb: json 1.0", function()
    local dynamodb, name = client("dynamodb"), "t" .. require("sm.crypto").uuid()
    assert(dynamodb:create_table { TableName = name, BillingMode = "PAY_PER_REQUEST", KeySchema = { { AttributeName = "id", KeyType = "HASH" } },
      AttributeDefinitions = { { AttributeName = "id", AttributeType = "S" } } })
    assert(dynamodb:wait("table_exists", { TableName = name }, { delay = 0.1 }))
    for i = 1, 5 do assert(dynamodb:put_item { TableName = name, Item = { id = { S = "k" .. i }, n = { N = tostring(i) } } }) end
    assert.are.equal(5, #assert(dynamodb:collect("scan", { TableName = name }, { page_size = 2 })))
    local none, err = dynamodb:put_item { TableName = name, Item = { id = { S = "k1" } }, ConditionExpression = "attribute_not_exists(id)" }
    assert.is_nil(none)
    assert.are.equal("ConditionalCheckFailedException", err.code)
    assert(dynamodb:delete_table { TableName = name })
    assert(dynamodb:wait("table_not_exists", { TableName = name }, { delay = 0.1 }))
  end)

  it("sts, sns: query", function()
    assert.matches("^%d+$", assert(client("sts"):get_caller_identity()).Account)
    local sns = client("sns")
    local arn = assert(sns:create_topic { Name = "news", Attributes = { DisplayName = "N & N" } }).TopicArn
    assert.are.equal("N & N", assert(sns:get_topic_attributes { TopicArn = arn }).Attributes.DisplayName)
    assert.is_string(assert(sns:publish { TopicArn = arn, Message = "<hello>" }).MessageId)
  end)

  it("sqs: json beside query", function()
    local sqs = client("sqs")
    local url = assert(sqs:create_queue { QueueName = "work" }).QueueUrl
    assert(sqs:send_message { QueueUrl = url, MessageBody = "ü <&>", MessageAttributes = { a = { DataType = "Binary", BinaryValue = "\0\255" } } })
    local message = assert(sqs:receive_message { QueueUrl = url, MessageAttributeNames = { "All" } }).Messages[1]
    assert.are.equal("ü <&>", message.Body)
    assert.are.equal("\0\255", message.MessageAttributes.a.BinaryValue)
    local none, err = sqs:get_queue_url { QueueName = "none" }
    assert.is_nil(none)
    assert.matches("NonExistentQueue", err.code)
  end)

  it("json 1.1: parameters, secrets, keys, events, logs, streams, catalog", function()
    local ssm = client("ssm")
    for i = 1, 3 do assert(ssm:put_parameter { Name = "/a/" .. i, Value = "v" .. i, Type = "String", Overwrite = true }) end
    assert.are.equal(3, #assert(ssm:collect("get_parameters_by_path", { Path = "/a", Recursive = true })))
    local secret = assert(client("secretsmanager"):create_secret { Name = "s" .. require("sm.crypto").uuid(), SecretString = "x" })
    assert.are.equal("x", assert(client("secretsmanager"):get_secret_value { SecretId = secret.ARN }).SecretString)
    local kms = client("kms")
    local key = assert(kms:create_key()).KeyMetadata.KeyId
    local sealed = assert(kms:encrypt { KeyId = key, Plaintext = "a\0b" }).CiphertextBlob
    assert.are.equal("a\0b", assert(kms:decrypt { CiphertextBlob = sealed }).Plaintext)
    assert.are.equal(0, assert(client("events"):put_events { Entries = { { Source = "me", DetailType = "d", Detail = "{}" } } }).FailedEntryCount)
    assert(client("logs"):create_log_group { logGroupName = "/g/" .. require("sm.crypto").uuid() })
    local kinesis = client("kinesis")
    assert(kinesis:create_stream { StreamName = "clicks", ShardCount = 1 })
    assert(kinesis:wait("stream_exists", { StreamName = "clicks" }, { delay = 0.1 }))
    assert.is_string(assert(kinesis:put_record { StreamName = "clicks", Data = "\1\2", PartitionKey = "p" }).SequenceNumber)
    local glue = client("glue")
    assert(glue:create_database { DatabaseInput = { Name = "gold_x" } })
    local none, err = glue:get_table { DatabaseName = "gold_x", Name = "none" }
    assert.is_nil(none)
    assert.are.equal("EntityNotFoundException", err.code)
  end)

  it("rest-json: functions, schedules, groups", function()
    assert(client("lambda"):list_functions())
    assert(client("scheduler"):create_schedule_group { Name = "g" .. require("sm.crypto").uuid():sub(1, 8) })
    local quicksight, group = client("quicksight"), { AwsAccountId = services.ACCOUNT, Namespace = "default", GroupName = "a b+c" }
    assert(quicksight:create_group(group))
    assert.are.equal("a b+c", assert(quicksight:describe_group(group)).Group.GroupName)
  end)

  it("cloudwatch: numbers and times", function()
    local cloudwatch = client("cloudwatch")
    assert(cloudwatch:put_metric_data { Namespace = "N", MetricData = { { MetricName = "m", Value = 1.5, Timestamp = os.time() - 60 } } })
    local points = assert(cloudwatch:get_metric_statistics { Namespace = "N", MetricName = "m", StartTime = os.time() - 600, EndTime = os.time(),
      Period = 60, Statistics = { "Sum" } }).Datapoints
    assert.are.equal(1.5, points[1].Sum)
  end)
end)
