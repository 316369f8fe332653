"""What the benchmarks share: start a server, wait for it, measure its memory, print a table."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEWING = ROOT / "build" / "dev" / "sewing"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def call(url, body=None, headers=None, timeout=600, method=None):
    """One request; (status, headers, bytes). A body that is no bytes is sent as JSON."""
    data = None
    headers = dict(headers or {})
    if body is not None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def call_json(url, body=None, **more):
    status, _, text = call(url, body, **more)
    return status, json.loads(text)


def wait_until_answers(port, path="/health", seconds=20, process=None):
    """Busy-polls until the first 200; returns the moment (perf_counter)."""
    end = time.perf_counter() + seconds
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    while time.perf_counter() < end:
        if process is not None and process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as s:
                s.sendall(request)
                if s.recv(64).startswith(b"HTTP/1.1 200"):
                    return time.perf_counter()
        except OSError:
            pass
    raise SystemExit(f"nothing answered on port {port} within {seconds} s")


@contextlib.contextmanager
def server(command, port, cpu=None, env=None):
    """Runs a server until the block ends; yields the process."""
    if cpu is not None:
        command = ["taskset", "-c", str(cpu), *command]
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, **(env or {})})
    try:
        wait_until_answers(port, process=process)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def scratch():
    """A folder that is gone afterwards (in build/, so on the same disk as the data of real runs)."""
    (ROOT / "build").mkdir(exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / "build"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def sewing(data, *options, cpu=None, env=None):
    """`sewing serve` on a free port; yields (process, base URL)."""
    port = free_port()
    with server([SEWING, "serve", "--port", port, "--data", data, *options], port, cpu, env) as process:
        yield process, f"http://127.0.0.1:{port}"


def rss_mib(process) -> float:
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


def peak_mib(process) -> float:
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text)[1]) / 1024


def reset_peak(process):
    pathlib.Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def wrk(url, seconds=3, connections=32, cpu=1):
    """Requests per second and p99 in ms, by wrk with one thread."""
    out = subprocess.run(["taskset", "-c", str(cpu), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url],
                         capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if bad:
        raise SystemExit(f"{url}: {bad[1]} answers were errors")
    return rate, float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def load() -> str:
    return f"load average before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores"


def median(values):
    return statistics.median(values)


def table(title, head, rows):
    print(f"\n## {title}\n")
    widths = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]
    for n, row in enumerate([head, *rows]):
        print("| " + " | ".join(str(c).ljust(w) for c, w in zip(row, widths)) + " |")
        if n == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")


def run_job(base, run, poll=0.02, seconds=3600):
    """POST /run and wait for the end; the job's record."""
    status, answer = call_json(base + "/run", {"run": run})
    if status != 202:
        raise SystemExit(f"POST /run answered {status}: {answer}")
    end = time.time() + seconds
    while time.time() < end:
        _, job = call_json(f"{base}/runs/{answer['jobId']}")
        if job["state"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
            if job["state"] != "SUCCEEDED":
                raise SystemExit(f"the run ended as {job['state']}: {json.dumps(job)[:2000]}")
            return job
        time.sleep(poll)
    raise SystemExit("the run did not end in time")
