"""Where botocore's clients send requests, for random settings and arguments: one JSON line each.

aws_endpoints_peer.py COUNT SEED   ->   {service, operation, params, region, url, s3, fips, dual, expect}; expect is {url, scope} or
{error}. Nothing is sent. us-east-1 is a region like others here, as it is for us.
"""
import json
import os
import random
import sys

os.environ.update(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secret", AWS_S3_US_EAST_1_REGIONAL_ENDPOINT="regional",
                  AWS_STS_REGIONAL_ENDPOINTS="regional", AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="/nonexistent",
                  AWS_SHARED_CREDENTIALS_FILE="/nonexistent")

import botocore.session  # noqa: E402
from botocore.config import Config  # noqa: E402

REGIONS = ["us-east-1", "us-west-2", "eu-central-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "eu-north-9"]
URLS = ["http://localhost:4566", "https://my.host/base", "https://my.host/base/", "http://127.0.0.1:9000"]
BUCKETS = ["lake-data", "my.bucket", "abc_def", "1.2.3.4", "Upper-Case", "xn--abc", "arn:aws:s3:us-west-2:123456789012:accesspoint/my-ap",
           "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01234567890123456/accesspoint/rep",
           "arn:aws:s3-object-lambda:us-east-1:123456789012:accesspoint/banner", "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/ap"]
KEYS = ["k", "a/b c", "/x", "ü", "a//b", "..", "./a", "k+=&"]
TABLE = "arn:aws:dynamodb:us-east-1:222222222222:table/t"
CALLS = {
    "s3": [("get_object", lambda: {"Bucket": random.choice(BUCKETS), "Key": random.choice(KEYS)}),
           ("list_objects_v2", lambda: {"Bucket": random.choice(BUCKETS)}), ("list_buckets", dict),
           ("get_bucket_location", lambda: {"Bucket": random.choice(BUCKETS[:5])}),
           ("delete_object", lambda: {"Bucket": random.choice(BUCKETS), "Key": "x"})],
    "sts": [("get_caller_identity", dict), ("assume_role_with_web_identity", lambda: {
        "RoleArn": "arn:aws:iam::123456789012:role/x", "RoleSessionName": "abc", "WebIdentityToken": "tttttttttt"})],
    "dynamodb": [("get_item", lambda: {"TableName": random.choice(["t", TABLE]), "Key": {"a": {"S": "b"}}}), ("list_tables", dict)],
    "kinesis": [("list_shards", lambda: {"StreamARN": "arn:aws:kinesis:us-east-1:123456789012:stream/foo"}), ("list_streams", dict)],
    "lambda": [("get_function", lambda: {"FunctionName": "arn:aws:lambda:us-east-1:1:function:f"}), ("list_functions", dict)],
    "stepfunctions": [("start_sync_execution", lambda: {"stateMachineArn": "arn:aws:states:us-east-1:1:stateMachine:x"})],
    "logs": [("describe_log_groups", dict), ("start_live_tail", lambda: {"logGroupIdentifiers": ["x"]})],
    "events": [("list_rules", dict)], "athena": [("list_work_groups", dict)], "cloudwatch": [("list_metrics", dict)],
    "cognito-idp": [("initiate_auth", lambda: {"AuthFlow": "USER_AUTH", "ClientId": "x"})],
}


class Built(Exception):
    """Raised when the request is there and would be sent."""


def settings(service):
    s3 = {}
    if service == "s3":
        if random.random() < 0.3:
            s3["addressing_style"] = random.choice(["auto", "path", "virtual"])
        if random.random() < 0.1:
            s3["use_accelerate_endpoint"] = True
        if random.random() < 0.2:
            s3["use_arn_region"] = random.random() < 0.5
    return {"service": service, "region": random.choice(REGIONS), "url": random.choice(URLS) if random.random() < 0.15 else None, "s3": s3,
            "fips": random.random() < 0.15, "dual": random.random() < 0.15}


def scope_of(authorization):
    if not authorization:
        return None
    text = authorization.decode() if isinstance(authorization, bytes) else authorization
    return "/".join(text.split("Credential=")[1].split(",")[0].split("/")[2:4])


def ask(session, case):
    built = {}

    def keep(request, **_):
        built.update(url=request.url, scope=scope_of(request.headers.get("Authorization")))
        raise Built()

    try:
        config = Config(s3=case["s3"] or None, use_fips_endpoint=case["fips"], use_dualstack_endpoint=case["dual"])
        client = session.create_client(case["service"], region_name=case["region"], endpoint_url=case["url"], config=config)
        client.meta.events.register("before-send", keep)
        getattr(client, case["operation"])(**case["params"])
    except Built:
        return built
    except Exception as error:  # whatever it is, botocore sends nothing
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    random.seed(int(sys.argv[2]))
    session = botocore.session.Session()
    for _ in range(int(sys.argv[1])):
        case = settings(random.choice(list(CALLS) + ["s3"] * 8))
        case["operation"], make = random.choice(CALLS[case["service"]])
        case["params"] = make()
        case["expect"] = ask(session, case)
        print(json.dumps(case))


main()
