"""The packaged program on a Runtime API of our own (lambda_mock/lambda_bench.c), beside the smallest possible bootstrap (floor.c)
and other runtimes, all in one run, server and runtime on one CPU as a small function has it; medians.

    tests/bench/run lambda                 what ./sewing package made (it is made first when it is not there)
    SM_BENCH_QUICK=1                       fewer turns
    SM_BENCH_PEERS=0                       ours and the floor only
    SM_BENCH_CALLS=1000000                 also that many calls of 1 KiB in a row, for the resident memory
    SM_BOOTSTRAP=build/dev/bootstrap       another program
"""
import json
import os
import pathlib
import platform
import re
import socket
import statistics
import subprocess
import sys
import threading
import time

import peers
from common import ROOT, load, table
from lambda_api import invoke

ARCH = platform.machine()
BOOTSTRAP = pathlib.Path(os.environ.get("SM_BOOTSTRAP") or ROOT / "dist" / {"aarch64": "arm64"}.get(ARCH, ARCH) / "bootstrap").resolve()
HERE = ROOT / "tests" / "bench" / "lambda"
MOCK = ROOT / "tests" / "bench" / "lambda_mock"
BUILT = ROOT / "build" / "bench-lambda"
ECHO = ROOT / "tests" / "bench" / "echo"
QUICK = os.environ.get("SM_BENCH_QUICK", "0") != "0"
COLD, WARM = (9, 1000) if QUICK else (25, 5000)
MIB128 = "gen131072"


def compile_c():
    """floor (static, the system's libc), floor-musl when the release's compiler is there, and the measurer."""
    BUILT.mkdir(parents=True, exist_ok=True)
    musl = ROOT / "build" / "static" / ARCH / "bin" / "cc"
    compilers = {"lambda_bench": ["cc", "-O2"], "floor": ["cc", "-O2", "-static"], "floor-musl": [str(musl), "-O2", "-s"]}
    for name, compiler in compilers.items():
        source = MOCK / f"{name.removesuffix('-musl')}.c"
        program = BUILT / name
        if pathlib.Path(compiler[0]).is_absolute() and not musl.exists():
            continue
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run([*compiler, "-o", program, source], check=True)


def package():
    if not BOOTSTRAP.exists():
        subprocess.run([ROOT / "sewing", "package"], check=True, stdout=sys.stderr)
    if not BOOTSTRAP.exists():
        raise SystemExit(f"bench: ./sewing package has made no {BOOTSTRAP}")


def measure(subjects, *options, pin=True):
    """{name: record} of one run of lambda_bench."""
    command = [BUILT / "lambda_bench", "--log", BUILT / "log", "--timeout", "30000", *(["--pin", "0,0"] if pin else []), *options]
    for name, what in subjects:
        command += ["--subject", f"{name}={what}"]
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    records = {record["subject"]: record for record in map(json.loads, done.stdout.splitlines())}
    for name, record in records.items():
        if not record["ok"]:
            print(f"bench: {name} failed: {record['errors']} errors, first: {record['first_error']}", file=sys.stderr)
    return records


def floors():
    return [(name, BUILT / name) for name in ("floor", "floor-musl") if (BUILT / name).exists()]


def ours(name, handler="echo", root=ECHO, **environment):
    settings = "".join(f"{key}={value} " for key, value in environment.items())
    return name, f"{settings}_HANDLER={handler} LAMBDA_TASK_ROOT={root} {BOOTSTRAP}"


def warm_of(record, payload):
    return next(w for w in record["warm"] if w["payload"] == payload)


def times(value, floor, digits=2):
    return f"{value / floor:.{digits}f}"


def cold_rows(records):
    floor = records["floor"]["cold"]
    for name, record in records.items():
        cold = record.get("cold")
        if cold and cold.get("n"):
            first = cold["next_us"]["p50"]
            yield [name, f"{first / 1000:.3f}", times(first, floor["next_us"]["p50"]), f"{cold['cpu_us']['p50'] / 1000:.3f}",
                   f"{cold['total_us']['p50'] / 1000:.3f}", cold["minflt"], cold["rss_kib"], times(cold["rss_kib"], floor["rss_kib"])]


def warm_rows(records, payload):
    floor = warm_of(records["floor"], payload)
    for name, record in records.items():
        if record.get("warm"):
            w = warm_of(record, payload)
            yield [name, f"{w['rtt_us']['p50']:.1f}", times(w["rtt_us"]["p50"], floor["rtt_us"]["p50"]), f"{w['rtt_us']['p99']:.1f}",
                   times(w["rtt_us"]["p99"], floor["rtt_us"]["p99"]), f"{w['cycle_us']['p50']:.1f}", f"{w['cpu_us_per_inv']:.1f}",
                   f"{w['inv_per_s']:,}", w["hwm_kib"]]


def compare(everybody):
    """The main run: cold and warm, small and large events, and the events that are easy to get wrong."""
    subjects = [*floors(), ours("sewing"), ours("sewing raw", "raw"), *((n, c) for n, _, c in everybody)]
    records = measure(subjects, "--cold", COLD, "--warm", WARM, "--gen", 1024, "--gen", 131072, "--expect-echo", "--probe")
    busy = max(r["background_cpu_pct"] for r in records.values())
    table(f"Start: exec to the request for the first event ({load()}, other work {busy:.0f} %)",
          ["", "ms", "x floor", "CPU ms", "to the first answer ms", "page faults", "RSS KiB", "x floor"], list(cold_rows(records)))
    head = ["", "p50 us", "x floor", "p99 us", "x floor", "cycle us", "CPU us", "calls/s", "peak RSS KiB"]
    table("An event of 1 KiB, decoded and encoded (floor, raw: as bytes)", head, list(warm_rows(records, "gen1024")))
    table("An event of 128 KiB", head, list(warm_rows(records, MIB128)))
    return records


