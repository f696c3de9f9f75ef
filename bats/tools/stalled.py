#!/usr/bin/env python3
"""Visits wait for a sync that takes seconds. Meanwhile others ask for what needs no sync.

    stalled.py --port P [--visitors N]

Visits one after the other, until a visit gets no response within a second, since its sync is stalled. N (3) more visitors
follow. Until the first one has its response, others ask for /version and /visits?tail=10 in turn, over a kept connection
and over new ones. Prints

    served 1234 beside the sync, 99 % within 0.9 ms, the slowest in 3.1 ms; acknowledged 4 of 4

and exits with 1 unless the waiting visits were acknowledged, each with a number of its own, and at least 20 requests were
served before the first of them.
"""

import argparse
import http.client
import json
import select
import socket
import sys
import time

VISIT = b"GET / HTTP/1.1\r\nHost: stalled\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
PATIENCE_SECONDS = 60
STALLED_SECONDS = 1
VISITS_MAX = 1000
SERVED_LEAST = 20


def comes(port):
    """A new client that has sent a visit."""
    client = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
    client.sendall(VISIT)
    return client


def comes_to_a_stall(port):
    """The first client that has to wait."""
    for _ in range(VISITS_MAX):
        client = comes(port)
        if not select.select([client], [], [], STALLED_SECONDS)[0]:
            return client
        client.close()
    sys.exit("no sync is stalled")


def number_of(client):
    """The number of its visit, or None if it was not acknowledged."""
    response = b""
    try:
        while data := client.recv(65536):
            response += data
    except OSError as error:
        print("a visitor got %r" % error)
    head, _, body = response.partition(b"\r\n\r\n")
    return json.loads(body)["visit"] if head.startswith(b"HTTP/1.1 200 ") else None


def ask(connection, path):
    """Seconds until the whole response has come."""
    since = time.monotonic()
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        sys.exit("%s got %d" % (path, response.status))
    return time.monotonic() - since


def serve_beside(port, waiting):
    """How long others waited for their responses until WAITING gets its own."""
    kept = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    seconds = []
    while not select.select([waiting], [], [], 0)[0]:
        for path in "/version", "/visits?tail=10":
            new = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
            seconds += [ask(kept, path), ask(new, path)]
            new.close()
    kept.close()
    return seconds[:-4]  # the last ones may have been served after it


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--visitors", type=int, default=3)
    options = parser.parse_args()
    visitors = [comes_to_a_stall(options.port)]
    visitors += [comes(options.port) for _ in range(options.visitors)]
    seconds = sorted(serve_beside(options.port, visitors[0]))
    numbers = {number_of(visitor) for visitor in visitors} - {None}
    print("served %d beside the sync, 99 %% within %.1f ms, the slowest in %.1f ms; acknowledged %d of %d" % (
        len(seconds), 1000 * seconds[len(seconds) * 99 // 100] if seconds else 0, 1000 * max(seconds, default=0),
        len(numbers), len(visitors)))
    return 0 if len(numbers) == len(visitors) and len(seconds) >= SERVED_LEAST else 1


sys.exit(main())
