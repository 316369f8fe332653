"""Random calls of AWS services as botocore makes them, for aws_differential_spec.lua to compare ours with.

    aws_peer.py FOLDER SERVICE... --count N --seed S

SERVICE may name a protocol that it knows: cloudwatch:query. Written are, one JSON object a line,
    FOLDER/SERVICE.requests    parameters and the request that botocore signs for them
    FOLDER/SERVICE.answers     random answers and what botocore reads out of them
Bytes are {"$bytes": base64}, times {"$time": seconds}, odd floats {"$float": name}.
Nothing is sent anywhere: the request is caught when it is ready.
"""
import argparse
import base64
import collections
import datetime
import json
import math
import os
import random
import struct
import sys
import types
import zlib
from xml.sax.saxutils import escape

for name in [n for n in os.environ if n.startswith("AWS_")]:
    del os.environ[name]
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = "/nonexistent"
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

import botocore.auth  # noqa: E402
import botocore.handlers  # noqa: E402
import botocore.httpchecksum  # noqa: E402
import botocore.parsers  # noqa: E402
import botocore.serialize  # noqa: E402
import botocore.session  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import EventStreamError  # noqa: E402

REGION = "eu-central-1"
NOW = datetime.datetime(2026, 11, 21, 9, 0, 0)
TOKEN = "00000000-0000-4000-8000-000000000000"

botocore.auth.get_current_datetime = lambda remove_tzinfo=True: NOW
botocore.handlers.uuid = types.SimpleNamespace(uuid4=lambda: TOKEN)

# Checksums of streaming bodies: as a header, like ours, not behind the body.
resolve_algorithm = botocore.httpchecksum.resolve_request_checksum_algorithm


def algorithm_in_header(request, operation_model, params, *args, **kwargs):
    resolve_algorithm(request, operation_model, params, *args, **kwargs)
    algorithm = request.get("context", {}).get("checksum", {}).get("request_algorithm")
    if isinstance(algorithm, dict):
        algorithm["in"] = "header"


botocore.httpchecksum.resolve_request_checksum_algorithm = algorithm_in_header


class Caught(Exception):
    pass


