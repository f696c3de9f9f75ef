#!/usr/bin/env python3
"""Read a listing of /visits while something happens to the file or beside it, and check the outcome.

    listing.py --port P --file FILE replaced     another file takes the name of FILE while it is listed
    listing.py --port P --file FILE shortened    FILE is truncated while it is listed, over HTTP/1.0 and 1.1
    listing.py --port P --file FILE searched     visits are made while the program searches for the first line to list
    listing.py --port P --file FILE long         visits are made while the program skips a long line, the second of three

For all but the last, FILE has many equal lines. Exits with 1, and says why, if a listing mixes two files, looks whole
although it is not, or keeps visitors waiting.
"""

import argparse
import os
import re
import socket
import sys

OLD = b"2021-11-28 22:54:26.913511+03:00\n"
NEW = b"2022-11-28 22:54:26.913511+03:00\n"
TIMEOUT_SECONDS = 60


class Wrong(Exception):
    """A listing is not as it must be."""


def connect(port, receive_buffer=65536):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(TIMEOUT_SECONDS)
    connection.connect(("127.0.0.1", port))
    return connection


def ask(connection, path, version="1.1"):
    connection.sendall(b"GET %s HTTP/%s\r\nHost: a\r\nConnection: close\r\n\r\n" % (path.encode(), version.encode()))


def read_rest(connection, data=b""):
    """The received bytes, and whether the connection ended without a reset."""
    try:
        while chunk := connection.recv(1 << 20):
            data += chunk
    except ConnectionResetError:
        return data, False
    return data, True


def replaced(options):
    connection = connect(options.port)
    ask(connection, "/visits?format=raw", "1.0")
    first = connection.recv(1024)
    lines = os.path.getsize(options.file) // len(OLD)
    with open(options.file + ".new", "wb") as new:
        new.write(NEW * (lines + 1))
    os.rename(options.file + ".new", options.file)
    # The next visit makes the program notice; the first acknowledged one after that is in the new file.
    while True:
        other = connect(options.port)
        other.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nConnection: close\r\n\r\n")
        found = re.search(rb'"visit": (\d+)', read_rest(other)[0])
        if found and int(found[1]) > lines + 1:
            break
    body = read_rest(connection, first)[0].split(b"\r\n\r\n", 1)[1]
    if body != OLD * lines:
        raise Wrong("of %d lines %d are of the file that was listed and %d of the other"
                    % (lines, body.count(OLD), body.count(NEW)))
    print("all %d lines are of the file that was listed" % lines)


def shortened(options):
    for version in "1.0", "1.1":
        with open(options.file, "wb") as file:
            file.write(OLD * 1000000)
        while True:  # until the program lists the new file
            other = connect(options.port)
            ask(other, "/visits?format=json&tail=1")
            if re.search(rb'"count": 1000000,', read_rest(other)[0]):
                break
        connection = connect(options.port)
        ask(connection, "/visits?format=raw", version)
        first = connection.recv(1024)
        os.truncate(options.file, 1000 * len(OLD))
        data, in_order = read_rest(connection, first)
        if in_order and (version == "1.0" or data.endswith(b"0\r\n\r\n")):
            raise Wrong("over HTTP/%s %d bytes of a listing of 33,000,000 look whole" % (version, len(data)))
        print("over HTTP/%s it ends by a reset after a part" % version)


def visit_until(options, path, has_come):
    """Visits until HAS_COME is true of the body of PATH. The event loop acknowledges a visit within two iterations, and
    an iteration reads a bounded part of the file."""
    visitor = connect(options.port)
    listing = connect(options.port)
    ask(listing, path)
    listing.setblocking(False)
    data, acknowledged = b"", 0
    while True:
        try:
            data += listing.recv(4096)
        except BlockingIOError:
            pass
        if has_come(data.split(b"\r\n\r\n", 1)[-1]):
            break
        visitor.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        if b"HTTP/1.1 200" not in visitor.recv(65536):
            raise Wrong("a visit did not get 200")
        acknowledged += 1
    text = "%d visits were acknowledged while a listing read what it does not show" % acknowledged
    if acknowledged < 20:
        raise Wrong("only " + text)
    print(text)


def searched(options):
    lines = os.path.getsize(options.file) // len(OLD)
    visit_until(options, "/visits?format=raw&tail=%d" % (lines - 2), lambda body: len(body) > 10)


def long(options):
    visit_until(options, "/visits?format=json", lambda body: b'"visit": 3' in body)


def main():
    kinds = {"replaced": replaced, "shortened": shortened, "searched": searched, "long": long}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", required=True)
    parser.add_argument("kind", choices=kinds)
    options = parser.parse_args()
    try:
        kinds[options.kind](options)
    except Wrong as wrong:
        print(wrong)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
