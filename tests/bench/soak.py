"""1,000,000 requests of four kinds: resident memory at the end beside that after the first 10,000."""
import subprocess
import sys

from common import load, rss_mib, scratch, sewing, table

TOTAL = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
SCRIPT = """
local kinds = {
  wrk.format("GET", "/health"),
  wrk.format("GET", "/nowhere"),
  wrk.format("POST", "/query", {["Content-Type"] = "application/json"}, '{"sql": 5}'),
  wrk.format("OPTIONS", "/run", {["Origin"] = "http://example.org", ["Access-Control-Request-Method"] = "POST"}),
}
local n = 0
request = function() n = n + 1; return kinds[n % 4 + 1] end
"""


def requests(base, script, count):
    """At least count requests; how many."""
    done = 0
    while done < count:
        out = subprocess.run(["wrk", "-t1", "-c16", "-d2s", "-s", script, base], capture_output=True, text=True, check=True).stdout
        done += int(out.split(" requests in ")[0].split()[-1])
    return done


note = load()
with scratch() as folder, sewing(folder / "data", env={"SEWING_ACCESS_LOG": "false"}) as (process, base):
    script = folder / "mix.lua"
    script.write_text(SCRIPT)
    early = requests(base, script, 10_000)
    after_first = rss_mib(process)
    done = early + requests(base, script, TOTAL - early)
    at_end = rss_mib(process)
table(f"Soak ({note})", ["requests", "RSS MiB", "growth"], [
    [f"{early:,}", f"{after_first:.1f}", ""], [f"{done:,}", f"{at_end:.1f}", f"{(at_end / after_first - 1) * 100:+.1f} %"]])
