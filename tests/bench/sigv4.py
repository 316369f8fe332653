"""Signatures and presigned URLs per second: ours beside botocore's, turn by turn in one run; medians."""
import json
import statistics
import subprocess
import time

from common import ROOT, SEWING

ROUNDS = 5
URLS = 3750  # the largest answer of POST /run


def ours():
    out = subprocess.run([SEWING, "--lua", "tests/bench/sigv4/run.lua"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return json.loads(out.splitlines()[-1])


def peer():
    import botocore.session
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.config import Config
    from botocore.credentials import Credentials

    keys = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "T" * 900)
    signer = SigV4Auth(keys, "dynamodb", "eu-west-1")
    body = b'{"TableName":"t"}' * 10
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem"}
    count, started = 3000, time.perf_counter()
    for _ in range(count):
        signer.add_auth(AWSRequest("POST", "https://dynamodb.eu-west-1.amazonaws.com/", headers=headers, data=body))
    sign = count / (time.perf_counter() - started)

    s3 = botocore.session.Session().create_client(
        "s3", "eu-west-1", aws_access_key_id=keys.access_key, aws_secret_access_key=keys.secret_key, aws_session_token=keys.token,
        config=Config(signature_version="s3v4"))
    count, started = 500, time.perf_counter()
    for i in range(count):
        s3.generate_presigned_url("get_object", {"Bucket": "lake-data", "Key": f"gold/fact_visit/data/00000-{i}.parquet"}, ExpiresIn=900)
    return {"sign": sign, "presign": count / (time.perf_counter() - started)}


def main():
    mine, theirs = [], []
    for _ in range(ROUNDS):
        mine.append(ours())
        theirs.append(peer())
    print(f"{'per second':24}{'sewing':>12}{'botocore':>12}{'times':>8}")
    for name in ("sign", "presign"):
        a, b = (statistics.median(one[name] for one in side) for side in (mine, theirs))
        print(f"{name:24}{a:12,.0f}{b:12,.0f}{a / b:8.1f}")
    rate = statistics.median(one["presign"] for one in mine)
    print(f"{URLS} presigned URLs: {URLS / rate * 1000:.1f} ms (gate: 60 ms)")


if __name__ == "__main__":
    main()
