#!/usr/bin/env python3
"""Check how `web-app check` reads raw responses.

    responder.py PROGRAM < TABLE

A row is `EXIT | FATE | OUTPUT | BYTES`: BYTES (escapes as in Python) are sent as the response to any request. Then
FATE: the connection is closed (close), reset (reset) or left open until the client closes it (open), or more bytes
follow without end (endless). The program must end with EXIT, and its output, on stdout or stderr, must match the
regular expression OUTPUT as a whole; the beginning of a line on stderr, up to the URL, is left out. Each response is
sent in one piece, and again byte by byte unless it is endless. A line that starts with # is the claim of the rows
after it.
"""

import re
import socket
import struct
import subprocess
import sys
import threading

REQUEST = re.compile(rb"GET /x\?y HTTP/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\nConnection: close\r\n\r\n")


class Server:
    """Serves one connection."""

    def __init__(self, data, fate, piece):
        self.data, self.fate, self.piece = data, fate, piece
        self.complaint = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            connection, _ = self.listener.accept()
            with connection:
                connection.settimeout(20)
                self.serve(connection)
        except OSError as error:
            self.complaint = str(error)
        finally:
            self.listener.close()

    def serve(self, connection):
        request = b""
        while b"\r\n\r\n" not in request:
            more = connection.recv(4096)
            if not more:
                break
            request += more
        if not REQUEST.fullmatch(request):
            self.complaint = "request %r" % request
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for at in range(0, len(self.data), self.piece):
                connection.sendall(self.data[at:at + self.piece])
            while self.fate == "endless":
                connection.sendall(b"y" * 4096)
        except OSError:
            return  # the client has seen enough
        if self.fate == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif self.fate == "open":
            try:
                connection.recv(1)
            except ConnectionError:
                pass  # closed with bytes unread


def ask(program, data, fate, piece):
    """Returns the exit code and the output."""
    server = Server(data, fate, piece)
    url = "http://127.0.0.1:%d/x?y" % server.port
    run = subprocess.run([program, "check", url], capture_output=True, timeout=20, check=False)
    server.thread.join()
    if server.complaint:
        return run.returncode, server.complaint
    if run.stdout and run.stderr:
        return run.returncode, "both %r and %r" % (run.stdout, run.stderr)
    output = (run.stdout or run.stderr).decode("latin-1")
    return run.returncode, output.replace("web-app: %s: " % url, "", 1)


def main():
    claim, rows, wrong = "", 0, 0
    for line in sys.stdin:
        line = line.rstrip("\n")
        if line.startswith("#"):
            claim = line[1:].strip()
        if not line or line.startswith("#"):
            continue
        wanted_exit, fate, wanted, text = line.split(" | ", 3)
        data = text.encode("latin-1").decode("unicode_escape").encode("latin-1")
        rows += 1
        for piece in (len(data) + 1,) if fate == "endless" else (len(data) + 1, 1):
            code, output = ask(sys.argv[1], data, fate, piece)
            if code != int(wanted_exit) or not re.fullmatch(wanted + "\n", output):
                wrong += 1
                print("%s\n  %s\n  wanted %s %s, got %d %r" % (claim, text, wanted_exit, wanted, code, output))
    print("%d rows, %d wrong" % (rows, wrong))
    return wrong > 0 or rows == 0


if __name__ == "__main__":
    sys.exit(main())