def tagged(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, datetime.datetime):
        stamp = value.timestamp()
        return {"$time": int(stamp) if stamp == int(stamp) else stamp}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, dict):
        return {k: tagged(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [tagged(v) for v in value]
    return value


# ---- random values of shapes ----

WORDS = ["a", "b", "test", "x/y", "with space", "a+b=c&d", "100%", "é", "日本", "😺", "a:b", "~-._", "<tag>", '"q"', "'s'",
         "it's", "*", "(1)", "a,b", "a;b", "\\", "{x}", "[1]", "#h", "@me", "!", "$1", "//", "..", "tab\there", "back`tick", "^|"]
BUCKETS = ["my-bucket", "bucket.with.dots", "data-2026", "abc", "arn:aws:s3:eu-central-1:123456789012:accesspoint/my-ap"]


class Maker:
    def __init__(self, service, rng, operation, answers=False):
        self.service, self.rng, self.operation, self.answers = service, rng, operation, answers

    def text(self, shape, where=None):
        rng, low = self.rng, shape.metadata.get("min", 0)
        if shape.enum and rng.random() < 0.9:
            return rng.choice(shape.enum)
        plain = where in ("header", "host", "headers")
        if where == "host":
            return "h" + "".join(rng.choice("abcdef0123-") for _ in range(rng.randrange(1, 12))) + "z"
        parts = [rng.choice(WORDS) for _ in range(rng.randrange(1, 4))]
        text = rng.choice(["", " "]).join(parts)
        if plain:
            # No backslash: in a quoted item of a list it is escaped here, and is not by botocore.
            text = "".join(c for c in text if 32 < ord(c) < 127 and c != "\\").strip() or "v"
        if where == "uri":
            text = text or "u"
        while len(text) < low:
            text += "p"
        return text

    def special(self, name):
        """Members that decide where the request goes, or that one side alone can compute."""
        rng = self.rng
        if self.service == "s3" and name == "Bucket":
            return rng.choice(BUCKETS)
        if self.service == "s3" and name in ("ChecksumAlgorithm",):
            return rng.choice(["CRC32", "SHA1", "SHA256"])
        if self.service == "s3" and name == "CopySource":
            return rng.choice(["bucket/key", "bucket/a b+c/é", "bucket/k?versionId=v.1", {"Bucket": "b", "Key": "a?b"}])
        if name == "SourceRegion":
            return "us-west-2"
        if self.service == "route53" and name.endswith(("Id", "IdMarker")):
            return rng.choice(["Z1", "/hostedzone/Z1"])
        if self.service == "kinesis" and name in ("StreamARN", "ResourceARN"):
            return "arn:aws:kinesis:eu-central-1:123456789012:stream/s"
        if self.service == "kinesis" and name == "ConsumerARN":
            return "arn:aws:kinesis:eu-central-1:123456789012:stream/s/consumer/c:1"
        if self.service == "dynamodb" and name.endswith("Arn"):
            return "arn:aws:dynamodb:eu-central-1:123456789012:table/t"
        return None

    def skipped(self, name, shape):
        if self.service == "s3" and (name.startswith("Checksum") and name != "ChecksumAlgorithm" or name in ("ContentMD5", "ContentLength")):
            return True
        if self.service == "s3" and name == "SSECustomerKey" and self.operation in ("ListParts", "GetObjectAttributes"):
            return True  # botocore wants it encoded here, and as it is everywhere else
        if self.service == "events" and name == "EndpointId":
            return True  # signed for all regions, which botocore leaves to another library
        return shape.type_name == "structure" and shape.serialization.get("eventstream")

    def time(self):
        rng = self.rng
        seconds = rng.choice([rng.randrange(0, 2**31), rng.randrange(0, 4 * 10**9)])
        micros = rng.choice([0, 0, 0, 500000, 123000, 1000])
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).replace(microsecond=micros)

    def number(self, shape):
        rng = self.rng
        if shape.type_name in ("integer", "long"):
            low = shape.metadata.get("min", 0 if rng.random() < 0.7 else -2**31)
            big = 2**62 if shape.type_name == "long" else 2**31 - 1
            return int(rng.choice([low, low + 1, rng.randrange(low, max(low + 2, 1000)), rng.randrange(low, max(low + 2, big))]))
        value = rng.choice([0.5, 1.0, 10.8, 1e-7, 1.0 / 3, 12345678.25, float(rng.randrange(10**6)), rng.random() * 100])
        return max(value, float(shape.metadata.get("min", 0)))

    def document(self, depth=0):
        rng = self.rng
        kinds = [True, False, 12, 1.5, "text", "é", -7]
        if depth > 2 or rng.random() < 0.5:
            return rng.choice(kinds)
        if rng.random() < 0.5:
            return [self.document(depth + 1) for _ in range(rng.randrange(0, 3))]
        return {rng.choice(WORDS): self.document(depth + 1) for _ in range(rng.randrange(0, 3))}

    def structure(self, shape, depth):
        rng = self.rng
        if shape.is_document_type:
            return self.document()
        members = list(shape.members.items())
        if shape.is_tagged_union:
            usable = [m for m in members if not self.skipped(*m)]
            simple = [m for m in usable if m[1].type_name not in ("structure", "list", "map")]
            name, member = rng.choice(simple if depth > 5 and simple else usable)
            return {name: self.value(member, name, depth + 1)}
        out = collections.OrderedDict()
        few = min(1.0, 4.0 / max(1, len(members))) if depth == 0 else min(0.6, 3.0 / max(1, len(members)))
        chance = 0 if depth > 6 else few
        for name, member in members:
            if self.skipped(name, member):
                continue
            if name in shape.required_members or rng.random() < chance:
                out[name] = self.value(member, name, depth + 1)
        return out

    def value(self, shape, name, depth):
        rng, kind = self.rng, shape.type_name
        where = shape.serialization.get("location")
        if shape.serialization.get("hostLabel"):
            where = "host"
        if not self.answers:
            special = self.special(name)
            if special is not None:
                return special
        if kind == "structure":
            return self.structure(shape, depth)
        if kind == "list":
            low = shape.metadata.get("min", 0)
            count = max(low, 0 if depth > 6 else rng.randrange(0, 3))
            if where in ("header", "querystring"):
                count = max(count, 1)
            return [self.value(self.at(shape.member, where), name, depth + 1) for _ in range(min(count, 20))]
        if kind == "map":
            low = shape.metadata.get("min", 0)
            count = max(low, 0 if depth > 6 else rng.randrange(0, 3))
            keys = {self.text(shape.key, where) for _ in range(count)}
            if where == "headers":
                keys = {"".join(c for c in k if c.isalnum() or c in "-_").lower() or "k" for k in keys}
            return {k: self.value(self.at(shape.value, where), name, depth + 1) for k in sorted(keys)}
        if kind == "blob":
            return bytes(rng.randrange(256) for _ in range(max(rng.randrange(0, 20), shape.metadata.get("min", 0))))
        if kind == "timestamp":
            return self.time()
        if kind == "boolean":
            return rng.random() < 0.5
        if kind in ("integer", "long", "float", "double"):
            return self.number(shape)
        if shape.serialization.get("jsonvalue"):
            return {"a": self.document()}  # a number or a word alone stays text here
        return self.text(shape, where)

    @staticmethod
    def at(shape, where):
        """A member of a list or map lies where its list lies."""
        if where:
            shape.serialization.setdefault("location", where)
        return shape


def put(out, line):
    out.write(json.dumps(line) + "\n")


# ---- requests ----


def client_of(session, service):
    config = Config(region_name=REGION, retries={"total_max_attempts": 1}, user_agent="peer")
    client = session.create_client(service, region_name=REGION, aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret",
                                   aws_session_token="token", config=config)
    caught = {}

    def catch(request, **_):
        caught["request"] = request
        raise Caught()

    client.meta.events.register("before-send.*.*", catch)
    return client, caught


def header_text(value):
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def body_bytes(body):
    if body is None:
        return b""
    if hasattr(body, "read"):
        return body.read()
    return body.encode() if isinstance(body, str) else bytes(body)


def usable(model):
    if model.has_event_stream_input:
        return False
    return model.name not in ("CreateSession", "ListDirectoryBuckets")


def requests(session, service, count, rng, out):
    client, caught = client_of(session, service)
    names = [n for n in client.meta.method_to_api_mapping.values() if usable(client.meta.service_model.operation_model(n))]
    methods = {api: method for method, api in client.meta.method_to_api_mapping.items()}
    for index in range(count):
        name = names[index % len(names)] if count >= len(names) else rng.choice(names)
        model = client.meta.service_model.operation_model(name)
        shape = model.input_shape
        params = Maker(service, rng, name).structure(shape, 0) if shape else {}
        given = json.dumps(tagged(params))
        caught.clear()
        try:
            getattr(client, methods[name])(**params)
        except Caught:
            pass
        except Exception as e:
            put(out, {"service": service, "operation": name, "params": json.loads(given), "refused": f"{type(e).__name__}: {e}"})
            continue
        request = caught["request"]
        put(out, {
            "service": service, "operation": name, "params": json.loads(given), "method": request.method, "url": request.url,
            "headers": {k.lower(): header_text(v) for k, v in request.headers.items()},
            "body": base64.b64encode(body_bytes(request.body)).decode(),
        })


# ---- answers ----


def xml_scalar(shape, value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return timestamp_text(shape, value, "iso8601")
    return escape(str(value))


def timestamp_text(shape, value, default):
    serializer = botocore.serialize.QuerySerializer()
    return str(serializer._convert_timestamp_to_str(value, shape.serialization.get("timestampFormat", default)))


def xml_element(shape, name, value, rng):
    kind, flat = shape.type_name, shape.serialization.get("flattened")
    if kind == "structure":
        attributes, inner = "", []
        for member_name, member in shape.members.items():
            if member_name not in value:
                continue
            if member.serialization.get("xmlAttribute"):
                attribute = member.serialization["name"]
                prefix = attribute.split(":")[0]
                attributes += f' xmlns:{prefix}="http://www.w3.org/2001/XMLSchema-instance" {attribute}="{escape(str(value[member_name]), {chr(34): "&quot;"})}"'
                continue
            if member.serialization.get("location") in ("header", "headers", "statusCode"):
                continue
            inner.append(xml_element(member, xml_name(member, member_name), value[member_name], rng))
        if rng.random() < 0.2:
            inner.append("<Unknown>1</Unknown>")
        if rng.random() < 0.3:
            inner.append("\n  ")
        return f"<{name}{attributes}>{''.join(inner)}</{name}>"
    if kind == "list":
        item = name if flat else shape.member.serialization.get("name", "member")
        inner = "".join(xml_element(shape.member, item, v, rng) for v in value)
        return inner if flat else f"<{name}>{inner}</{name}>"
    if kind == "map":
        key, val = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
        entry = name if flat else "entry"
        inner = "".join(f"<{entry}><{key}>{escape(k)}</{key}>{xml_element(shape.value, val, v, rng)}</{entry}>" for k, v in value.items())
        return inner if flat else f"<{name}>{inner}</{name}>"
    return f"<{name}>{xml_scalar(shape, value)}</{name}>"


def xml_name(shape, name):
    if shape.type_name == "list" and shape.serialization.get("flattened") and shape.member.serialization.get("name"):
        return shape.member.serialization["name"]
    return shape.serialization.get("name", name)


def without_outside(shape, value):
    return {k: v for k, v in value.items() if shape.members[k].serialization.get("location") not in ("header", "headers", "statusCode")}


def json_body(shape, value, rng):
    out = {}
    botocore.serialize.JSONSerializer()._serialize(out, value, shape, "root")
    if isinstance(out["root"], dict) and not shape.is_document_type and not shape.is_tagged_union:
        if rng.random() < 0.3:
            out["root"]["UnknownMember"] = {"a": [1, None]}
        if rng.random() < 0.2:
            for name in shape.members:
                if name not in value:
                    out["root"][shape.members[name].serialization.get("name", name)] = None
    return json.dumps(out["root"]).encode()


def cbor_body(shape, value, _):
    out = bytearray()
    botocore.serialize.RpcV2CBORSerializer()._serialize_data_item(out, value, shape)
    return bytes(out)


def document_body(protocol, model, shape, value, rng):
    if protocol in ("json", "rest-json"):
        return json_body(shape, value, rng)
    if protocol == "smithy-rpc-v2-cbor":
        return cbor_body(shape, value, rng)
    if protocol == "query":
        wrapper = shape.serialization.get("resultWrapper", model.name + "Result")
        inner = xml_element(shape, wrapper, value, rng)
        return f"<{model.name}Response xmlns=\"http://x/\">{inner}<ResponseMetadata><RequestId>r1</RequestId></ResponseMetadata></{model.name}Response>".encode()
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + xml_element(shape, model.name + "Response", value, rng)).encode()


def header_values(shape, value):
    serializer, out = botocore.serialize.RestJSONSerializer(), {}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        if name not in value:
            continue
        if location == "header":
            out[member.serialization.get("name", name).lower()] = serializer._convert_header_value(member, value[name])
        elif location == "headers":
            for key, text in value[name].items():
                out[(member.serialization.get("name", "") + key).lower()] = text
    return out


def answer_of(protocol, model, shape, value, rng):
    if shape is None:
        return {}, f"<{model.name}Response/>".encode() if protocol in ("query", "ec2") else b"{}" if protocol == "json" else b""
    if not protocol.startswith("rest"):
        return {}, document_body(protocol, model, shape, value, rng)
    headers, payload = header_values(shape, value), shape.serialization.get("payload")
    if payload is None:
        return headers, document_body(protocol, model, shape, without_outside(shape, value), rng)
    member = shape.members[payload]
    if payload not in value:
        return headers, b""
    if member.type_name in ("blob", "string"):
        text = value[payload]
        return headers, base64.b64encode(text) if isinstance(text, bytes) else text.encode()
    return headers, document_body(protocol, model, member, value[payload], rng)


def error_answer(protocol, model, shape, value, rng):
    code = shape.error_code or shape.name if hasattr(shape, "error_code") else shape.name
    if protocol in ("json", "rest-json"):
        headers, body = header_values(shape, value), json.loads(json_body(shape, without_outside(shape, value), rng))
        if protocol == "rest-json":
            headers["x-amzn-errortype"] = code + rng.choice(["", ":http://internal.amazon.com/x/"])
        else:
            body["__type"] = rng.choice(["", "com.amazon#"]) + code
        return headers, json.dumps(body).encode()
    if protocol == "smithy-rpc-v2-cbor":
        body = bytearray(cbor_body(shape, value, rng))
        body[0] += 1
        for text in ("__type", code):
            botocore.serialize.RpcV2CBORSerializer()._serialize_type_string(body, text, None, None)
        return {}, bytes(body)
    inner = xml_element(shape, "Error", without_outside(shape, value), rng)[len("<Error>"):-len("</Error>")]
    error = f"<Error><Code>{code}</Code>{inner}</Error>"
    if protocol == "rest-xml":
        return header_values(shape, value), error.encode()
    if protocol == "ec2":
        return {}, f"<Response><Errors>{error}</Errors><RequestID>r1</RequestID></Response>".encode()
    return {}, f"<ErrorResponse>{error}<RequestId>r1</RequestId></ErrorResponse>".encode()


# ---- streams of events ----


def frame(headers, payload):
    """One message; headers are (name, type number, value)."""
    packed = b""
    for name, kind, value in headers:
        packed += struct.pack("B", len(name)) + name.encode() + struct.pack("B", kind)
        if kind in (4, 8):
            packed += struct.pack(">i" if kind == 4 else ">q", value)
        elif kind in (6, 7):
            data = value if isinstance(value, bytes) else value.encode()
            packed += struct.pack(">H", len(data)) + data
    prelude = struct.pack(">II", len(packed) + len(payload) + 16, len(packed))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + packed + payload
    return message + struct.pack(">I", zlib.crc32(message))


def event_headers(shape, value):
    out = []
    for name, member in shape.members.items():
        if member.serialization.get("eventheader") and name in value:
            kind = {"boolean": 0 if value[name] else 1, "integer": 4, "long": 8, "timestamp": 8, "blob": 6}.get(member.type_name, 7)
            data = int(value[name].timestamp() * 1000) if member.type_name == "timestamp" else value[name]
            out.append((name, kind, data))
    return out


def event_frame(protocol, model, name, shape, value, rng):
    kind = "exception" if shape.metadata.get("exception") else "event"
    headers = [(":message-type", 7, kind), (":exception-type" if kind == "exception" else ":event-type", 7, name)] + event_headers(shape, value)
    payload = [(n, m) for n, m in shape.members.items() if m.serialization.get("eventpayload")]
    if payload:
        member_name, member = payload[0]
        data = value.get(member_name)
        if data is None:
            body = b"{}" if protocol.endswith("json") and member.type_name == "structure" else b""
            if member.type_name == "structure" and protocol == "rest-xml":
                body = b"<E/>"
        elif member.type_name in ("blob", "string"):
            body = data if isinstance(data, bytes) else data.encode()
        else:
            body = document_body(protocol, model, member, data, rng)
        return frame(headers, body)
    rest = {k: v for k, v in value.items() if not shape.members[k].serialization.get("eventheader")}
    return frame(headers, document_body(protocol, model, shape, rest, rng))


class Chunks:
    """A body as the network cuts it."""

    def __init__(self, data, rng):
        self.data, self.rng = data, rng

    def stream(self):
        at = 0
        while at < len(self.data):
            size = self.rng.randrange(1, 200)
            yield self.data[at:at + size]
            at += size

    def close(self):
        pass


def stream_answer(protocol, model, maker, rng):
    shape = model.output_shape
    name = shape.event_stream_name
    stream = shape.members[name]
    value = maker.structure(shape, 0)
    value.pop(name, None)
    body, headers = b"", {}
    if protocol.startswith("rest"):
        headers = header_values(shape, value)
    else:
        body = frame([(":message-type", 7, "event"), (":event-type", 7, "initial-response")], document_body(protocol, model, shape, value, rng))
    kinds = [(n, m) for n, m in stream.members.items() if not m.metadata.get("exception")]
    for _ in range(rng.randrange(0, 4)):
        event, member = rng.choice(kinds)
        body += event_frame(protocol, model, event, member, maker.structure(member, 1), rng)
    failing = [(n, m) for n, m in stream.members.items() if m.metadata.get("exception")]
    if failing and rng.random() < 0.3:
        event, member = rng.choice(failing)
        body += event_frame(protocol, model, event, member, maker.structure(member, 1), rng)
    return headers, body


def read_stream(protocol, model, headers, body, rng):
    response = {"status_code": 200, "headers": botocore.compat.HTTPHeaders.from_dict(headers), "body": Chunks(body, rng), "context": {"operation_name": model.name}}
    parsed = botocore.parsers.create_parser(protocol).parse(response, model.output_shape)
    parsed.pop("ResponseMetadata", None)
    name, found = model.output_shape.event_stream_name, []
    try:
        for event in parsed[name]:
            found.append(event)
    except EventStreamError as e:
        parsed["$failed"] = e.response["Error"]["Code"]
    parsed[name] = found
    return parsed


# ---- all answers ----


def read_answer(session, protocol, model, status, headers, body):
    response = {"status_code": status, "headers": botocore.compat.HTTPHeaders.from_dict(headers), "body": body, "context": {"operation_name": model.name}}
    parser = botocore.parsers.create_parser(protocol)
    parsed = parser.parse(response, model.output_shape)
    if status >= 301:
        found = {"Code": parsed["Error"]["Code"], "Message": parsed["Error"].get("Message")}
        shape = model.service_model.shape_for_error_code(parsed["Error"].get("QueryErrorCode") or found["Code"])
        if shape is not None:
            found["Members"] = parser.parse(response, shape)
        parsed = found
    parsed.pop("ResponseMetadata", None)
    return parsed


def answers(session, service, count, rng, out):
    service_model = session.get_service_model(service)
    protocol = service_model.resolved_protocol
    names = [n for n in service_model.operation_names if usable(service_model.operation_model(n))]
    for index in range(count):
        name = names[index % len(names)] if count >= len(names) else rng.choice(names)
        model = service_model.operation_model(name)
        maker = Maker(service, rng, name, answers=True)
        is_error = bool(model.error_shapes) and rng.random() < 0.15
        shape, status = (rng.choice(model.error_shapes), 400) if is_error else (model.output_shape, 200)
        value = maker.structure(shape, 0) if shape else {}
        streamed = not is_error and model.has_event_stream_output
        if streamed:
            headers, body = stream_answer(protocol, model, maker, rng)
        else:
            headers, body = (error_answer if is_error else answer_of)(protocol, model, shape, value, rng)
        line = {"service": service, "operation": name, "status": status, "headers": headers, "body": base64.b64encode(body).decode()}
        try:
            result = read_stream(protocol, model, headers, body, rng) if streamed else read_answer(session, protocol, model, status, headers, body)
            line["result"] = tagged(result)
            json.dumps(line)
        except Exception as e:
            line.pop("result", None)
            line["unread"] = f"{type(e).__name__}: {e}"
        put(out, line)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("services", nargs="+")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    session = botocore.session.get_session()
    usual = botocore.model.ServiceModel.resolved_protocol
    for given in options.services:
        service, _, spoken = given.partition(":")
        # One protocol of those that the service knows.
        botocore.model.ServiceModel.resolved_protocol = property(lambda self, name=spoken: name) if spoken else usual
        for verb, make in (("requests", requests), ("answers", answers)):
            rng = random.Random(f"{options.seed}/{given}/{verb}")
            with open(f"{options.folder}/{given}.{verb}", "w") as out:
                make(session, service, options.count, rng, out)


if __name__ == "__main__":
    sys.exit(main())
