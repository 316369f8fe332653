"""
GET /health, keep-alive, 32 connections, server and load generator pinned to one core each; rounds take turns.

uvicorn is measured as `pip install uvicorn` gives it (h11, asyncio) and with its extras (httptools, uvloop).
"""
import contextlib
import shutil
import sys
from pathlib import Path

from common import free_port, load, median, scratch, server, sewing, table, wrk

APP = '''
from datetime import datetime, timezone
from fastapi import FastAPI
app = FastAPI()

@app.get("/health")
async def health():
    return {"status": "ok", "service": "sewingmachine", "time": datetime.now(timezone.utc).isoformat()}
'''

NGINX = '''
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location /health {{ default_type application/json;
    return 200 '{{"status":"ok","service":"sewingmachine","time":"2026-01-01T00:00:00Z"}}'; }} }}
}}
'''

STATIC = "nginx, static answer, no access log"
NGINX_THERE = shutil.which("nginx") is not None
rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
note = load()
with scratch() as folder:
    (folder / "app.py").write_text(APP)
    nginx_port, logged_port, quiet_port, plain_port = free_port(), free_port(), free_port(), free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=nginx_port))
    uvicorn = [str(Path(sys.executable).parent / "uvicorn"), "--app-dir", folder, "app:app"]
    with sewing(folder / "data", cpu=0) as (_, base), \
            sewing(folder / "quiet", cpu=0, env={"SEWING_ACCESS_LOG": "false"}) as (_, quiet), \
            (server(["nginx", "-p", folder, "-c", folder / "nginx.conf"], nginx_port, 0) if NGINX_THERE else contextlib.nullcontext()), \
            server([*uvicorn, "--port", plain_port, "--http", "h11", "--loop", "asyncio"], plain_port, 0), \
            server([*uvicorn, "--port", logged_port], logged_port, 0), \
            server([*uvicorn, "--port", quiet_port, "--log-level", "error", "--no-access-log"], quiet_port, 0):
        targets = {
            "sewing, access log on (as started)": base,
            "sewing, no access log": quiet,
            "FastAPI on plain uvicorn, as started": f"http://127.0.0.1:{plain_port}",
            "FastAPI on uvicorn[standard], as started": f"http://127.0.0.1:{logged_port}",
            "FastAPI on uvicorn[standard], no access log": f"http://127.0.0.1:{quiet_port}",
        }
        if NGINX_THERE:
            targets[STATIC] = f"http://127.0.0.1:{nginx_port}"
        results = {name: [] for name in targets}
        for _ in range(rounds):
            for name, url in targets.items():
                results[name].append(wrk(url + "/health", 2))
rate = {name: median([r for r, _ in runs]) for name, runs in results.items()}
plain, logged, silent = (rate[f"FastAPI on {name}"] for name in
                         ("plain uvicorn, as started", "uvicorn[standard], as started", "uvicorn[standard], no access log"))
table(f"/health, {rounds} rounds of 2 s ({note})", ["server", "requests/s", "p99 ms", "x plain uvicorn", "x [standard]", "x [standard], no log", "nginx / it"], [
    [name, f"{rate[name]:,.0f}", f"{median([p for _, p in runs]):.2f}", f"{rate[name] / plain:.1f}", f"{rate[name] / logged:.1f}",
     f"{rate[name] / silent:.1f}",
     f"{rate[STATIC] / rate[name]:.2f}" if NGINX_THERE else ""] for name, runs in results.items()])
