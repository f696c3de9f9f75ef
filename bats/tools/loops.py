#!/usr/bin/env python3
"""Clients of a program with several event loops, each of which must be served whatever its loop does.

    loops.py spread   --port P --pid ID --connections N   N clients, each answered before the next connects
    loops.py second   --port P                            two clients who ask by turns
    loops.py full     --port P --pid ID --connections N --idle I [--lately]
                                                          N clients, as many as may be: those of loop I are idle, all
                                                          others in the middle of requests, or were answered lately;
                                                          then one more client, for whom one of the idle ones is closed
    loops.py held-up  --port P --visits FILE              a client whose visit is synced slowly, then six others
    loops.py queue    --port P --pid ID --log FILE --connections N
                                                          N clients, as many as may be, in the middle of requests, and
                                                          ten times as many in the kernel's queue; SIGTERM; the N leave

FILE is the program's visits.txt, where a line is there before its sync begins, or its log. Prints what has become of them; exits with 1
if one of them was not answered, or had to wait.
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
HALF_SECONDS = 0.3  # a request is not let go for another client before it is one second old
IDLE_SECONDS = 0.5  # a connection is, after a tenth of that
MUCH_LONGER_SECONDS = 2.0  # idle
WAITS_SECONDS = 1.0


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.port = self.socket.getsockname()[1]

    def ask(self, request=REQUEST):
        self.socket.sendall(request)
        self.hear()

    def hear(self):
        answer = self.socket.recv(65536)
        if b" 200 OK" not in answer:
            sys.exit("loops: a client got %r" % answer[:100])

    def is_silent(self):
        return not select.select([self.socket], [], [], 0)[0]


def clients_of_loops(pid, port):
    """The ports of the clients that each loop has, by what each epoll(7) watches."""
    clients = {}
    with open("/proc/net/tcp", encoding="ascii") as table:
        for row in table.read().splitlines()[1:]:
            local, remote, inode = (row.split()[i] for i in (1, 2, 9))
            if int(local.split(":")[1], 16) == port:
                clients["socket:[%s]" % inode] = int(remote.split(":")[1], 16)
    folder = "/proc/%d/fd/" % pid
    files = {int(fd): os.readlink(folder + fd) for fd in os.listdir(folder)}
    loops = []
    for fd in sorted(fd for fd, name in files.items() if name == "anon_inode:[eventpoll]"):
        with open("/proc/%d/fdinfo/%d" % (pid, fd), encoding="ascii") as text:
            watched = [int(row.split()[1]) for row in text if row.startswith("tfd:")]
        found = {clients[files[other]] for other in watched if files.get(other) in clients}
        loops.append(found - {0})
    return [loop for loop in loops if loop]


def are_answered_one_by_one(options):
    clients = []
    for _ in range(options.connections):
        clients.append(Client(options.port))
        clients[-1].ask()
    return clients


def spread(options):
    clients = are_answered_one_by_one(options)
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
    print("both are answered")
    return True


def comes_in_the_middle(options, asking):
    """One client more, while all of these are in the middle of requests."""
    for client in asking:
        client.socket.sendall(REQUEST[:9])
    late, came, ready = None, time.monotonic() + IDLE_SECONDS, False
    while not ready:
        time.sleep(HALF_SECONDS / 2)  # now all loops wait, so that it is one that is woken
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
            sys.exit("loops: one client more is not answered")
    return late


def comes_after(options, asking):
    """One client more, after these have been answered."""
    time.sleep(MUCH_LONGER_SECONDS)
    for client in asking:
        client.ask()
    time.sleep(IDLE_SECONDS)
    late = Client(options.port)
    late.socket.sendall(REQUEST)
    return late


def full(options):
    clients = are_answered_one_by_one(options)
    loops = clients_of_loops(options.pid, options.port)
    idle = [client for client in clients if client.port in loops[options.idle]]
    others = [client for client in clients if client not in idle]
    late = (comes_after if options.lately else comes_in_the_middle)(options, others)
    late.hear()
    closed, wrong = (sum(not client.is_silent() for client in some) for some in (idle, others))
    print("of each loop", *map(len, loops), "answered one more, closed %d idle, %d others" % (closed, wrong))
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
    print("answered 6", "before" if waits else "after", "the sync was over")
    return waits


def queue(options):
    """Those in the queue have time until the drain time is up, however few the limit has room for at a time."""
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
    print("all %d in the queue were answered" % len(queued))
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scenes = {"spread": spread, "second": second, "full": full, "held-up": held_up, "queue": queue}
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
