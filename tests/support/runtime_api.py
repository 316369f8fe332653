"""A Lambda Runtime API that misbehaves on order: plays one scenario to a bootstrap and tells what it saw.

    python3 runtime_api.py SCENARIO.json        prints one JSON object

The scenario: {program, env, events: [...], posts: {"0": ...}, then, concurrency, timeout, ...}. An event is {body, headers,
deadline_ms, how, status, ...}; what `how` may be stands in EVENTS below. A post is how the n-th answer (or error) is taken:
{status, body, close, reset, slow, cut, refuse, silent}. The result: {requests: [...], exit: {code, signal, ms}, log, rss_kib, connections}.
Everything runs on 127.0.0.1, is bounded by `timeout` seconds and ends with the process gone.
"""
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

RUNTIME = "/2018-06-01/runtime/"
EXTENSION = "/2020-01-01/extension/"


class Closed(Exception):
    """The other side has gone."""


class Reader:
    """Bytes of one connection, with what was read too far kept for the next request."""

    def __init__(self, sock):
        self.sock, self.rest = sock, b""

    def more(self, limit=65536):
        data = self.sock.recv(limit)
        if not data:
            raise Closed()
        self.rest += data

    def until(self, mark):
        while mark not in self.rest:
            self.more()
        head, self.rest = self.rest.split(mark, 1)
        return head

    def exactly(self, count, slow=None):
        while len(self.rest) < count:
            if slow:
                time.sleep(slow["pause_ms"] / 1000)
                self.more(slow["bytes"])
            else:
                self.more(1 << 20)
        data, self.rest = self.rest[:count], self.rest[count:]
        return data


