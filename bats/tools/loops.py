#!/usr/bin/env python3
"""Clients of a program with several event loops. Each client must be served, whatever its loop does.

    loops.py spread   --port P --pid ID --connections N   N clients; each connects after the response to the one before
    loops.py second   --port P                            two clients that send requests in alternation
    loops.py full     --port P --pid ID --connections N --idle I [--lately]
                                                          N clients, the limit: those of loop I are idle, all others are
                                                          in the middle of requests, or got a response a moment ago;
                                                          then one more client: one of the idle ones must be evicted
    loops.py held-up  --port P --visits FILE              a client whose visit is written slowly, then six others
    loops.py backlog  --port P --pid ID --log FILE --connections N
                                                          N clients, the limit, in the middle of requests, and ten times
                                                          as many in the backlog; SIGTERM; the N leave

FILE is the program's visits.txt, to which a line is written before what is slow, or the program's log. Prints the
outcome; exits with 1 if a client got no response, or had to wait.
"""

import argparse
import collections
import os
import select
import signal
import socket
import struct
import sys
import time

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: loops\r\n\r\n"
VISIT = b"GET / HTTP/1.1\r\nHost: loops\r\n\r\n"
PATIENCE_SECONDS = 5.0
SLOW_SECONDS = 60.0
HALF_SECONDS = 0.3  # the program does not evict a request before it is 1 s old
IDLE_SECONDS = 0.5  # it may evict an idle connection after a tenth of this
MUCH_LONGER_SECONDS = 2.0  # of idling
WAITS_SECONDS = 1.0


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.port = self.socket.getsockname()[1]

    def ask(self, request=REQUEST):
        self.socket.sendall(request)
        self.hear()

    def hear(self):
        response = self.socket.recv(65536)
        if b" 200 OK" not in response:
            sys.exit("loops: a client got %r" % response[:100])

    def is_silent(self):
        return not select.select([self.socket], [], [], 0)[0]


def clients_of_loops(pid, port):
    """The client ports of each loop, found by the descriptors that each epoll(7) instance watches."""
    clients = {}
    with open("/proc/net/tcp", encoding="ascii") as table:
        for row in table.read().splitlines()[1:]:
            local, remote, inode = (row.split()[i] for i in (1, 2, 9))
            if int(local.split(":")[1], 16) == port:
                clients["socket:[%s]" % inode] = int(remote.split(":")[1], 16)
    directory = "/proc/%d/fd/" % pid
    files = {int(fd): os.readlink(directory + fd) for fd in os.listdir(directory)}
    loops = []
    for fd in sorted(fd for fd, name in files.items() if name == "anon_inode:[eventpoll]"):
        with open("/proc/%d/fdinfo/%d" % (pid, fd), encoding="ascii") as text:
            watched = [int(row.split()[1]) for row in text if row.startswith("tfd:")]
        found = {clients[files[other]] for other in watched if files.get(other) in clients}
        loops.append(found - {0})
    return [loop for loop in loops if loop]


def connect_one_by_one(options):
    clients = []
    for _ in range(options.connections):
        clients.append(Client(options.port))
        clients[-1].ask()
    return clients


def spread(options):
    clients = connect_one_by_one(options)
    closed = sum(not client.is_silent() for client in clients)
    print("closed %d" % closed, "of each loop", *sorted(map(len, clients_of_loops(options.pid, options.port))))
    return closed == 0


def second(options):
    first = Client(options.port)
    first.ask()
    other = Client(options.port)
    for _ in range(20):
        other.ask()
        first.ask()
    print("both got all responses")
    return True


def comes_in_the_middle(options, asking):
    """One client more, while all of these are in the middle of requests."""
    for client in asking:
        client.socket.sendall(REQUEST[:9])
    late, came, ready = None, time.monotonic() + IDLE_SECONDS, False
    while not ready:
        time.sleep(HALF_SECONDS / 2)  # now all loops wait, and one of them is woken
        if not late and time.monotonic() > came:
            late, came = Client(options.port), time.monotonic()
            late.socket.sendall(REQUEST)
        time.sleep(HALF_SECONDS / 2)
        for client in asking:
            client.socket.sendall(REQUEST[9:])
            client.hear()
            client.socket.sendall(REQUEST[:9])
        ready = late and not late.is_silent()
        if time.monotonic() > came + PATIENCE_SECONDS:
            sys.exit("loops: one client more got no response")
    return late


def comes_after(options, asking):
    """One client more, after all of these got a response."""
    time.sleep(MUCH_LONGER_SECONDS)
    for client in asking:
        client.ask()
    time.sleep(IDLE_SECONDS)
    late = Client(options.port)
    late.socket.sendall(REQUEST)
    return late


def full(options):
    clients = connect_one_by_one(options)
    loops = clients_of_loops(options.pid, options.port)
    idle = [client for client in clients if client.port in loops[options.idle]]
    others = [client for client in clients if client not in idle]
    late = (comes_after if options.lately else comes_in_the_middle)(options, others)
    late.hear()
    closed, wrong = (sum(not client.is_silent() for client in some) for some in (idle, others))
    print("of each loop", *map(len, loops), "served one more, closed %d idle, %d others" % (closed, wrong))
    return (closed, wrong) == (1, 0)


def held_up(options):
    slow, size = Client(options.port), os.stat(options.visits).st_size
    slow.socket.settimeout(SLOW_SECONDS)
    slow.socket.sendall(VISIT)
    while os.stat(options.visits).st_size == size:
        time.sleep(0.01)
    time.sleep(WAITS_SECONDS)  # for the program to notice that it is slow
    others = []
    for _ in range(6):
        others.append(Client(options.port))
        others[-1].ask()
    waits = slow.is_silent()
    slow.hear()
    print("served 6", "before" if waits else "after", "the end of the write")
    return waits


def backlog(options):
    """Clients in the backlog have time until the drain time is up, however few the limit lets in at a time."""
    first = [Client(options.port) for _ in range(options.connections)]
    for client in first:
        client.socket.sendall(VISIT[:-2])
    queued = [Client(options.port) for _ in range(10 * options.connections)]
    for client in queued:
        client.socket.sendall(VISIT)
    os.kill(options.pid, signal.SIGTERM)
    until = time.monotonic() + PATIENCE_SECONDS
    while "SIGTERM: " not in open(options.log, encoding="utf-8").read():
        if time.monotonic() > until:
            sys.exit("loops: it does not drain")
        time.sleep(0.01)
    for client in first:
        client.socket.close()
    for client in queued:
        client.socket.settimeout(SLOW_SECONDS)
        client.hear()
    print("all %d in the backlog got a response" % len(queued))
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scenes = {"spread": spread, "second": second, "full": full, "held-up": held_up, "backlog": backlog}
    parser.add_argument("scene", choices=scenes)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int)
    parser.add_argument("--visits")
    parser.add_argument("--log")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--idle", type=int)
    parser.add_argument("--lately", action="store_true")
    options = parser.parse_args()
    try:
        return 0 if scenes[options.scene](options) else 1
    except OSError as error:
        sys.exit("loops: %r" % error)


sys.exit(main())
