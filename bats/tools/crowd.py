#!/usr/bin/env python3
"""Send many requests while a slow write holds up the program, or a slow sync its visits. Each must get its response.

    crowd.py drain     --port P --pid ID --visits FILE    700 kept connections, SIGTERM meanwhile
    crowd.py limit     --port P --visits FILE             60 kept connections, the limit, half of them in the middle of
                                                          a request, and 20 new ones
    crowd.py waiting   --port P --visits FILE             60 kept connections, the limit, all with a visit, and 20 new ones
    crowd.py drain-backlog --port P --pid ID --visits FILE
                                                          300 new connections while the drain time ends
    crowd.py noise     --port P --pid ID --visits FILE    300 that send empty lines for ever, from before SIGTERM
    crowd.py halves    --port P --pid ID --visits FILE    3 that send half an empty line at a time, for ever
    crowd.py reader    --port P --visits FILE [--others N] [--late M]
                                                          one that reads /visits, N kept ones whose requests come
                                                          before it reads on, and M new ones
    crowd.py last-bytes --port P --visits FILE            3 that send more after the last request of their connection
    crowd.py lingerer  --port P --visits FILE             400, and one that sends more while it reads its last response

FILE is the program's visits.txt, to which a line is written before what is slow. Prints `acknowledged N of M` and
how the others ended; exits with 1 unless all visits were acknowledged, each with a number of its own. The clients of
noise and halves get no response: with these it exits with 1 unless the program ends.
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
LAST_VISIT = VISIT[:-2] + b"Connection: close\r\n\r\n"
LISTING = b"GET /visits?format=raw HTTP/1.0\r\n\r\n"
NO_VISIT = b"GET /version HTTP/1.1\r\nHost: crowd\r\n\r\n"
NOISE = b"\r\n" * 32768
PATIENCE_SECONDS = 60
NOISE_SECONDS = 15
HALF_SECONDS = 0.1
EVICTABLE_SECONDS = 0.3  # any connection that has waited for so long in vain may be evicted at the limit


class Crowd:
    def __init__(self, options):
        self.options = options
        self.visitors = []
        self.leaving = set()  # those of them whose connection is read to its end
        self.bytes_before = os.stat(options.visits).st_size

    def comes(self, count):
        """COUNT new connections; nothing is sent yet."""
        new = [socket.create_connection(("127.0.0.1", self.options.port), PATIENCE_SECONDS) for _ in range(count)]
        self.visitors += new
        return new

    def is_known(self, count):
        """COUNT connections that got a response, and stay open."""
        new = self.comes(count)
        for visitor in new:
            get_response(visitor)
        return new

    def wait_for_lines(self, count):
        """Returns once COUNT more visits are written, so that the last one is what is slow."""
        end = time.monotonic() + PATIENCE_SECONDS
        while os.stat(self.options.visits).st_size < self.bytes_before + count * 33:
            if time.monotonic() > end:
                sys.exit("crowd: no line %d" % count)
            time.sleep(0.005)

    def tell_to_stop(self):
        os.kill(self.options.pid, signal.SIGTERM)

    def ends(self):
        """Reads each visitor's response and prints the outcome."""
        fates, numbers = collections.Counter(), set()
        for visitor in self.visitors:
            try:
                response = hear(visitor, visitor in self.leaving)
            except OSError as error:
                fates[type(error).__name__] += 1
                continue
            number = re.search(rb'HTTP/1.1 200 .*"visit": (\d+)', response, re.DOTALL)
            if number and number[1] not in numbers:
                numbers.add(number[1])
            else:
                fates["no response" if not response else response.split(b"\r\n")[0].decode()] += 1
        print("acknowledged %d of %d" % (len(numbers), len(self.visitors)), dict(fates) or "")
        return len(numbers) == len(self.visitors)


def ask(visitors, request=VISIT):
    for visitor in visitors:
        visitor.sendall(request)


def get_response(visitor):
    visitor.sendall(NO_VISIT)
    if b" 200 OK" not in visitor.recv(65536):
        sys.exit("crowd: no response before anything was slow")


