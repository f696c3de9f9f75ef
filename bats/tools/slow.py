#!/usr/bin/env python3
"""Hold many connections open that are no use to anybody.

    slow.py --port P --connections N --kind idle|head|reader [--path /visits]

idle: nothing is ever sent. head: the beginning of a request, then a byte of a field each half second.
reader: a request for PATH whose answer is not read. Prints `open N` once all are connected, and at SIGTERM
`still open K` (those that the server has not closed).
"""

import argparse
import select
import signal
import socket
import sys

BEGINNINGS = {
    "idle": b"",
    "head": b"GET / HTTP/1.1\r\nHost: slow\r\nX: ",
    "reader": b"GET %s HTTP/1.1\r\nHost: slow\r\nAccept: text/plain\r\n\r\n",
}
BYTE_SECONDS = 0.5


class Stop(Exception):
    """SIGTERM has come."""


def on_signal(_signal, _frame):
    raise Stop


def connect(options, beginning):
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if options.kind == "reader":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", options.port))
    if beginning:
        connection.sendall(beginning)
    connection.setblocking(False)
    return connection


def is_open(connection):
    """Whether the server has neither closed nor reset it; what it has sent stays unread."""
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def hold(connections, kind):
    while True:
        select.select([], [], [], BYTE_SECONDS)
        if kind == "head":
            for connection in connections:
                try:
                    connection.send(b"x")
                except OSError:
                    pass


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--kind", choices=sorted(BEGINNINGS), required=True)
    parser.add_argument("--path", default="/visits")
    options = parser.parse_args()
    beginning = BEGINNINGS[options.kind]
    if options.kind == "reader":
        beginning = beginning % options.path.encode()
    signal.signal(signal.SIGTERM, on_signal)
    connections = []
    try:
        while len(connections) < options.connections:
            connections.append(connect(options, beginning))
        print("open %d" % len(connections), flush=True)
        hold(connections, options.kind)
    except Stop:
        pass
    print("still open %d" % sum(map(is_open, connections)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
