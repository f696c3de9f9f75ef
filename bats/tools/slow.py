#!/usr/bin/env python3
"""Hold many idle or slow connections open.

    slow.py --port P --connections N --kind idle|kept|head|reader|sipper [--path /visits] [--rate 3000]
            [--period 0.5]

idle: nothing is ever sent. kept: one request gets its response before the next connection is made, then nothing is
sent. head: the beginning of a request, then a byte of a field each PERIOD seconds. reader: a request for PATH whose
response is not read. sipper: the same, but RATE bytes of the response are read per second. Prints `open N` once all
are connected, and at SIGTERM `still open K`: the number of connections that the server has not closed.
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
    "kept": b"GET /healthz HTTP/1.1\r\nHost: slow\r\n\r\n",
}
BEGINNINGS["sipper"] = BEGINNINGS["reader"]


class Stop(Exception):
    """SIGTERM was received."""


def on_signal(_signal, _frame):
    raise Stop


def connect(options, beginning):
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if options.kind in ("reader", "sipper"):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", options.port))
    if beginning:
        connection.sendall(beginning)
    if options.kind == "kept" and b" 200 OK" not in connection.recv(65536):
        sys.exit("slow.py: no response on connection")
    connection.setblocking(False)
    return connection


def is_open(connection):
    """Whether the server has neither closed nor reset the connection; received bytes stay unread."""
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def hold(connections, options):
    sip_bytes = int(options.rate * options.period)
    acts = {"head": lambda connection: connection.send(b"x"), "sipper": lambda connection: connection.recv(sip_bytes)}
    while True:
        select.select([], [], [], options.period)
        for connection in connections if options.kind in acts else []:
            try:
                acts[options.kind](connection)
            except OSError:
                pass


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--kind", choices=sorted(BEGINNINGS), required=True)
    parser.add_argument("--path", default="/visits")
    parser.add_argument("--rate", type=int, default=3000)
    parser.add_argument("--period", type=float, default=0.5)
    options = parser.parse_args()
    beginning = BEGINNINGS[options.kind]
    if options.kind in ("reader", "sipper"):
        beginning = beginning % options.path.encode()
    signal.signal(signal.SIGTERM, on_signal)
    connections = []
    try:
        while len(connections) < options.connections:
            connections.append(connect(options, beginning))
        print("open %d" % len(connections), flush=True)
        hold(connections, options)
    except Stop:
        pass
    print("still open %d" % sum(map(is_open, connections)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
