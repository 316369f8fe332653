"""
CSV to gold, day 1, beside the same loads, translated statements and data tests in the DuckDB shell on native tables.

    pipeline.py [visits] [residents] [rounds]     default 1,000,000, 100,000 and 5

Ours is the time between the job's first step and its end, as GET /runs/{id} reports; the shell's is the whole process on a
database file (its load of 13 ms included). Both read the same CSV with two threads, and both leave bronze as Parquet.
"""
import datetime
import shutil
import subprocess
import sys
import time

from common import ROOT, SEWING, call_json, load, median, peak_mib, run_job, scratch, sewing, table

VISITS, RESIDENTS, ROUNDS = (int(sys.argv[i]) if len(sys.argv) > i else d for i, d in ((1, 1_000_000), (2, 100_000), (3, 5)))
RUN = "2026-11-01"


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def make_source(folder):
    subprocess.run([SEWING, "run", ROOT / "runtime/sample/generate.lua", "--visits", str(VISITS), "--residents", str(RESIDENTS),
                    "--seed", "7", "--out", folder], check=True, stdout=subprocess.DEVNULL)


def ours(folder, source):
    with sewing(folder, "--source", source, env={"SEWING_ENGINE_THREADS": "2"}) as (process, base):
        begin = time.perf_counter()
        job = run_job(base, RUN)
        took = time.perf_counter() - begin
        _, answer = call_json(base + "/query", {"sql": "SELECT (SELECT count(*) FROM gold.dim_resident), count(*), sum(charge_cents) FROM gold.fact_visit"})
        return took, peak_mib(process), answer["rows"][0], job


def shell(folder, source):
    bronze = folder / "bronze"
    for name in ("dbo_resident", "dbo_visit"):
        (bronze / name / f"run={RUN}").mkdir(parents=True)
        (bronze / name / f"run={RUN}").rmdir()
    script = subprocess.run([SEWING, "run", ROOT / "tests/bench/pipeline_sql.lua", source, bronze, RUN], check=True, capture_output=True,
                            text=True, cwd=ROOT).stdout
    script += "SELECT (SELECT count(*) FROM gold.dim_resident), count(*), sum(charge_cents) FROM gold.fact_visit;\n"
    begin = time.perf_counter()
    process = subprocess.run(["/usr/bin/env", "duckdb", "-bail", "-csv", "-noheader", folder / "shell.duckdb"], input=script, text=True,
                             capture_output=True)
    took = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"the shell failed: {process.stderr[-2000:]}")
    return took, process.stdout.strip().splitlines()[-1].split(",")


note = load()
with scratch() as folder:
    source = folder / "source"
    source.mkdir()
    make_source(source)
    size = sum(f.stat().st_size for f in source.iterdir()) / 1e6
    times, times_shell, peaks = [], [], []
    for n in range(ROUNDS):
        took, peak, sums, job = ours(folder / f"data{n}", source)
        times.append(took)
        peaks.append(peak)
        shutil.rmtree(folder / f"data{n}")
        (folder / f"shell{n}").mkdir()
        took, sums_shell = shell(folder / f"shell{n}", source)
        times_shell.append(took)
        shutil.rmtree(folder / f"shell{n}")
        if list(map(str, sums)) != sums_shell:
            raise SystemExit(f"gold differs: ours {sums}, shell {sums_shell}")
table(f"CSV to gold, {VISITS:,} visits and {RESIDENTS:,} residents ({size:.0f} MB of CSV), {ROUNDS} rounds ({note})",
      ["way", "median s", "least", "most", "x shell", "peak RSS MiB"], [
          ["sewing, POST /run to SUCCEEDED", f"{median(times):.2f}", f"{min(times):.2f}", f"{max(times):.2f}",
           f"{median(times) / median(times_shell):.2f}", f"{max(peaks):.0f}"],
          ["DuckDB shell, native tables", f"{median(times_shell):.2f}", f"{min(times_shell):.2f}", f"{max(times_shell):.2f}", "1.00", ""]])
print(f"\nGold agrees: {sums[0]} residents, {sums[1]} visits, {sums[2]} cents. Steps of the last round:\n")
for step in job["steps"]:
    seconds = (instant(step["finishedAt"]) - instant(step["startedAt"])).total_seconds()
    print(f"  {step['name']:28} {seconds:8.2f} s {step['rows'] if step['rows'] is not None else ''}")
