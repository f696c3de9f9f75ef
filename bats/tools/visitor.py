#!/usr/bin/env python3
"""Visit a page over many keep-alive connections and note every acknowledged visit.

    visitor.py --connections C (--seconds S | --requests N) --out FILE
               [--url http://127.0.0.1:8080/] [--reconnect | --until-close] [--pipeline P] [--close]
               [--visits-per-connection V] [--apart MS]

Each acknowledged visit becomes one line `NUMBER<TAB>TIME` in FILE, written only after the whole response
was read: each visit in FILE was acknowledged. FILE is appended to. The summary on stdout is

    acknowledged 1234 refused 0 errors 0 unanswered 0

refused: responses other than 200. errors: connections that broke or could not be made. unanswered: requests
on connections that broke; each of them may or may not have been recorded. A broken connection ends; with
--reconnect it is made again, at most every 50 ms. When the server announces a close, the connection is made
again, unless --until-close. --close asks for a close after each response. Connections made at the same time
may all go to one worker of the server; with V they are made again after V visits, while that worker is busy,
so that the others get some too. Between two requests, of whatever connections, pass at least MS milliseconds.
SIGTERM and SIGINT end the visits as the time limit does. Exits with 0, or with 1 if a response was malformed.
"""

import argparse
import json
import os
import selectors
import signal
import socket
import sys
import time
import urllib.parse

RETRY_SECONDS = 0.05
PATIENCE_SECONDS = 10.0


class BadResponse(Exception):
    """The server sent something that is not HTTP, or not a visit's response."""


class Broken(Exception):
    """The connection ended or failed."""


class Tally:
    """The counts of all connections together, and the number of requests still to be sent."""

    def __init__(self, out_fd, requests):
        self.out_fd = out_fd
        self.requests_left = requests
        self.acknowledged = self.refused = self.errors = self.unanswered = 0
        self.noted = []
        self.stopped = False

    def take_request(self):
        """True if one more request may be sent."""
        if self.stopped or self.requests_left == 0:
            return False
        if self.requests_left is not None:
            self.requests_left -= 1
        return True

    def flush(self):
        """Write down what was acknowledged since the previous call; a kill of this program loses no more."""
        data = "".join(self.noted).encode()
        self.noted.clear()
        while data:
            data = data[os.write(self.out_fd, data):]


