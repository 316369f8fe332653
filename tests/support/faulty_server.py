#!/usr/bin/env python3
"""A server that fails as networks do, by path, for tests. Prints its port; one line per request goes to standard output.

/ok           answers, keeps the connection
/stale        answers the first request of a connection; the second is reset without an answer
/late-stale   as /stale, but the second is read whole and closed in an orderly way
/reset        resets without an answer, the first time; then answers
/close        closes without an answer, the first time; then answers
/short        promises 100 bytes and sends 10, the first time; then answers
/silent       never answers
/trickle      one byte in a while, for longer than a limit on silence
/garbage      no HTTP
/status/NNN/N answers with status NNN the first N times; then 200
"""
import re
import socket
import struct
import sys
import threading
import time

seen = {}
lock = threading.Lock()


def count(path):
    with lock:
        seen[path] = seen.get(path, 0) + 1
        return seen[path]


def answer(conn, status=200, body=b"{}", extra=b""):
    conn.sendall(b"HTTP/1.1 %d X\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n%s\r\n" % (status, len(body), extra) + body)


def reset(conn):
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def read_request(stream):
    line = stream.readline()
    if not line:
        return None
    length = 0
    while True:
        header = stream.readline()
        if header in (b"\r\n", b""):
            break
        name, _, value = header.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return line.split()[1].decode(), stream.read(length)


def serve_one(conn, path, on_connection):
    """Gives whether the connection goes on."""
    first = count(path) == 1
    if path.startswith("/stale") or path.startswith("/late-stale"):
        if on_connection == 1:
            answer(conn)
            return True
        if path.startswith("/stale"):
            reset(conn)
        return False
    if path.startswith("/reset") and first:
        reset(conn)
        return False
    if path.startswith("/close") and first:
        return False
    if path.startswith("/short") and first:
        conn.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n0123456789")
        return False
    if path.startswith("/silent"):
        time.sleep(30)
        return False
    if path.startswith("/trickle"):
        conn.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 12\r\n\r\n")
        for _ in range(12):
            conn.sendall(b" ")
            time.sleep(0.02)
        return True
    if path.startswith("/garbage"):
        conn.sendall(b"\x00\x01\x02 nothing to see\r\n\r\n")
        return False
    wanted = re.match(r"/status/(\d+)/(\d+)", path)
    if wanted and seen[path] <= int(wanted.group(2)):
        answer(conn, int(wanted.group(1)))
        return True
    answer(conn)
    return True


def serve(conn):
    stream = conn.makefile("rb")
    requests = 0
    try:
        while True:
            request = read_request(stream)
            if request is None:
                break
            requests += 1
            print(request[0], flush=True)
            if not serve_one(conn, request[0], requests):
                break
    except OSError:
        pass
    finally:
        stream.close()
        conn.close()


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print("port", listener.getsockname()[1], flush=True)
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=serve, args=(conn,), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
