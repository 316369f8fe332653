"""POST /query of 1,000,000 rows x 8 columns as NDJSON, beside the DuckDB shell writing the same rows from the same Parquet."""
import json
import pathlib
import subprocess
import threading
import time
import urllib.request

from common import call_json, load, median, reset_peak, peak_mib, rss_mib, run_job, scratch, sewing, table

ROWS = 1_000_000
SQL = f"""
SELECT n AS id, n * 7919 % 1000003 AS customer, CAST(n AS double) / 7 AS ratio, CAST(n % 100000 AS decimal(12,2)) AS amount,
  date_add('day', CAST(n % 3650 AS integer), DATE '2015-01-01') AS day, 'customer number ' || CAST(n AS varchar) AS name,
  n % 3 = 0 AS active, CASE WHEN n % 10 = 0 THEN NULL ELSE 'note ' || CAST(n % 977 AS varchar) END AS note
FROM UNNEST(sequence(1, 1000)) AS a(i) CROSS JOIN UNNEST(sequence(1, {ROWS // 1000})) AS b(j)
CROSS JOIN LATERAL (SELECT (i - 1) * {ROWS // 1000} + j AS n) AS c
"""


def ours(base, target):
    begin = time.perf_counter()
    request = urllib.request.Request(base + "/query", data=json.dumps({"sql": "SELECT * FROM gold.eight"}).encode(),
                                     headers={"Content-Type": "application/json", "Accept": "application/x-ndjson"})
    with urllib.request.urlopen(request) as answer, open(target, "wb") as out:
        while chunk := answer.read(1 << 18):
            out.write(chunk)
    return time.perf_counter() - begin


def shell(files, target, threads):
    begin = time.perf_counter()
    subprocess.run(["duckdb", "-c", f"SET threads={threads}; COPY (SELECT * FROM read_parquet({files})) TO '{target}' (FORMAT json)"],
                   check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


note = load()
with scratch() as folder, sewing(folder / "data") as (process, base):
    run_job(base, "2026-11-01")  # makes the databases
    status, answer = call_json(base + "/materialize", {"target": {"db": "gold", "table": "eight"}, "mode": "replace", "sql": SQL})
    if status != 200:
        raise SystemExit(f"materialize: {status} {answer}")
    files = [str(p) for p in pathlib.Path(folder / "data").rglob("gold/eight/data/**/*.parquet")]
    call_json(base + "/query", {"sql": "SELECT count(*) FROM gold.eight"})
    before = rss_mib(process)
    reset_peak(process)
    first = ours(base, folder / "ours.ndjson")
    growth = peak_mib(process) - before
    times, times_shell = [first], []
    for _ in range(5):
        times_shell.append(shell(files, folder / "shell.ndjson", 2))
        times.append(ours(base, folder / "ours.ndjson"))
    rows = [sum(1 for _ in open(folder / name)) for name in ("ours.ndjson", "shell.ndjson")]
    sizes = [(folder / name).stat().st_size for name in ("ours.ndjson", "shell.ndjson")]
if rows != [ROWS, ROWS]:
    raise SystemExit(f"row counts differ: {rows}")
table(f"/query as NDJSON, {ROWS:,} rows x 8 columns ({note})", ["way", "median s", "rows/s", "MB", "share of the shell"], [
    ["sewing", f"{median(times):.2f}", f"{ROWS / median(times):,.0f}", f"{sizes[0] / 1e6:.0f}", f"{median(times_shell) / median(times):.2f}"],
    ["DuckDB shell, COPY ... (FORMAT json)", f"{median(times_shell):.2f}", f"{ROWS / median(times_shell):,.0f}", f"{sizes[1] / 1e6:.0f}", "1.00"]])
print(f"\nResident memory: {before:.0f} MiB before, grew by at most {growth:.0f} MiB during the first download.")
