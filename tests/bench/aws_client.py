"""Milliseconds until AWS clients are ready, and until their first requests are built, each in a fresh process; beside botocore."""
import json
import os
import pathlib
import subprocess
import sys

from common import ROOT, SEWING, load, median, scratch, table
from lambda_api import invoke

RUNS = int(os.environ.get("RUNS", 21))
GROUPS = (["dynamodb"], ["s3"], ["athena"], ["glue"], ["lambda"], ["athena", "glue", "s3", "dynamodb", "lambda"])
ENV = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1",
       "HOME": "/nonexistent", "AWS_LAMBDA_FUNCTION_NAME": "bench"}
BOOTSTRAP = pathlib.Path(os.environ.get("BOOTSTRAP", ROOT / "dist" / "x86_64" / "bootstrap"))
PEER = """
import json, sys, time
begun = time.perf_counter()
import botocore.session
session = botocore.session.Session()
for name in sys.argv[1:]: session.create_client(name, region_name='eu-west-1')
print(json.dumps({'ready': (time.perf_counter() - begun) * 1000}))
"""


def development(services):
    out = subprocess.run([SEWING, "--lua", "tests/bench/aws_client/run.lua", *services], cwd=ROOT, env=ENV,
                         capture_output=True, text=True, check=True).stdout
    return json.loads(out)


def peer(services):
    out = subprocess.run([sys.executable, "-c", PEER, *services], env=ENV, capture_output=True, text=True)
    return json.loads(out.stdout) if out.returncode == 0 else None


def task_root(folder):
    """What the packaged program is unpacked with: the function and the models."""
    (folder / "lua" / "aws").mkdir(parents=True)
    (folder / "lua" / "aws" / "models").symlink_to(ROOT / "lua" / "aws" / "models")
    (folder / "aws_client.lua").symlink_to(ROOT / "tests" / "bench" / "aws_client" / "aws_client.lua")
    return folder


def packaged(services):
    answer = invoke(BOOTSTRAP, "aws_client", TASK, {"services": services}, **ENV)
    if "ready" not in answer:
        raise SystemExit(f"the packaged program failed: {answer}")
    return answer


note = load()
rows = []
temporary = scratch()
TASK = task_root(temporary.__enter__())
for group in GROUPS:
    kinds = [("development build", development)] + ([("packaged program", packaged)] if BOOTSTRAP.exists() else [])
    taken = {name: [] for name, _ in kinds}
    for _ in range(RUNS):
        for name, run in kinds:
            taken[name].append(run(group))
    for name, times in taken.items():
        rows.append([" ".join(group), name, *(f"{pick([t[what] for t in times]):.2f}" for what in ("ready", "built")
                                                    for pick in (median, min))])
    others = [t for t in (peer(group) for _ in range(5)) if t]
    if others:
        rows.append([" ".join(group), "botocore", f"{median([t['ready'] for t in others]):.0f}", f"{min(t['ready'] for t in others):.0f}", "", ""])
temporary.__exit__(None, None, None)
table(f"AWS clients in a fresh process ({note})", ["services", "program", "ready ms", "least", "first requests built ms", "least"], rows)
