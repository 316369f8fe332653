"""Other runtimes with the echo function of tests/bench/peers: built once into build/bench-peers, or the reason why not."""
import hashlib
import pathlib
import re
import shutil
import subprocess
import sys

from common import ROOT

SOURCES = ROOT / "tests" / "bench" / "peers"
BUILT = ROOT / "build" / "bench-peers"
NODE_CLIENT = "4.0.2"
NODE_WANTED = 22  # by that client


class Missing(Exception):
    """Why a peer cannot be measured on this machine."""


def need(program, why="is not installed"):
    path = shutil.which(program)
    if not path:
        raise Missing(f"{program} {why}")
    return path


def stamp_of(folder, extra=""):
    digest = hashlib.sha256(extra.encode())
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def made(name, version, make):
    """The folder of a peer: a copy of its source in which make() ran once, and again when source or tools change."""
    source, folder = SOURCES / name, BUILT / name
    stamp, wanted = folder / ".stamp", stamp_of(source, version)
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    print(f"bench: building the peer '{name}' ({version})", file=sys.stderr)
    make(folder)
    stamp.write_text(wanted)
    return folder


def run(folder, *command, **environment):
    import os
    done = subprocess.run([str(c) for c in command], cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1200)
    if done.returncode:
        raise Missing(f"{pathlib.Path(str(command[0])).name} failed: {done.stdout.strip().splitlines()[-1] if done.stdout.strip() else '?'}")
    return done.stdout.strip()


def rust():
    cargo = need("cargo")
    folder = made("rust", run(ROOT, cargo, "--version"), lambda at: run(at, cargo, "build", "--release", "--quiet"))
    return f"{folder}/target/release/echo"


def go():
    program = need("go")
    folder = made("go", run(ROOT, program, "version"), lambda at: run(
        at, program, "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", "bootstrap", ".", CGO_ENABLED="0"))
    return f"{folder}/bootstrap"


def python(handler):
    try:
        import awslambdaric  # noqa: F401
        import boto3  # noqa: F401
    except ImportError as missing:
        raise Missing(f"{missing.name} is not in the environment of the benchmarks") from missing
    return f"PYTHONPATH={SOURCES}/python {sys.executable} -m awslambdaric {handler}.handler"


def node_loop():
    return f"{need('node')} {SOURCES}/node/loop.js"


def node_client():
    node, npm = need("node"), need("npm")
    version = run(ROOT, node, "--version")
    if int(re.match(r"v(\d+)", version)[1]) < NODE_WANTED:
        raise Missing(f"aws-lambda-ric {NODE_CLIENT} wants Node {NODE_WANTED}; here is {version}")
    for tool in ("cmake", "autoconf", "automake", "libtoolize", "g++"):
        need(tool, "is not installed, and aws-lambda-ric compiles its own libcurl")
    folder = made("node", version, lambda at: run(
        at, npm, "install", "--no-save", "--no-audit", "--no-fund", f"aws-lambda-ric@{NODE_CLIENT}"))
    return f"LAMBDA_TASK_ROOT={folder} {node} {folder}/node_modules/.bin/aws-lambda-ric echo.handler"


ALL = [
    ("rust", "Rust, lambda_runtime, one thread", rust),
    ("rust-mt", "Rust, lambda_runtime, its default threads", lambda: "ECHO_THREADS=1 " + rust()),
    ("go", "Go, aws-lambda-go", go),
    ("py-ric", "AWS's Python client", lambda: python("echo")),
    ("py-boto3", "the same, handler imports boto3", lambda: python("echo_boto3")),
    ("node-ric", "AWS's Node client", node_client),
    ("node-loop", "Node, a loop over node:http", node_loop),
]


def available():
    """[(name, what, command)] of those that work here, [(name, what, reason)] of the others."""
    there, absent = [], []
    for name, what, build in ALL:
        try:
            there.append((name, what, build()))
        except (Missing, subprocess.TimeoutExpired, OSError) as reason:
            absent.append((name, what, str(reason)))
    return there, absent
