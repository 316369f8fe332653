"""Random requests with the signatures that botocore makes for them, one JSON object a line; for aws_signing_spec.lua.

    aws_signing_peer.py COUNT SEED
"""
import base64
import datetime
import json
import random
import sys
from urllib.parse import quote, urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

WORDS = ["a", "b/c", "x y", "a+b", "100%", "é", "日本", "😺", "~-._", "a:b", "=&?", "//", "..", ".", "...", "'\"", "*()!", "\t", "A", "zz", "@", "#,;"]
NAMES = ["x-amz-meta-a", "X-Amz-Acl", "content-type", "Range", "x-custom", "x-amz-copy-source", "User-Agent", "Accept", "if-match", "X-B", "expect"]


def text(rng, most=4):
    return "".join(rng.choice(WORDS) for _ in range(rng.randrange(0, most)))


def header_value(rng):
    words = ["a", "  b", "c  ", '"q  q"', "x=1; y=2", "1,2", "(z)", "\tt\t"]
    return " ".join(rng.choice(words) for _ in range(rng.randrange(0, 4)))


def make_case(rng):
    stamp = datetime.datetime.fromtimestamp(rng.randrange(10**9, 4 * 10**9), datetime.timezone.utc).replace(tzinfo=None)
    path = "/" + "/".join(quote(text(rng), safe="-._~/") for _ in range(rng.randrange(0, 4)))
    query = {}
    for _ in range(rng.randrange(0, 5)):
        query[text(rng, 3) or "k"] = text(rng, 3)
    host = rng.choice(["example.com", "bucket.s3.eu-west-1.amazonaws.com", "127.0.0.1:9000", "h:8443"])
    headers = {rng.choice(NAMES): header_value(rng) for _ in range(rng.randrange(0, 5))}
    return {
        "method": rng.choice(["GET", "PUT", "POST", "DELETE", "HEAD"]), "scheme": rng.choice(["https", "http"]), "host": host, "path": path,
        "query": query, "headers": headers, "body": base64.b64encode(text(rng).encode()).decode(),
        "access_key": "AKID" + str(rng.randrange(10)), "secret_key": text(rng, 5) + "k", "token": rng.choice(["", "", "T/+=" + text(rng)]),
        "region": rng.choice(["us-east-1", "eu-central-1"]), "service": rng.choice(["dynamodb", "lambda", "execute-api"]), "expires": rng.randrange(1, 604800),
        "time": int(stamp.replace(tzinfo=datetime.timezone.utc).timestamp()), "stamp": stamp,
    }


def sign(case, signer):
    """The request after signing; the canonical request is caught on the way."""
    caught = {}
    plain = signer.canonical_request

    def canonical_request(request):
        caught["canonical"] = plain(request)
        return caught["canonical"]

    signer.canonical_request = canonical_request
    query = "&".join(quote(k, safe="-._~") + "=" + quote(v, safe="-._~") for k, v in case["query"].items())
    url = f"{case['scheme']}://{case['host']}{case['path']}" + ("?" + query if query else "")
    request = AWSRequest(case["method"], url, headers=dict(case["headers"]), data=base64.b64decode(case["body"]))
    if not isinstance(signer, botocore.auth.SigV4QueryAuth):
        request = AWSRequest(case["method"], url.split("?")[0], headers=dict(case["headers"]), data=request.data, params=list(case["query"].items()))
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: case["stamp"]
    signer.add_auth(request)
    return request, caught["canonical"]


def forms(case):
    keys = Credentials(case["access_key"], case["secret_key"], case["token"] or None)
    header, canonical = sign(case, botocore.auth.SigV4Auth(keys, case["service"], case["region"]))
    yield "header", header.headers["Authorization"], canonical
    header, canonical = sign(case, botocore.auth.S3SigV4Auth(keys, "s3", case["region"]))
    yield "s3 header", header.headers["Authorization"], canonical
    empty = {**case, "body": ""}
    url, canonical = sign(empty, botocore.auth.SigV4QueryAuth(keys, case["service"], case["region"], expires=case["expires"]))
    yield "query", urlsplit(url.url).query[-64:], canonical
    url, canonical = sign(empty, botocore.auth.S3SigV4QueryAuth(keys, "s3", case["region"], expires=case["expires"]))
    yield "s3 query", urlsplit(url.url).query[-64:], canonical


def main():
    rng = random.Random(int(sys.argv[2]))
    for _ in range(int(sys.argv[1])):
        case = make_case(rng)
        case["signed"] = [list(one) for one in forms(case)]
        del case["stamp"]
        case["query"] = list(case["query"].items())
        print(json.dumps(case))


if __name__ == "__main__":
    main()
