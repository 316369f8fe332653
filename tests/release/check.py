"""Checks of what ./sewing package makes: check.py DIST BUILD. One line for each failure, last "N passed, N failed".

DIST holds the packages of both machines, BUILD is a folder for what the checks unpack. The programs run against a small
Runtime API of their own; the arm64 one under qemu-user. Nothing but loopback is spoken to.
"""
import http.server
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import threading
import zipfile

DIST, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT_ZIP = 1_800_000
ARCHS = {"x86_64": (62, []), "arm64": (183, [shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")])}
DEADLINE = 60  # seconds for one program; emulation on a busy machine is slow
passed = failed = 0


def check(name, good, what=""):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print(f"FAILED {name}: {what}")


class Api(http.server.BaseHTTPRequestHandler):
    """Hands out the server's events, then nothing; keeps the answers."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        if not server.events:
            server.over.set()
            server.done.wait(DEADLINE)
            self.close_connection = True
            return
        event = server.events.pop(0)
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", f"r{len(server.events)}")
        self.send_header("Lambda-Runtime-Deadline-Ms", "9999999999999")
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:f")
        self.send_header("Content-Length", str(len(event)))
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.answers.append((self.path.rsplit("/", 1)[1], body))
        if self.path.endswith("/init/error"):
            self.server.over.set()
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()


def play(arch, program, handler, events, task_root, **more):
    """The answers of one program to the events: [(path, value)]."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.events, server.answers = [json.dumps(e).encode() for e in events], []
    server.over, server.done = threading.Event(), threading.Event()
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}", "_HANDLER": handler, "LAMBDA_TASK_ROOT": str(task_root),
           "AWS_REGION": "eu-central-1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "LAYERS": "", **more}
    log = BUILD / "program.log"
    with open(log, "ab") as out:
        process = subprocess.Popen(ARCHS[arch][1] + [str(program)], env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        ended = server.over.wait(DEADLINE)
        process.terminate()
        server.done.set()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    server.shutdown()
    server.server_close()
    if not ended:
        return [("timeout", log.read_bytes()[-2000:].decode(errors="replace"))]
    return [(path, json.loads(body)) for path, body in server.answers]


def unpack(name, *archives):
    """A fresh folder with what the archives hold, modes included."""
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    for archive in archives:
        subprocess.run(["unzip", "-q", "-o", str(DIST / archive), "-d", str(folder)], check=True)
    return folder


def check_program(arch):
    data = (DIST / arch / "bootstrap").read_bytes()
    machine, = struct.unpack_from("<H", data, 18)
    kind, = struct.unpack_from("<H", data, 16)
    check(f"{arch}: machine", machine == ARCHS[arch][0], machine)
    check(f"{arch}: no position-independent program", kind == 2, kind)
    shown = subprocess.run(["readelf", "-lWd", str(DIST / arch / "bootstrap")], capture_output=True, text=True, check=True).stdout
    check(f"{arch}: nothing to load", "INTERP" not in shown and "NEEDED" not in shown, shown)
    sections = subprocess.run(["readelf", "-SW", str(DIST / arch / "bootstrap")], capture_output=True, text=True, check=True).stdout
    check(f"{arch}: stripped", ".symtab" not in sections and ".debug" not in sections)
    check(f"{arch}: no folder of the build inside", str(ROOT).encode() not in data)


def check_archive(name, wanted, unwanted):
    with zipfile.ZipFile(DIST / name) as archive:
        entries = {i.filename: i for i in archive.infolist()}
        check(f"{name}: sound", archive.testzip() is None)
    names = list(entries)
    check(f"{name}: sorted", names == sorted(names))
    for one in wanted:
        check(f"{name}: has {one}", one in entries)
    for start in unwanted:
        check(f"{name}: nothing of {start}", not any(n.startswith(start) for n in names))
    for one, entry in entries.items():
        mode = (entry.external_attr >> 16) & 0o7777
        check(f"{name}: mode of {one}", mode == (0o755 if one == "bootstrap" else 0o644), oct(mode))


def check_archives(arch):
    host = ["bootstrap", "THIRD-PARTY-LICENSES", "lua/aws/models/s3.txt", "lua/aws/models/_partitions.txt"]
    scripts = ["lua/usecases/lakehouse/run.lua", "lua/domain/lakehouse/pipeline.lua", "lua/routes.lua", "lua/settings.lua"]
    check_archive(f"sewing-{arch}.zip", host + scripts, ["lua/cli", "lua/adapters", "lua/types"])
    check_archive(f"layer-{arch}.zip", host, ["lua/usecases", "lua/domain", "lua/sql"])
    size = (DIST / f"sewing-{arch}.zip").stat().st_size
    check(f"sewing-{arch}.zip: at most {LIMIT_ZIP} bytes", size <= LIMIT_ZIP, size)


def health(answers):
    return len(answers) == 1 and answers[0][0] == "response" and answers[0][1].get("statusCode"), answers


HEALTH = {"version": "2.0", "routeKey": "$default", "rawPath": "/health", "rawQueryString": "", "headers": {"host": "a"},
          "requestContext": {"http": {"method": "GET", "path": "/health", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
                             "stage": "$default", "requestId": "1", "timeEpoch": 1}, "isBase64Encoded": False}


def check_handlers(arch):
    program = DIST / arch / "bootstrap"
    event = {"text": "ä€😀", "number": 1, "list": [], "nested": {"deep": [1.5, None, True]}}
    got = play(arch, program, "echo", [event, event], ROOT / "tests/bench/echo")
    check(f"{arch}: echo", got == [("response", event)] * 2, got)
    folder = unpack(f"function-{arch}", f"sewing-{arch}.zip")
    status, got = health(play(arch, folder / "bootstrap", "api", [HEALTH], folder))
    check(f"{arch}: /health of the package", status == 200, got)
    scripts = unpack(f"scripts-{arch}", "scripts.zip")
    layer = unpack(f"layer-{arch}", f"layer-{arch}.zip")
    status, got = health(play(arch, layer / "bootstrap", "api", [HEALTH], scripts, SEWING_LAYERS=str(layer)))
    check(f"{arch}: /health of layer and scripts", status == 200, got)


PROBE = """
local out = {}
return function(event)
  local function try(f, ...)
    local ok, value = pcall(f, ...)
    return ok and value or { error = tostring(value) }
  end
  return {
    duckdb = try(require, "sm.duckdb"), bundle = require("sm.bundle").count > 0,
    bytecode = load(string.char(27) .. "Lua", "x", "b") == nil,
    model = require("sm.bundle").find("aws/models/s3.txt") ~= nil,
    sha = require("sm.crypto").sha256 and require("sm.crypto").sha256("abc") ~= nil,
    json = require("sm.json").encode({ 0.1, 1e15, 2^53 }), format = string.format("%.14g %5.1f %q", 0.1, 2.25, 1 / 3),
    find = { ("a\\0b"):find("\\0", 1, true) }, sort = (function() local t = { "b", "a", "Z", "\\u{e4}" } table.sort(t) return t end)(),
    close = (function() local co = coroutine.create(function() local x <close> = setmetatable({}, { __close = function() out[1] = "closed" end })
      coroutine.yield() end) coroutine.resume(co) coroutine.close(co) return out[1] end)(),
    url = event.url and try(function()
      local http = require "sm.http"
      local given = { url = event.url, timeout = 30, ca_file = event.ca, ca = event.roots }
      local answer, message, code = http.request(given)
      return answer and { status = answer.status } or { code = code }
    end),
    stopped = event.loop and (function()
      local task = require "sm.task"
      local value, err = task.spawn_with({ deadline = 0.2, name = "loop" }, function() while true do end end):join()
      return err and err.limit or tostring(err)
    end)(),
  }
end
"""


def tls_server():
    folder = BUILD / "tls"
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([sys.executable, str(ROOT / "tests/support/tls_server.py"), str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True)
    return process, int(process.stdout.readline().split()[-1]), str(folder / "root.pem")


def check_inside(arch, url, ca):
    """What Lua sees inside the program, and TLS."""
    folder = unpack(f"probe-{arch}", f"sewing-{arch}.zip")
    (folder / "probe.lua").write_text(PROBE)
    events = [{"loop": True}, {"url": url, "ca": ca}, {"url": url}, {"url": url, "roots": "amazon"}]
    got = play(arch, folder / "bootstrap", "probe", events, folder)
    if len(got) != 4 or any(path != "response" for path, _ in got):
        check(f"{arch}: what Lua sees", False, got)
        return
    values = [value for _, value in got]
    first = values[0]
    check(f"{arch}: sm.duckdb is refused with a reason", "sm.duckdb is not in the Lambda build" in first["duckdb"].get("error", ""), first)
    for name in ("bundle", "bytecode", "model", "sha"):
        check(f"{arch}: {name}", first[name] is True, first)
    check(f"{arch}: numbers", json.loads(first["json"]) == [0.1, 1e15, 2 ** 53] and first["format"] == "0.1   2.2 0x1.5555555555555p-2", first)
    check(f"{arch}: strings", first["find"] == [2, 2] and first["sort"] == ["Z", "a", "b", "ä"], first)
    check(f"{arch}: closed coroutines", first["close"] == "closed", first)
    check(f"{arch}: an endless loop is stopped", first["stopped"] == "time", first)
    check(f"{arch}: HTTPS with a CA file", values[1]["url"] == {"status": 200}, values[1])
    check(f"{arch}: HTTPS refuses an unknown root", values[2]["url"] == {"code": "refused"}, values[2])
    check(f"{arch}: HTTPS refuses it with the roots of AWS", values[3]["url"] == {"code": "refused"}, values[3])
    return {key: value for key, value in first.items() if key != "duckdb"}


def check_override(arch):
    """A file that differs wins over the one in the program; one that is the same does not even get read."""
    folder = unpack(f"override-{arch}", f"sewing-{arch}.zip")
    path = folder / "lua/usecases/lakehouse/health.lua"
    text = path.read_text()
    path.write_text('return { name = "health", ports = {}, run = function() return nil, "edited" end }\n')
    status, got = health(play(arch, folder / "bootstrap", "api", [HEALTH], folder))
    check(f"{arch}: an edited use case wins", status and status >= 500, got)
    path.write_text(text[:-1] + " ")  # the same size, another content
    os.utime(path, (1, 1))
    path.write_text("syntax error" + text[12:])
    status, got = health(play(arch, folder / "bootstrap", "api", [HEALTH], folder))
    check(f"{arch}: a broken one is told", status == 503 or status == 500, got)
    path.write_text(text)
    os.utime(path, (1, 1))  # unpacked by a tool that keeps no times
    status, got = health(play(arch, folder / "bootstrap", "api", [HEALTH], folder))
    check(f"{arch}: the same file with another time", status == 200, got)
    (folder / "lua/lib/errors.lua").parent.mkdir(exist_ok=True)
    (folder / "lua/lib/errors.lua").write_bytes(b"\x1bLua" + b"\0" * 64)
    got = play(arch, folder / "bootstrap", "api", [HEALTH], folder)
    check(f"{arch}: bytecode on the disk is refused", got and got[0][0] == "error" and "binary" in json.dumps(got), got)


def main():
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "program.log").write_bytes(b"")
    check_archive("scripts.zip", ["lua/usecases/lakehouse/run.lua", "lua/routes.lua"], ["bootstrap", "lua/aws"])
    server, port, ca = tls_server()
    seen = []
    try:
        for arch in ARCHS:
            check_program(arch)
            check_archives(arch)
            if ARCHS[arch][1] == [None]:
                check(f"{arch}: can be run", False, "qemu-user is missing")
                continue
            check_handlers(arch)
            seen.append(check_inside(arch, f"https://127.0.0.1:{port}/", ca))
            check_override(arch)
    finally:
        server.kill()
        server.wait()
    check("both machines give the same", len(seen) == 2 and seen[0] == seen[1], seen)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
