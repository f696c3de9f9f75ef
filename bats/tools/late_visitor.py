#!/usr/bin/env python3
"""A visitor whose request is half sent when its pod is told to stop.

usage: late_visitor.py PORT ADMIN_PORT [--silent]

Connects to the loopback's PORT and sends all of a request but its last bytes, prints `waiting`, waits until
/readyz on ADMIN_PORT says that the pod is stopping, sends the rest, and prints the response's status and body.
--silent: the rest is never sent. Exits with 1 when there is no response.
"""

import http.client
import socket
import sys
import time

# The server gives a request's head 10 s, and the pod may be told to stop later than that.
RENEW_SECONDS = 2


def half_a_request(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: late\r\nAccept: application/json\r\n")
    return connection


def is_stopping(admin_port):
    """Whether the pod was told to stop: /readyz then responds with 503, or not at all."""
    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 503
    except (OSError, http.client.HTTPException):
        return True
    finally:
        connection.close()


def main():
    port, admin_port = int(sys.argv[1]), int(sys.argv[2])
    silent = sys.argv[3:] == ["--silent"]
    visitor = half_a_request(port)
    begun = time.monotonic()
    print("waiting", flush=True)
    deadline = begun + 60
    while not is_stopping(admin_port):
        now = time.monotonic()
        if now > deadline:
            sys.exit("the pod was not told to stop within 60 s")
        if now > begun + RENEW_SECONDS:
            older, visitor, begun = visitor, half_a_request(port), now
            older.close()
        time.sleep(0.05)
    response = http.client.HTTPResponse(visitor)
    try:
        if not silent:
            visitor.sendall(b"Connection: close\r\n\r\n")
        response.begin()
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"no response: {error!r}")
    print(response.status, response.read().decode().strip(), flush=True)


if __name__ == "__main__":
    main()