def whole_api():
    """The handler `api` with all routes; its answer to /health is no echo."""
    settings = {"DDB_TABLE": "locks", "CORS_ORIGIN": "*"}
    records = measure([*floors(), ours("sewing api", "api", ROOT / "build", **settings)], "--cold", COLD, "--warm", WARM // 5,
                      "--payload", HERE / "health.json")
    table("The whole API (handler api), answering /health", ["", "start ms", "x floor", "CPU ms", "to the first answer ms", "page faults",
          "RSS KiB", "x floor"], list(cold_rows(records)))
    warm = records["sewing api"]["warm"][0]
    print(f"\nWarm: p50 {warm['rtt_us']['p50']:.0f} us, p99 {warm['rtt_us']['p99']:.0f} us, {warm['inv_per_s']:,} calls/s.")
    return records


def concurrent(everybody):
    """Eight invocations at once, both CPUs."""
    subjects = [ours("sewing", AWS_LAMBDA_MAX_CONCURRENCY=8)]
    subjects += [(n, f"AWS_LAMBDA_MAX_CONCURRENCY=8 {c}") for n, _, c in everybody if n in ("rust-mt", "go", "py-ric")]
    records = measure(subjects, "--cold", 0, "--warm", WARM * 4, "--gen", 1024, "--expect-echo", "--concurrency", 8, pin=False)
    rows = [[n, f"{w['inv_per_s']:,}", f"{w['rtt_us']['p50']:.0f}", f"{w['processes']} / {w['threads']}", w["hwm_kib"]]
            for n, r in records.items() if r.get("warm") for w in r["warm"]]
    table("Eight invocations at once, 1 KiB, two CPUs", ["", "calls/s", "p50 us", "processes / threads", "peak RSS KiB"], rows)
    return records


def hello_at(server, times_of_hello):
    """Takes connections and notes when each has sent its first bytes of TLS."""
    while True:
        connection, _ = server.accept()
        connection.recv(1)
        times_of_hello.append(time.monotonic())
        connection.close()


def tls():
    """From a request for an HTTPS address to the first bytes of TLS: library, context and trust, and a connect on loopback."""
    server = socket.create_server(("127.0.0.1", 0))
    hellos = []
    threading.Thread(target=hello_at, args=(server, hellos), daemon=True).start()
    first, second = [], []
    for _ in range(5 if QUICK else 15):
        hellos.clear()
        answer = invoke(BOOTSTRAP, "tls", HERE / "tls", {"url": f"https://127.0.0.1:{server.getsockname()[1]}/"})
        begun = answer["began"]
        first.append((hellos[0] - begun[0]) * 1000)
        second.append((next(h for h in hellos if h > begun[1]) - begun[1]) * 1000)
    print(f"\nTLS ready for a first request: {statistics.median(first):.2f} ms (least {min(first):.2f}); a further connection: "
          f"{statistics.median(second):.2f} ms. Before a first request: nothing is done.")


def resident(process):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{process}/status").read_text())[1])


def memory(calls):
    """Resident memory after the first 10,000 calls and at the end."""
    command = [BUILT / "lambda_bench", "--cold", "0", "--warmup", "10000", "--warm", calls, "--gen", "1024", "--expect-echo", "--no-term",
               "--subject", "sewing=" + ours("sewing")[1]]
    bench = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    seen = []
    while bench.poll() is None:
        time.sleep(0.5)
        child = subprocess.run(["pgrep", "-P", str(bench.pid)], capture_output=True, text=True).stdout.split()
        if child:
            seen.append(resident(child[0]))
    record = json.loads(bench.stdout.read())
    settled = seen[2:-1] or seen  # the first 10,000 calls take less than a second
    print(f"\n{record['warm'][0]['n']:,} calls of 1 KiB in a row: resident {settled[0]} KiB after about 10,000, {settled[-1]} KiB at the end, "
          f"{max(settled)} KiB at most ({settled[-1] / settled[0] - 1:+.1%})")


def sizes():
    rows = [[f.name, f"{f.stat().st_size / 1024:.0f}"] for f in sorted((ROOT / "dist").glob("**/*")) if f.suffix == ".zip" or f.name == "bootstrap"]
    if rows:
        table("Sizes", ["file", "KiB"], rows)


def main():
    package()
    compile_c()
    everybody, absent = peers.available() if os.environ.get("SM_BENCH_PEERS") != "0" else ([], [])
    for name, what, reason in absent:
        print(f"bench: no {name} ({what}): {reason}", file=sys.stderr)
    records = compare(everybody)
    probes = ", ".join(f"{n} {r['probe']['passed']}" for n, r in records.items() if r.get("probe"))
    print(f"\nHard events answered right, of 22: {probes}")
    print("SIGTERM to the end, ms: " + ", ".join(f"{n} {r['sigterm']['ms']:.1f}" for n, r in records.items() if r.get("sigterm")))
    whole_api()
    concurrent(everybody)
    tls()
    if os.environ.get("SM_BENCH_CALLS", "0") != "0":
        memory(os.environ["SM_BENCH_CALLS"])
    sizes()


if __name__ == "__main__":
    main()
