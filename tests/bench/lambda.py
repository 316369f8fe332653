"""The Lambda runtime against the smallest possible one (tests/bench/lambda_mock/floor.c): cold start, warm calls of 1 and
128 KiB, 8 at once, SIGTERM; medians of one run, server and runtime on one CPU as a small function has it.

    tests/bench/run lambda              dist/<arch>/bootstrap if ./sewing package has made it, else build/dev/bootstrap
    SM_BENCH_PEERS='NAME=COMMAND;...'   further runtimes beside ours
    SM_BENCH_CALLS=1000000              calls of 1 KiB in a row for the resident memory (0: left out, the default)
"""
import json
import os
import platform
import subprocess
import sys

from common import ROOT, load, table

MOCK = ROOT / "tests" / "bench" / "lambda_mock"
BUILD = ROOT / "build" / "bench"
ECHO = ROOT / "tests" / "bench" / "echo"


def compiled(name, *options):
    """The program of one C file, made again when the file is newer."""
    program, source = BUILD / name, MOCK / f"{name}.c"
    BUILD.mkdir(parents=True, exist_ok=True)
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", *options, "-o", program, source], check=True)
    return program


def bootstrap():
    arch = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    released = ROOT / "dist" / arch / "bootstrap"
    return released if released.exists() else ROOT / "build" / "dev" / "bootstrap"


def measure(subjects, *options):
    """One run of the mock: a dictionary for each subject. Its own table goes to standard error."""
    command = [compiled("lambda_bench"), "--expect-echo", "--task-root", ECHO, *options]
    for name, program in subjects.items():
        command += ["--subject", f"{name}={program}"]
    run = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=False)
    results = {one["subject"]: one for one in map(json.loads, run.stdout.splitlines())}
    if run.returncode != 0:
        print("lambda: a runtime failed; what it said stands above", file=sys.stderr)
    return results


def ratio(value, floor):
    return f"{value / floor:.2f}"


def cold_row(name, one, floor):
    cold = one["cold"]["next_us"]["p50"] / 1000
    return [name, f"{cold:.3f}", ratio(cold, floor["cold"]["next_us"]["p50"] / 1000), f"{one['cold']['rss_kib']:.0f}",
            f"{one['sigterm']['ms']:.1f}" if one.get("sigterm") else "-"]


def warm_row(name, one, floor, place):
    mine, base = one["warm"][place], floor["warm"][place]
    p50, p99 = mine["rtt_us"]["p50"], mine["rtt_us"]["p99"]
    return [name, f"{p50:.1f}", ratio(p50, base["rtt_us"]["p50"]), f"{p99:.1f}", ratio(p99, base["rtt_us"]["p99"]),
            f"{mine['inv_per_s']:.0f}", f"{mine['hwm_kib']}"]


def main():
    program = bootstrap()
    subjects = {"floor": compiled("floor", "-static"), "ours, JSON": f"_HANDLER=echo {program}", "ours, bytes": f"_HANDLER=raw {program}"}
    for peer in filter(None, os.environ.get("SM_BENCH_PEERS", "").split(";")):
        name, command = peer.split("=", 1)
        subjects[name.strip()] = command
    note = load()
    results = measure(subjects, "--pin", "0,0", "--cold", "25", "--warm", "5000", "--gen", "1024", "--gen", "131072", "--probe")
    floor = results["floor"]
    table(f"Lambda, cold ({program.relative_to(ROOT)}; {note})", ["runtime", "exec to first next, ms", "x floor", "RSS KiB", "SIGTERM ms"],
          [cold_row(name, one, floor) for name, one in results.items()])
    for place, size in enumerate(("1 KiB", "128 KiB")):
        table(f"Lambda, warm, {size}", ["runtime", "p50 us", "x floor", "p99 us", "x floor", "calls/s", "peak KiB"],
              [warm_row(name, one, floor, place) for name, one in results.items()])
    many = measure({"ours": f"_HANDLER=echo {program}"}, "--cold", "0", "--warm", "40000", "--concurrency", "8", "--env",
                   "AWS_LAMBDA_MAX_CONCURRENCY=8")
    print(f"\n8 at once, 1 KiB: {many['ours']['warm'][0]['inv_per_s']:.0f} calls/s")
    calls = int(os.environ.get("SM_BENCH_CALLS", "0"))
    if calls:
        memory(program, calls)


def memory(program, calls):
    """Resident memory after the first 10,000 calls and after all."""
    peaks = [measure({"ours": f"_HANDLER=echo {program}"}, "--cold", "0", "--warm", str(count))["ours"]["warm"][0]["hwm_kib"]
             for count in (10000, calls)]
    print(f"\nPeak resident memory: {peaks[0]} KiB after 10,000 calls, {peaks[1]} KiB after {calls} ({peaks[1] / peaks[0] - 1:+.1%})")


main()
