#!/usr/bin/env python3
"""Write a ledger of `web-app prove`, and the files of the pods, as they are when nothing is lost.

    planted.py STATEMENT...

writes `ledger`, and `NAME.txt` for each pod, to the current directory. A test then damages them. The statements happen
one after the other. There are two lanes, over new and over kept connections, which take turns.

    pod NAME             from here on a visit is to this pod; without it, to web-0
    history N            the file of the pod has N lines of long ago
    baseline             the prover reads the file
    visits N             N acknowledged visits, 10 a second
    together N           N visits at the same time, acknowledged in the opposite order
    clash                two visits at the same time that get the same number; the file has the second
    unknown N [recorded] N visits whose connection is cut
    refused N [recorded] N visits get status 503
    unsent N             N visits find no server
    missed N             the prover is too slow for N visits
    nobody N             N visits of somebody else
    nobody-now           a visit of somebody else, in the microsecond of the last acknowledged one
    forget N             the file of the pod loses its last N lines
    forget all           all of them
    server MODE          a process of the pod has started, with --sync=MODE
    clock SECONDS        the clock of the pod is so far ahead of the prover's
    zone MINUTES         its offset from UTC
    pass SECONDS         time passes
    run                  the prover is started again, with --resume
"""

import datetime
import sys

BEGIN_US = 1767225600 * 1000000  # 2026-01-01 00:00:00 UTC
LONG_AGO_US = 86400 * 1000000
LANES = ("new", "kept")
URL = "http://web:8080/"
EPOCH = datetime.datetime(1970, 1, 1)


def moment(utc_us, offset_minutes=0):
    local = EPOCH + datetime.timedelta(microseconds=utc_us, minutes=offset_minutes)
    hours, minutes = divmod(abs(offset_minutes), 60)
    return "%s%s%02d:%02d" % (local.strftime("%Y-%m-%d %H:%M:%S.%f"), "-" if offset_minutes < 0 else "+",
                              hours, minutes)


def fnv1a(data):
    """FNV-1a with 64 bits; 0 for nothing."""
    value = 0xcbf29ce484222325 if data else 0
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 % (1 << 64)
    return value


class Pod:
    def __init__(self, name):
        self.name = name
        self.lines = []
        self.clock_us = self.offset_minutes = 0
        self.last_us = 0

    def time(self, prover_us):
        self.last_us = prover_us + self.clock_us
        return moment(self.last_us, self.offset_minutes)

    def text(self, count=None):
        return "".join(line + "\n" for line in self.lines[:count]).encode()


class Planter:
    def __init__(self):
        self.now_us = BEGIN_US
        self.pods = {}
        self.pod = self.find("web-0")
        self.next_id = 0
        self.turn = 0
        self.ledger = ["web-app ledger\t1"]
        self.do_run()

    def find(self, name):
        return self.pods.setdefault(name, Pod(name))

    def note(self, kind, *fields):
        self.ledger.append("\t".join(map(str, (kind, self.now_us, *fields))))

    def send(self):
        """Returns the id and the lane of a visit that is sent now."""
        self.turn += 1
        self.next_id += 1
        visit = (self.next_id - 1, self.turn % len(LANES))
        self.note("sent", *visit)
        return visit

    def acknowledge(self, visit, number, time, latency_us=2000):
        self.note("acknowledged", *visit, self.pod.name, number, time, latency_us)

    def do_run(self):
        self.note("run", "test")
        for number, kind in enumerate(LANES):
            self.note("lane", number, kind, URL)

    def do_pod(self, name):
        self.pod = self.find(name)

    def do_history(self, count):
        for number in range(int(count)):
            self.pod.lines.append(self.pod.time(self.now_us - LONG_AGO_US + 1000000 * number))

    def do_baseline(self):
        pod = self.pod
        count = len(pod.lines)
        stride = max(1, count // 16)
        for number in range(stride, count, stride):
            self.note("mark", pod.name, number, "%016x" % fnv1a(pod.text(number)))
        self.note("baseline", pod.name, count, "%016x" % fnv1a(pod.text()),
                  pod.lines[0] if count else "-", pod.lines[-1] if count else "-")

    def do_visits(self, count):
        for _ in range(int(count)):
            visit = self.send()
            self.now_us += 1000
            self.pod.lines.append(self.pod.time(self.now_us))
            self.now_us += 1000
            self.acknowledge(visit, len(self.pod.lines), self.pod.lines[-1])
            self.now_us += 98000

    def do_together(self, count):
        visits = [self.send() for _ in range(int(count))]
        waiting = []
        for visit in visits:
            self.now_us += 1000
            self.pod.lines.append(self.pod.time(self.now_us))
            waiting.append((visit, len(self.pod.lines), self.pod.lines[-1]))
        for visit, number, time in reversed(waiting):
            self.now_us += 1000
            self.acknowledge(visit, number, time, 1000 * int(count))
        self.now_us += 98000

    def do_clash(self):
        visits = [self.send(), self.send()]
        times = []
        for _ in visits:
            self.now_us += 1000
            times.append(self.pod.time(self.now_us))
        self.pod.lines.append(times[1])
        for visit, time in zip(visits, times):
            self.now_us += 1000
            self.acknowledge(visit, len(self.pod.lines), time)
        self.now_us += 98000

    def fail(self, kind, word, count, recorded):
        for _ in range(int(count)):
            visit = self.send()
            self.now_us += 1000
            if recorded:
                self.pod.lines.append(self.pod.time(self.now_us))
            self.now_us += 1000
            self.note(kind, *visit, word, 2000)
            self.now_us += 98000

    def do_unknown(self, count, *recorded):
        self.fail("unknown", "cut", count, recorded)

    def do_refused(self, count, *recorded):
        self.fail("refused", "503", count, recorded)

    def do_unsent(self, count):
        for _ in range(int(count)):
            self.turn += 1
            self.note("unsent", self.turn % len(LANES), "connection refused", 0)
            self.now_us += 100000

    def do_missed(self, count):
        self.note("missed", 0, count)

    def do_nobody(self, count):
        for _ in range(int(count)):
            self.pod.lines.append(self.pod.time(self.now_us))
            self.now_us += 1000

    def do_nobody_now(self):
        self.pod.lines.append(moment(self.pod.last_us, self.pod.offset_minutes))

    def do_forget(self, count):
        del self.pod.lines[0 if count == "all" else len(self.pod.lines) - int(count):]

    def do_server(self, mode):
        self.note("server", self.pod.name, mode, moment(self.now_us + self.pod.clock_us))
        self.now_us += 100000

    def do_clock(self, seconds):
        self.pod.clock_us = int(float(seconds) * 1000000)

    def do_zone(self, minutes):
        self.pod.offset_minutes = int(minutes)

    def do_pass(self, seconds):
        self.now_us += int(float(seconds) * 1000000)

    def do(self, statement):
        name, *arguments = statement.split()
        getattr(self, "do_" + name.replace("-", "_"))(*arguments)


def plant(statements):
    """Writes the files. Returns the names of the pods."""
    planter = Planter()
    for statement in statements:
        planter.do(statement)
    with open("ledger", "w", encoding="ascii") as file:
        file.write("".join(line + "\n" for line in planter.ledger))
    for pod in planter.pods.values():
        with open(pod.name + ".txt", "wb") as file:
            file.write(pod.text())
    return list(planter.pods)


if __name__ == "__main__":
    plant(sys.argv[1:])