def parse_response(buffer):
    """One whole response at the start of buffer -> (bytes used, status, headers, body), else None."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > 65536:
            raise BadResponse("no end of head in 64 KiB")
        return None
    lines = bytes(buffer[:end]).decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
        raise BadResponse("status line %r" % lines[0])
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if not headers.get("content-length", "").isdigit():
        raise BadResponse("response without Content-Length")
    used = end + 4 + int(headers["content-length"])
    if len(buffer) < used:
        return None
    return used, int(parts[1]), headers, bytes(buffer[end + 4:used])


class Visitor:
    """One connection at a time: connect, ask, read, ask again."""

    def __init__(self, selector, tally, address, request, options):
        self.selector = selector
        self.tally = tally
        self.address = address
        self.request = request
        self.depth = options.pipeline
        self.reconnect = options.reconnect
        self.until_close = options.until_close
        self.visits_max = options.visits_per_connection
        self.apart = options.apart / 1000
        self.socket = None
        self.retry_at = 0.0
        self.done = False

    def open(self):
        """Start a connection; its outcome shows when the socket becomes writable."""
        self.output = b""
        self.input = bytearray()
        self.outstanding = self.asked = 0
        self.connected = False
        self.socket = socket.socket(self.address[0], socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(self.address[1])
        self.selector.register(self.socket, selectors.EVENT_WRITE, self)
        self.ask()

    def close(self):
        self.selector.unregister(self.socket)
        self.socket.close()
        self.socket = None

    def ask(self):
        """Keep up to `depth` requests outstanding."""
        while self.outstanding < self.depth and self.asked != self.visits_max and self.tally.take_request():
            self.output += self.request
            self.outstanding += 1
            self.asked += 1

    def fail(self):
        """The connection broke: its open requests are nobody's any more."""
        self.tally.errors += 1
        self.leave()

    def leave(self):
        """Give the connection up; come back later if that is wanted and there is more to ask."""
        if self.connected:
            self.tally.unanswered += self.outstanding
        if self.tally.requests_left is not None and self.reconnect:
            self.tally.requests_left += self.outstanding
        self.close()
        self.retry_at = time.monotonic() + RETRY_SECONDS
        self.done = not self.reconnect

    def on_event(self, mask):
        try:
            if mask & selectors.EVENT_WRITE:
                self.write()
            if mask & selectors.EVENT_READ:
                self.read()
        except (OSError, Broken):
            self.fail()
            return
        if self.socket is None:
            return
        if self.outstanding == 0:
            self.close()
            self.done = self.asked != self.visits_max
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.output else 0)
        self.selector.modify(self.socket, wanted, self)

    def write(self):
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        self.connected = True
        if self.apart:
            time.sleep(self.apart)
        try:
            self.output = self.output[self.socket.send(self.output):]
        except BlockingIOError:
            pass

    def read(self):
        try:
            data = self.socket.recv(262144)
        except BlockingIOError:
            return
        if not data:
            raise Broken
        self.input += data
        while True:
            response = parse_response(self.input)
            if response is None:
                break
            used, status, headers, body = response
            del self.input[:used]
            if self.outstanding == 0:
                raise BadResponse("a response without a request")
            self.outstanding -= 1
            self.note(status, body)
            if headers.get("connection", "").lower() == "close":
                self.reopen()
                return
        self.ask()

    def note(self, status, body):
        if status != 200:
            self.tally.refused += 1
            return
        try:
            visit = json.loads(body)
            self.tally.noted.append("%d\t%s\n" % (visit["visit"], visit["time"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BadResponse("body %r" % body) from error
        self.tally.acknowledged += 1

    def reopen(self):
        """The server announced its close: no error, but pipelined requests behind it have no response."""
        self.tally.unanswered += self.outstanding
        if self.tally.requests_left is not None:
            self.tally.requests_left += self.outstanding
        self.close()
        self.retry_at = 0.0
        self.done = self.until_close

    def tick(self, now):
        """Connect (again) if it is time and there are requests left to send."""
        if self.socket is not None or self.done or now < self.retry_at:
            return
        if self.tally.stopped or self.tally.requests_left == 0:
            self.done = True
            return
        self.open()


def run(visitors, tally, selector, seconds):
    stop_at = time.monotonic() + seconds if seconds else None
    give_up_at = None
    while True:
        now = time.monotonic()
        if stop_at is not None and now >= stop_at:
            tally.stopped = True
        if tally.stopped and give_up_at is None:
            give_up_at = now + PATIENCE_SECONDS
        for visitor in visitors:
            visitor.tick(now)
        open_visitors = [v for v in visitors if not v.done]
        if not open_visitors:
            return
        if give_up_at is not None and now > give_up_at:
            for visitor in open_visitors:
                if visitor.socket is not None:
                    visitor.fail()
            return
        for key, mask in selector.select(RETRY_SECONDS):
            key.data.on_event(mask)
        tally.flush()


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=1)
    limit = parser.add_mutually_exclusive_group(required=True)
    limit.add_argument("--seconds", type=float)
    limit.add_argument("--requests", type=int)
    parser.add_argument("--url", default="http://127.0.0.1:8080/")
    parser.add_argument("--out", required=True)
    ending = parser.add_mutually_exclusive_group()
    ending.add_argument("--reconnect", action="store_true")
    ending.add_argument("--until-close", action="store_true")
    parser.add_argument("--pipeline", type=int, default=1)
    parser.add_argument("--close", action="store_true")
    parser.add_argument("--visits-per-connection", type=int)
    parser.add_argument("--apart", type=float, default=0)
    return parser.parse_args()


def main():
    options = parse_options()
    url = urllib.parse.urlsplit(options.url)
    found = socket.getaddrinfo(url.hostname, url.port or 80, type=socket.SOCK_STREAM)[0]
    request = ("GET %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n%s\r\n"
               % (url.path or "/", url.netloc, "Connection: close\r\n" if options.close else "")).encode()
    out_fd = os.open(options.out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    tally = Tally(out_fd, options.requests)

    def stop(_signal, _frame):
        tally.stopped = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    selector = selectors.DefaultSelector()
    visitors = [Visitor(selector, tally, (found[0], found[4]), request, options)
                for _ in range(options.connections)]
    status = 0
    try:
        run(visitors, tally, selector, options.seconds)
    except BadResponse as error:
        print("visitor.py: %s" % error, file=sys.stderr)
        status = 1
    tally.flush()
    print("acknowledged %d refused %d errors %d unanswered %d"
          % (tally.acknowledged, tally.refused, tally.errors, tally.unanswered))
    return status


if __name__ == "__main__":
    sys.exit(main())
