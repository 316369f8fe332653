"""60 queries of about one second each at once, /health beside them: its p99, and that every query is answered."""
import concurrent.futures
import time
import urllib.request

from common import call_json, load, median, scratch, sewing, table

WIDE = "SELECT count(*) FROM UNNEST(sequence(1, {n})) AS a(i) CROSS JOIN UNNEST(sequence(1, 1000)) AS b(j) WHERE (i * 7919 + j * 104729) % 1000003 = 7"


def one(base, n):
    """A query to its end, however long it queues; its state."""
    status, answer = call_json(base + "/query", {"sql": WIDE.format(n=n), "wait": 10})
    while status == 202:
        time.sleep(0.2)
        status, answer = call_json(f"{base}/query/{answer['queryExecutionId']}")
        if status == 200 and answer.get("state") in ("QUEUED", "RUNNING"):
            status = 202
            answer["queryExecutionId"] = answer.get("queryExecutionId")
    return status, answer.get("state", "SUCCEEDED")


note = load()
with scratch() as folder, sewing(folder / "data") as (_, base):
    n = 20_000
    for _ in range(4):  # find the size that takes a second alone
        begin = time.perf_counter()
        one(base, n)
        took = time.perf_counter() - begin
        n = max(1000, int(n / took))
    alone = []
    for _ in range(3):
        begin = time.perf_counter()
        one(base, n)
        alone.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        running = [pool.submit(one, base, n + k) for k in range(60)]
        times = []
        while not all(r.done() for r in running):
            start = time.perf_counter()
            urllib.request.urlopen(base + "/health").read()
            times.append((time.perf_counter() - start) * 1000)
            time.sleep(0.005)
        states = [r.result() for r in running]
    total = time.perf_counter() - begin
times.sort()
good = sum(1 for status, state in states if status == 200 and state == "SUCCEEDED")
table(f"60 parallel queries ({note})", ["what", "value"], [
    ["one query alone, median of 3", f"{median(alone):.2f} s"], ["all 60", f"{total:.1f} s"], ["queries answered", f"{good} of 60"],
    ["/health requests meanwhile (a new connection each)", len(times)],
    ["/health p50 / p99 / worst", f"{times[len(times) // 2]:.1f} / {times[int(len(times) * 0.99)]:.1f} / {times[-1]:.1f} ms"]])
