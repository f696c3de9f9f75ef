#!/usr/bin/env python3
"""Print how long it takes from exec to the first 200, in ms: the median of ROUNDS.

    first_answer.py ROUNDS PORT COMMAND...    PORT: where COMMAND then answers on loopback
"""

import socket
import statistics
import subprocess
import sys
import time


def first_answer_ms(port, command):
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
                time.sleep(0.0002)
        sys.exit("first_answer: no answer within 10 s")
    finally:
        process.terminate()
        process.wait()


rounds, port, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
print(f"{statistics.median(first_answer_ms(port, command) for _ in range(rounds)):.1f}")
