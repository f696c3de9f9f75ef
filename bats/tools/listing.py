#!/usr/bin/env python3
"""Read a listing of /visits while something happens to the file or beside it, and check the outcome.

    listing.py --port P --file FILE replaced     another file takes the name of FILE while it is listed
    listing.py --port P --file FILE shortened    FILE is truncated while it is listed, in each format and version of HTTP
    listing.py --port P --file FILE --pid PID killed|stopped|evicted|silent
                                                 the same listings are not read to their end, and the program is killed; is
                                                 told to stop (it has --drain 0s); has its 8 connections (--max-connections)
                                                 taken by others; ends them since nothing reads them
    listing.py --port P --file FILE searched     visits are made while the program searches for the first line to list
    listing.py --port P --file FILE long         visits are made while the program skips a long line, the second of three
    listing.py --port P --file FILE plotted      visits are made while the program counts those of a year for the plot

For all but the last two, FILE has many equal lines. Exits with 1, and says why, if a listing mixes two files, looks whole
although it is not, or keeps visitors waiting.
"""

import argparse
import os
import re
import select
import signal
import socket
import sys

OLD = b"2021-11-28 22:54:26.913511+03:00\n"
NEW = b"2022-11-28 22:54:26.913511+03:00\n"
TIMEOUT_SECONDS = 60
# The program waits 30 s for a client that reads nothing.
END_SECONDS = 180
FORMATS = "text", "raw", "json", "html"
VERSIONS = "1.0", "1.1"


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


def looks_whole(version, data, in_order):
    """A body has a length, or chunks, or in HTTP/1.0 the end of the connection ends it."""
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\nContent-Length: (\d+)", head)
    if length:
        return len(body) == int(length[1])
    return in_order and (version == "1.0" or data.endswith(b"0\r\n\r\n"))


def read_whole(options, version, form):
    connection = connect(options.port)
    ask(connection, "/visits?tail=1000&format=" + form, version)
    data, in_order = read_rest(connection)
    if not looks_whole(version, data, in_order) or data.count(OLD[:-1]) < 1000:
        raise Wrong("over HTTP/%s a whole listing as %s does not look whole" % (version, form))


def begin(options):
    """A listing in each format over each version, of which a part is read."""
    listings = []
    for version in VERSIONS:
        for form in FORMATS:
            connection = connect(options.port, 4096)
            ask(connection, "/visits?tail=1000000&format=" + form, version)
            listings.append((version, form, connection, connection.recv(1024)))
    return listings


def demand_parts(listings):
    for version, form, connection, first in listings:
        data, in_order = read_rest(connection, first)
        if looks_whole(version, data, in_order):
            raise Wrong("over HTTP/%s %d bytes of 1,000,000 lines as %s look whole" % (version, len(data), form))
    print("no part of a listing looks whole")


def shortened(options):
    listings = begin(options)
    os.truncate(options.file, 1000 * len(OLD))
    demand_parts(listings)


def end(pid, with_signal):
    process = os.pidfd_open(pid)
    signal.pidfd_send_signal(process, with_signal)
    waiter = select.poll()
    waiter.register(process, select.POLLIN)
    if not waiter.poll(END_SECONDS * 1000):
        raise Wrong("the program does not end")


def wait_until_reset(listings):
    """Without reading: that would be progress, and the program would not end them."""
    for version, form, connection, _ in listings:
        waiter = select.poll()
        waiter.register(connection, 0)
        if not waiter.poll(END_SECONDS * 1000):
            raise Wrong("over HTTP/%s a listing as %s is not ended" % (version, form))


def ended(options):
    for version in VERSIONS:
        for form in FORMATS:
            read_whole(options, version, form)
    listings = begin(options)
    if options.kind in ("killed", "stopped"):
        end(options.pid, signal.SIGKILL if options.kind == "killed" else signal.SIGTERM)
    else:
        others = begin(options) if options.kind == "evicted" else []
        wait_until_reset(listings)
        for _, _, connection, _ in others:
            connection.close()
    demand_parts(listings)


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


def plotted(options):
    visit_until(options, "/visits?format=html", lambda body: b"</html>" in body)


def main():
    kinds = {"plotted": plotted, "replaced": replaced, "shortened": shortened, "searched": searched, "long": long, "killed": ended,
             "stopped": ended, "evicted": ended, "silent": ended}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", required=True)
    parser.add_argument("--pid", type=int)
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
