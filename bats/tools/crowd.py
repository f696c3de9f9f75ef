#!/usr/bin/env python3
"""A crowd whose requests come while a slow sync holds the program up. All of them must be answered.

    crowd.py drain     --port P --pid ID --visits FILE    700 kept connections, SIGTERM during the sync
    crowd.py limit     --port P --visits FILE             60 kept connections, which are as many as may be, half of them
                                                          in the middle of a request, and 20 newcomers
    crowd.py last-call --port P --pid ID --visits FILE    300 newcomers while the drain time ends
    crowd.py noise     --port P --pid ID --visits FILE    300 that send empty lines for ever, from before SIGTERM

FILE is the program's visits.txt: a line is there before its sync begins. Prints `answered N of M` and how the others
ended; exits with 1 unless all were answered, each with a number of its own. But noise is not to be answered: it exits
with 1 unless the program ends.
"""

import argparse
import collections
import os
import re
import select
import signal
import socket
import sys
import time

VISIT = b"GET / HTTP/1.1\r\nHost: crowd\r\nAccept: application/json\r\n\r\n"
NO_VISIT = b"GET /version HTTP/1.1\r\nHost: crowd\r\n\r\n"
NOISE = b"\r\n" * 32768
PATIENCE_SECONDS = 60
NOISE_SECONDS = 15


class Crowd:
    def __init__(self, options):
        self.options = options
        self.visitors = []
        self.bytes_before = os.stat(options.visits).st_size

    def comes(self, count):
        """That many new connections; nothing is sent yet."""
        new = [socket.create_connection(("127.0.0.1", self.options.port), PATIENCE_SECONDS) for _ in range(count)]
        self.visitors += new
        return new

    def is_known(self, count):
        """That many connections that were answered once, and stay."""
        new = self.comes(count)
        for visitor in new:
            visitor.sendall(NO_VISIT)
        for visitor in new:
            if b" 200 OK" not in visitor.recv(65536):
                sys.exit("crowd: no answer before anything was slow")
        return new

    def wait_for_lines(self, count):
        """Returns once so many more visits are written, so that the sync of the last has begun."""
        end = time.monotonic() + PATIENCE_SECONDS
        while os.stat(self.options.visits).st_size < self.bytes_before + count * 33:
            if time.monotonic() > end:
                sys.exit("crowd: no line %d" % count)
            time.sleep(0.005)

    def tell_to_stop(self):
        os.kill(self.options.pid, signal.SIGTERM)

    def ends(self):
        """What became of each."""
        fates, numbers = collections.Counter(), set()
        for visitor in self.visitors:
            try:
                answer = visitor.recv(65536)
            except OSError as error:
                fates[type(error).__name__] += 1
                continue
            number = re.search(rb'HTTP/1.1 200 .*"visit": (\d+)', answer, re.DOTALL)
            if number and number[1] not in numbers:
                numbers.add(number[1])
            else:
                fates["no answer" if not answer else answer.split(b"\r\n")[0].decode()] += 1
        print("answered %d of %d" % (len(numbers), len(self.visitors)), dict(fates) or "")
        return len(numbers) == len(self.visitors)


def ask(visitors):
    for visitor in visitors:
        visitor.sendall(VISIT)


def drain(crowd):
    first, *others = crowd.is_known(700)
    ask([first])
    crowd.wait_for_lines(1)
    crowd.tell_to_stop()
    ask(others)


def limit(crowd):
    first, second, *others = crowd.is_known(60)
    slow = others[::2]
    for visitor in slow:
        visitor.sendall(VISIT[:20])
    ask([first])
    crowd.wait_for_lines(1)
    # Found together by the turn after this sync: it syncs once more, and only then looks at the newcomers.
    ask([second])
    ask(crowd.comes(20))
    crowd.wait_for_lines(2)
    for visitor in slow:
        visitor.sendall(VISIT[20:])
    ask(others[1::2])


def last_call(crowd):
    ask(crowd.comes(1))
    crowd.wait_for_lines(1)
    crowd.tell_to_stop()
    ask(crowd.comes(300))


def noise(crowd):
    crowd.comes(300)
    for visitor in crowd.visitors:
        visitor.setblocking(False)
    process = os.pidfd_open(crowd.options.pid)
    make(NOISE, crowd.visitors)
    crowd.tell_to_stop()
    end = time.monotonic() + NOISE_SECONDS
    while not select.select([process], [], [], 0)[0]:
        if time.monotonic() > end:
            sys.exit("it is still there after %d s" % NOISE_SECONDS)
        make(NOISE, crowd.visitors)
    sys.exit(0)


def make(data, visitors):
    """As much of it as each connection takes now."""
    for visitor in visitors:
        try:
            visitor.send(data)
        except OSError:
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", choices=["drain", "limit", "last-call", "noise"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int)
    parser.add_argument("--visits", required=True)
    options = parser.parse_args()
    crowd = Crowd(options)
    {"drain": drain, "limit": limit, "last-call": last_call, "noise": noise}[options.scene](crowd)
    return 0 if crowd.ends() else 1


sys.exit(main())
