"""A visitor whose request is half sent when its pod is told to stop.

usage: late_visitor.py PORT ADMIN_PORT

Connects to the loopback's PORT and sends all of a request but its last bytes, prints `waiting`, waits until
/readyz on ADMIN_PORT says that the pod is stopping, sends the rest, and prints the answer's status and body.
Exits with 1 when there is no answer.
"""

import http.client
import socket
import sys
import time


def is_stopping(admin_port):
    """Whether the pod has been told to stop: it answers 503 then, or no longer."""
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
    with socket.create_connection(("127.0.0.1", port), timeout=10) as visitor:
        visitor.sendall(b"GET / HTTP/1.1\r\nHost: late\r\nAccept: application/json\r\n")
        print("waiting", flush=True)
        deadline = time.monotonic() + 30
        while not is_stopping(admin_port):
            if time.monotonic() > deadline:
                sys.exit("the pod was not told to stop within 30 s")
            time.sleep(0.05)
        answer = http.client.HTTPResponse(visitor)
        try:
            visitor.sendall(b"Connection: close\r\n\r\n")
            answer.begin()
        except (OSError, http.client.HTTPException) as error:
            sys.exit(f"no answer: {error!r}")
        print(answer.status, answer.read().decode().strip(), flush=True)


if __name__ == "__main__":
    main()
