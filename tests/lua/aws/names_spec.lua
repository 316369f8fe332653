-- Names of operations as methods.
local names = require "aws.names"

describe("aws.names", function()
  for name, method in pairs {
    PutItem = "put_item", ListObjectsV2 = "list_objects_v2", GetBucketACL = "get_bucket_acl", ListWebACLs = "list_web_acls",
    DescribeDBInstances = "describe_db_instances", CreateIPSet = "create_ip_set", Publish = "publish",
    BatchExecuteStatement = "batch_execute_statement", GetMetricData = "get_metric_data", ListMFADevices = "list_mfa_devices",
    GatewayARNs = "gateway_arns", AssumeRoleWithSAML = "assume_role_with_saml", put_item = "put_item",
    GetTableOptimizer = "get_table_optimizer", ListV2LoggingLevels = "list_v2_logging_levels", S3Key = "s3_key",
    CreateDBClusterEndpoint = "create_db_cluster_endpoint", UploadPartCopy = "upload_part_copy", IPv6 = "i_pv6",
  } do
    it(name .. " is " .. method, function() assert.are.equal(method, names.snake(name)) end)
  end
end)
