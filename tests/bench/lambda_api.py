"""One invocation of the packaged program, by a Runtime API that gives a single event."""
import http.server
import json
import os
import subprocess
import threading


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.server.given:
            threading.Event().wait(30)  # no second event; the process is ended meanwhile
            return
        self.server.given = True
        self.reply(json.dumps(self.server.event).encode(), {"Lambda-Runtime-Aws-Request-Id": "1",
                   "Lambda-Runtime-Deadline-Ms": "4102444800000", "Lambda-Runtime-Invoked-Function-Arn": "arn"})

    def do_POST(self):
        self.server.answer = self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(b"{}", {}, 202)
        self.server.done.set()

    def reply(self, body, headers, status=200):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def invoke(bootstrap, handler, root, event, **environment):
    """What the handler of a fresh process gives for the event."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads, server.handle_error = True, lambda *_: None  # the program is ended while it asks for the next event
    server.event, server.given, server.answer, server.done = event, False, None, threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {"PATH": os.environ["PATH"], "AWS_LAMBDA_FUNCTION_NAME": "bench", **environment, "_HANDLER": handler,
                   "LAMBDA_TASK_ROOT": str(root), "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}"}
    process = subprocess.Popen([bootstrap], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        if not server.done.wait(20):
            raise SystemExit(f"bench: the handler {handler} gave no answer")
    finally:
        process.kill()
        process.wait()
        server.shutdown()
    return json.loads(server.answer)
