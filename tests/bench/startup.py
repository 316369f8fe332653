"""Process start to the first answered /health, engine not loaded; and what a second `./sewing` adds over the program itself."""
import subprocess
import time

from common import ROOT, SEWING, free_port, load, median, scratch, table, wait_until_answers


def start(command, port):
    begin = time.perf_counter()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = wait_until_answers(port, process=process)
    process.terminate()
    process.wait(20)
    return (done - begin) * 1000


def version(command):
    begin = time.perf_counter()
    subprocess.run([str(c) for c in command], stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begin) * 1000


note = load()
with scratch() as folder:
    direct, wrapped, first = [], [], []
    for n in range(21):
        for program, times in ((SEWING, direct), (ROOT / "sewing", wrapped)):
            port = free_port()
            times.append(start([program, "serve", "--port", port, "--data", folder / "data"], port))
    for n in range(7):
        port = free_port()
        first.append(start([SEWING, "serve", "--port", port, "--data", folder / f"data{n}"], port))
    plain = [version([SEWING, "version"]) for _ in range(21)]
    through = [version([ROOT / "sewing", "version"]) for _ in range(21)]
table(f"Start-up ({note})", ["what", "median ms", "least", "most"], [
    [name, f"{median(t):.1f}", f"{min(t):.1f}", f"{max(t):.1f}"] for name, t in (
        ("serve to first /health, data there already", direct), ("the same through ./sewing", wrapped),
        ("serve to first /health, empty data folder (sample is made)", first),
        ("sewing version", plain), ("./sewing version", through))])
print(f"\nThe wrapper adds {median(through) - median(plain):.1f} ms.")
