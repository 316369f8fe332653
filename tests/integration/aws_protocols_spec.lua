-- Every protocol spoken with a server that nobody here wrote (moto), through whole clients.
local aws = require "aws"
local crypto = require "sm.crypto"
local services = require "aws_services"

describe("a real server understands", function()
  if not services.has "moto" then return pending "moto is not installed" end

  local unique = crypto.hex(crypto.random(4))
  local function client(service)
    return assert(aws.client(service, { region = services.REGION, endpoint_url = services.url "moto", credentials = { access_key = "a", secret_key = "b" } }))
  end

  it("rest-xml: objects with odd names, listings, copies, documents", function()
    local s3, bucket, key = client "s3", "protocols-" .. unique, "a/b c+é&<ü>"
    assert(s3:create_bucket { Bucket = bucket })
    assert(s3:put_object { Bucket = bucket, Key = key, Body = "\0bytes\xff", Metadata = { owner = "me" }, ContentType = "x/y" })
    local object = assert(s3:get_object { Bucket = bucket, Key = key })
    assert.equal("\0bytes\xff", object.Body())
    assert.same({ owner = "me" }, object.Metadata)
    assert.equal("x/y", object.ContentType)
    assert.equal("integer", math.type(object.LastModified))
    assert.equal(key, assert(s3:list_objects_v2 { Bucket = bucket }).Contents[1].Key)
    assert(s3:copy_object { Bucket = bucket, Key = "copy", CopySource = { Bucket = bucket, Key = key } })
    assert(s3:put_bucket_tagging { Bucket = bucket, Tagging = { TagSet = { { Key = "a", Value = "<b> & c" } } } })
    assert.equal("<b> & c", assert(s3:get_bucket_tagging { Bucket = bucket }).TagSet[1].Value)
    assert.equal("CanonicalUser", assert(s3:get_bucket_acl { Bucket = bucket }).Grants[1].Grantee.Type)
    assert.same({}, (s3:get_bucket_location { Bucket = bucket }))
    local none, failure = s3:head_object { Bucket = bucket, Key = "none" }
    assert.is_nil(none)
    assert.same({ "NotFound", 404 }, { failure.code, failure.status })
    none, failure = s3:get_object { Bucket = bucket, Key = "none" }
    assert.is_nil(none)
    assert.equal("NoSuchKey", failure.code)
    local deleted = assert(s3:delete_objects { Bucket = bucket, Delete = { Objects = { { Key = key }, { Key = "copy" } } } })
    assert.equal(2, #deleted.Deleted)
    assert(s3:delete_bucket { Bucket = bucket })
  end)

  it("query: lists, maps, results and errors", function()
    local sns = client "sns"
    local topic = assert(sns:create_topic { Name = "t-" .. unique, Attributes = { DisplayName = "a b" }, Tags = { { Key = "k", Value = "v&" } } }).TopicArn
    assert.equal("a b", assert(sns:get_topic_attributes { TopicArn = topic }).Attributes.DisplayName)
    assert.equal("v&", assert(sns:list_tags_for_resource { ResourceArn = topic }).Tags[1].Value)
    assert.is_string(assert(sns:publish { TopicArn = topic, Message = "é", MessageAttributes = { k = { DataType = "String", StringValue = "v" } } }).MessageId)
    local none, failure = sns:get_topic_attributes { TopicArn = topic .. "x" }
    assert.is_nil(none)
    assert.equal("NotFound", failure.code)
    assert.equal(services.ACCOUNT, assert(client("sts"):get_caller_identity()).Account)
    local keys = assert(client("sts"):assume_role { RoleArn = "arn:aws:iam::123456789012:role/reader", RoleSessionName = "session" }).Credentials
    assert.is_number(keys.Expiration)
  end)

  it("json: bytes, numbers, errors of former query services", function()
    local kms = client "kms"
    local id = assert(kms:create_key {}).KeyMetadata.KeyId
    local sealed = assert(kms:encrypt { KeyId = id, Plaintext = "\0\1secret" }).CiphertextBlob
    assert.equal("\0\1secret", assert(kms:decrypt { CiphertextBlob = sealed }).Plaintext)
    local sqs = client "sqs"
    local queue = assert(sqs:create_queue { QueueName = "q-" .. unique }).QueueUrl
    assert(sqs:send_message { QueueUrl = queue, MessageBody = "hé", MessageAttributes = { b = { DataType = "Binary", BinaryValue = "\0\xff" } } })
    local message = assert(sqs:receive_message { QueueUrl = queue, MessageAttributeNames = { "All" } }).Messages[1]
    assert.equal("hé", message.Body)
    assert.equal("\0\xff", message.MessageAttributes.b.BinaryValue)
    local none, failure = sqs:get_queue_url { QueueName = "none-" .. unique }
    assert.is_nil(none)
    assert.same({ "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist" }, { failure.code, failure.error_code })
    local glue = client "glue"
    assert(glue:create_database { DatabaseInput = { Name = "d_" .. unique, Parameters = { a = "b" } } })
    assert.same({ a = "b" }, assert(glue:get_database { Name = "d_" .. unique }).Database.Parameters)
    local kinesis = client "kinesis"
    assert(kinesis:create_stream { StreamName = "s-" .. unique, ShardCount = 1 })
    assert.is_string(assert(kinesis:put_record { StreamName = "s-" .. unique, Data = "\1\2", PartitionKey = "p" }).SequenceNumber)
    assert(client("cloudwatch"):put_metric_data { Namespace = "n-" .. unique, MetricData = { { MetricName = "m", Value = 1.5, Timestamp = 1700000000.5 } } })
    assert.equal("m", assert(client("cloudwatch"):list_metrics { Namespace = "n-" .. unique }).Metrics[1].MetricName)
  end)

  it("rest-json: paths, documents, errors in headers", function()
    local quicksight, account = client "quicksight", services.ACCOUNT
    assert(quicksight:create_group { AwsAccountId = account, Namespace = "default", GroupName = "g " .. unique })
    local group = assert(quicksight:describe_group { AwsAccountId = account, Namespace = "default", GroupName = "g " .. unique })
    assert.equal("g " .. unique, group.Group.GroupName)
    assert.equal(200, group.Status)
    local scheduler = client "scheduler"
    assert(scheduler:create_schedule { Name = "s-" .. unique, ScheduleExpression = "rate(1 minute)", FlexibleTimeWindow = { Mode = "OFF" },
      Target = { Arn = "arn:aws:lambda:us-east-1:123456789012:function:f", RoleArn = "arn:aws:iam::123456789012:role/r" } })
    assert.equal("OFF", assert(scheduler:get_schedule { Name = "s-" .. unique }).FlexibleTimeWindow.Mode)
    local none, failure = client("lambda"):invoke { FunctionName = "none", Payload = "{}" }
    assert.is_nil(none)
    assert.same({ "ResourceNotFoundException", 404 }, { failure.code, failure.status })
  end)
end)