def hear(visitor, to_the_end):
    response = more = visitor.recv(65536)
    while to_the_end and more:
        more = visitor.recv(65536)
        response += more
    return response


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
    # The iteration after this write finds them all: it writes once more, and only then accepts the new connections.
    ask([second])
    ask(crowd.comes(20))
    crowd.wait_for_lines(2)
    for visitor in slow:
        visitor.sendall(VISIT[20:])
    ask(others[1::2])


def waiting(crowd):
    first, *others = crowd.is_known(60)
    ask([first])
    crowd.wait_for_lines(1)
    ask(others)
    time.sleep(EVICTABLE_SECONDS)
    ask(crowd.comes(20))


def drain_backlog(crowd):
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


def halves(crowd):
    silent = crowd.comes(3)
    process = os.pidfd_open(crowd.options.pid)
    crowd.tell_to_stop()
    end = time.monotonic() + NOISE_SECONDS
    half = b"\r"
    while not select.select([process], [], [], HALF_SECONDS)[0]:
        if time.monotonic() > end:
            sys.exit("it is still there after %d s" % NOISE_SECONDS)
        make(half, silent)
        half = b"\n" if half == b"\r" else b"\r"
    sys.exit(0)


def comes_to_read(crowd, buffer_bytes, request):
    client = socket.socket()
    client.settimeout(PATIENCE_SECONDS)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    client.connect(("127.0.0.1", crowd.options.port))
    client.sendall(request)
    return client


def is_full(client, probe):
    """Returns once no more of the response arrives, because the client does not read."""
    before, now = b"", client.recv(1 << 20, socket.MSG_PEEK)
    while before != now:
        for _ in range(20):
            get_response(probe)
        before, now = now, client.recv(1 << 20, socket.MSG_PEEK)


def reads_all(client, least):
    length, more = 0, True
    while more:
        more = client.recv(1 << 20)
        length += len(more)
    if length < least:
        sys.exit("only %d bytes of %d were listed" % (length, least))


def reader(crowd):
    first, *others = crowd.is_known(crowd.options.others + 1)
    client = comes_to_read(crowd, 65536, LISTING)
    is_full(client, first)
    ask([first])
    crowd.wait_for_lines(1)
    ask(others)
    ask(crowd.comes(crowd.options.late))
    reads_all(client, crowd.bytes_before)


def lingerer(crowd):
    first, *others = crowd.is_known(401)
    client = comes_to_read(crowd, 4096, LISTING + NO_VISIT)
    is_full(client, first)
    ask([first])
    crowd.wait_for_lines(1)
    ask(others)
    ask([client])
    for other in others:
        select.select([other], [], [], PATIENCE_SECONDS)  # all have their response before the client reads on
    reads_all(client, crowd.bytes_before)


def last_bytes(crowd):
    first, *others = crowd.is_known(3)
    crowd.leaving.update(others + crowd.comes(1))
    ask([first])
    crowd.wait_for_lines(1)
    # The iteration after this write finds them all, and writes once more.
    ask(others, LAST_VISIT)
    ask(crowd.visitors[-1:], LAST_VISIT.replace(b"HTTP/1.1", b"HTTP/1.0"))
    crowd.wait_for_lines(4)
    ask(crowd.leaving, b"\r\n" + VISIT)


def make(data, visitors):
    """Sends as much of DATA as each connection takes without blocking."""
    for visitor in visitors:
        try:
            visitor.send(data)
        except OSError:
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scenes = {"drain": drain, "limit": limit, "waiting": waiting, "drain-backlog": drain_backlog, "noise": noise, "halves": halves,
              "reader": reader, "last-bytes": last_bytes, "lingerer": lingerer}
    parser.add_argument("scene", choices=scenes)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int)
    parser.add_argument("--visits", required=True)
    parser.add_argument("--others", type=int, default=400)
    parser.add_argument("--late", type=int, default=0)
    options = parser.parse_args()
    crowd = Crowd(options)
    try:
        scenes[options.scene](crowd)
    except OSError as error:
        sys.exit("crowd: %r" % error)
    return 0 if crowd.ends() else 1


sys.exit(main())