def headers_of(lines):
    out = {}
    for line in lines:
        name, value = line.split(b":", 1)
        out[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
    return out


def read_chunks(reader, slow):
    body = b""
    while True:
        size = int(reader.until(b"\r\n"), 16)
        if size == 0:
            break
        body += reader.exactly(size, slow)
        assert reader.exactly(2) == b"\r\n", "a chunk must end with CRLF"
    trailers = []
    while True:
        line = reader.until(b"\r\n")
        if not line:
            return body, headers_of(trailers)
        trailers.append(line)


def text(data):
    """Bytes as JSON can carry them: UTF-8 when they are, else one character a byte."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def event_head(event, number, length_line):
    headers = {
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": event.get("id", "request-%d" % number),
        "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + event.get("deadline_ms", 30000)),
        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:123456789012:function:spec",
        "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
    }
    headers.update(event.get("headers", {}))
    lines = ["HTTP/1.1 %d %s" % (event.get("status", 200), "Whatever")]
    lines += ["%s: %s" % (name, value) for name, value in headers.items() if value is not None]
    return ("\r\n".join(lines + ([length_line] if length_line else [])) + "\r\n\r\n").encode("utf-8")


def plain(event, number):
    body = event["body"].encode("utf-8")
    return event_head(event, number, "Content-Length: %d" % len(body)) + body


def chunked(event, number):
    body, size = event["body"].encode("utf-8"), event.get("chunk", 5)
    out = event_head(event, number, "Transfer-Encoding: chunked")
    for at in range(0, len(body), size):
        piece = body[at:at + size]
        out += b"%X;name=value\r\n" % len(piece) + piece + b"\r\n"
    return out + b"0\r\nX-Trailer: ignored\r\n\r\n"


EVENTS = {
    "plain": lambda sock, event, number: sock.sendall(plain(event, number)),
    "chunked": lambda sock, event, number: sock.sendall(chunked(event, number)),
    "continue": lambda sock, event, number: sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + plain(event, number)),
    "lower": lambda sock, event, number: sock.sendall(lowered(plain(event, number))),
    "bytes": lambda sock, event, number: byte_wise(sock, plain(event, number)),
    "chunked bytes": lambda sock, event, number: byte_wise(sock, chunked(event, number)),
    "until close": lambda sock, event, number: close_after(sock, event_head(event, number, None) + event["body"].encode()),
    "half": lambda sock, event, number: close_after(sock, plain(event, number)[:-len(event["body"]) // 2]),
    "raw": lambda sock, event, number: close_after(sock, event["raw"].encode("latin-1")),
    "close": lambda sock, event, number: close_after(sock, b""),
    "reset": lambda sock, event, number: reset(sock),
}


def lowered(data):
    head, body = data.split(b"\r\n\r\n", 1)
    first, *lines = head.split(b"\r\n")
    lines = [name.lower() + b":\t " + value.strip() + b"  " for name, value in (line.split(b":", 1) for line in lines)]
    return b"\r\n".join([first] + lines) + b"\r\n\r\n" + body


def byte_wise(sock, data):
    for i in range(len(data)):
        sock.sendall(data[i:i + 1])


def close_after(sock, data):
    sock.sendall(data)
    raise Closed()


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Closed()


class Api:
    def __init__(self, scenario):
        self.scenario = scenario
        self.lock = threading.Condition()
        self.requests, self.events = [], list(scenario.get("events", []))
        self.sent = self.posts = self.parked = self.connections = 0
        self.over = False
        self.process = None
        self.socks = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)

    def address(self):
        return "127.0.0.1:%d" % self.listener.getsockname()[1]

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.scenario.get("receive_buffer"):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.scenario["receive_buffer"])
            with self.lock:
                self.connections += 1
                self.socks.append(sock)
            threading.Thread(target=self.connection, args=(sock,), daemon=True).start()

    def connection(self, sock):
        reader = Reader(sock)
        try:
            while True:
                self.request(sock, reader)
        except (Closed, OSError):
            pass
        finally:
            try:
                sock.close()
            except OSError:
                pass

    # ---- one request ----

    def request(self, sock, reader):
        first, *lines = reader.until(b"\r\n\r\n").split(b"\r\n")
        method, path, version = first.decode("latin-1").split(" ")
        headers = headers_of(lines)
        is_post = path.endswith(("/response", "/error")) and path.startswith(RUNTIME + "invocation/")
        with self.lock:
            reaction = self.scenario.get("posts", {}).get(str(self.posts), {}) if is_post else {}
            self.posts += is_post
        if reaction.get("refuse"):  # before the body has been read
            self.answer(sock, reaction)
            raise Closed()
        if reaction.get("cut"):  # in the middle of the body
            reader.exactly(reaction["cut"])
            self.answer(sock, reaction)
        body, trailers = self.body(reader, headers, reaction.get("slow"))
        record = {"method": method, "path": path, "version": version, "headers": headers, "body": text(body), "bytes": len(body),
                  "trailers": trailers, "at": time.monotonic()}
        with self.lock:
            self.requests.append(record)
            self.lock.notify_all()
        self.react(sock, method, path, reaction)

    def body(self, reader, headers, slow):
        if headers.get("transfer-encoding") == "chunked":
            return read_chunks(reader, slow)
        return reader.exactly(int(headers.get("content-length", 0)), slow), {}

    def react(self, sock, method, path, reaction):
        if path == RUNTIME + "invocation/next":
            self.next(sock)
        elif path == RUNTIME + "restore/next":
            time.sleep(self.scenario.get("restore_delay_ms", 0) / 1000)
            self.answer(sock, {"status": self.scenario.get("restore_status", 200), "body": ""})
        elif path == EXTENSION + "register":
            known = self.scenario.get("extensions")
            self.answer(sock, {"status": 200 if known else 404, "body": "{}"},
                        "Lambda-Extension-Identifier: 11111111-2222\r\n" if known else "")
        elif path == EXTENSION + "event/next":
            self.park(sock)
        else:
            self.answer(sock, reaction)

    def answer(self, sock, reaction, headers=""):
        if reaction.get("reset"):
            reset(sock)
        if reaction.get("close"):
            raise Closed()
        if reaction.get("silent"):
            self.park(sock)
        body = reaction.get("body", '{"status":"OK"}\n').encode()
        sock.sendall(("HTTP/1.1 %d Whatever\r\n%sContent-Length: %d\r\n\r\n" % (reaction.get("status", 202), headers, len(body))).encode() + body)

    def next(self, sock):
        with self.lock:
            self.parked += 1
            self.lock.notify_all()
            wanted = self.scenario.get("gather", 1)
            self.lock.wait_for(lambda: self.over or not self.events or self.parked >= wanted or self.sent >= wanted)
            if self.over or not self.events:
                event = None
            else:
                event, number = self.events.pop(0), self.sent
                self.sent += 1
                self.parked -= 1
        if event is None:
            self.park(sock)
        if event.get("pause_ms"):
            time.sleep(event["pause_ms"] / 1000)
        EVENTS[event.get("how", "plain")](sock, event, number)
        if event.get("signal_after_ms") is not None:
            time.sleep(event["signal_after_ms"] / 1000)
            self.signalled = time.monotonic()
            self.process.send_signal(signal.SIGTERM)

    def park(self, sock):
        while sock.recv(1):
            pass
        raise Closed()

    # ---- the scenario ----

    def start(self, log):
        env = {"PATH": os.environ["PATH"], "AWS_LAMBDA_RUNTIME_API": self.address()}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "SEWING_ROOT"):
            if name in os.environ:
                env[name] = os.environ[name]
        env.update(self.scenario.get("env", {}))
        keep = ()
        self.frames = None
        if self.scenario.get("telemetry"):
            self.frames = tempfile.TemporaryFile()
            keep = (self.frames.fileno(),)
            env["_LAMBDA_TELEMETRY_LOG_FD"] = str(self.frames.fileno())
        self.process = subprocess.Popen([self.scenario["program"]], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=keep)

    def settled(self):
        """Every event has been played and every connection asks for another one, or the process has ended."""
        return self.process.poll() is not None or (not self.events and self.parked >= self.scenario.get("concurrency", 1))

    def play(self):
        log = tempfile.TemporaryFile()
        threading.Thread(target=self.accept, daemon=True).start()
        self.signalled = None
        begun = time.monotonic()
        self.start(log)
        ends = begun + self.scenario.get("timeout", 10)
        while not self.settled() and time.monotonic() < ends:
            with self.lock:
                self.lock.wait(0.01)
        settled = self.settled()
        rss = self.memory()
        self.finish()
        log.seek(0)
        result = {"settled": settled, "requests": self.requests, "exit": self.exit(), "log": text(log.read()), "rss_kib": rss,
                  "connections": self.connections, "begun": begun}
        if self.frames:
            self.frames.seek(0)
            result["frames"] = frames(self.frames.read())
        return result

    def finish(self):
        with self.lock:
            self.over = True
            self.lock.notify_all()
        then = self.scenario.get("then", "sigterm")
        if then == "gone":
            self.listener.shutdown(socket.SHUT_RDWR)  # close alone would let the accept under way take one more
            self.listener.close()
            for sock in self.socks:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        elif self.process.poll() is None and self.signalled is None:
            self.signalled = time.monotonic()
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(self.scenario.get("exit_timeout", 5))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def exit(self):
        code = self.process.returncode
        ms = (time.monotonic() - self.signalled) * 1000 if self.signalled else None
        return {"code": code if code >= 0 else None, "signal": -code if code < 0 else None, "ms": ms}

    def memory(self):
        try:
            with open("/proc/%d/status" % self.process.pid, encoding="utf-8") as status:
                return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        except (OSError, StopIteration):
            return None


def frames(data):
    out = []
    while data:
        kind, length, stamp = struct.unpack(">IIQ", data[:16])
        out.append({"type": kind, "time_us": stamp, "text": text(data[16:16 + length])})
        data = data[16 + length:]
    return out


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        print(json.dumps(Api(json.load(file)).play()))


main()
