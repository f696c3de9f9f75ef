#!/usr/bin/env python3
"""Print how long it takes from exec to the first 200, in ms: the median of ROUNDS.

    first_response.py [--cold FILE] ROUNDS PORT COMMAND...    PORT: where COMMAND then responds on loopback

With --cold, FILE is dropped from the page cache before each start. A first round is not counted. With 0 ROUNDS only
that one is measured: what a program does once with a file that it does not know.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time


def first_response_ms(port, command):
    start = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while time.monotonic() - start < 10:
            try:
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
                    if connection.recv(4096).startswith(b"HTTP/1.1 200 "):
                        return (time.monotonic() - start) * 1000
            except OSError:
                pass
            time.sleep(0.0002)  # it does not listen, or has not read its file yet
        sys.exit("first_response: no response within 10 s")
    finally:
        process.terminate()
        process.wait()


def drop_cache(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def one_round():
    if options.cold:
        drop_cache(options.cold)
    return first_response_ms(options.port, options.command)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--cold", metavar="FILE")
parser.add_argument("rounds", type=int)
parser.add_argument("port", type=int)
parser.add_argument("command", nargs=argparse.REMAINDER)
options = parser.parse_args()
first = one_round()
print(f"{statistics.median([one_round() for _ in range(options.rounds)] or [first]):.1f}")
