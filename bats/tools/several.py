#!/usr/bin/env python3
"""Inject the faults of faults.py while several workers each have a batch of visits.

    several.py --program build/web-app --work DIRECTORY SUITE...

Clients visit at the same time, over connections of different workers. Besides what faults.py demands after each
fault, the file must hold exactly the acknowledged visits: no refused one is in it once the program has ended. With
--sync=none each worker writes its own batches; with --sync=always one thread at a time writes and syncs those of all.
"""

import re
import resource
import sys
import threading

import faults
import ledger
from faults import demand

WORKERS = ["--workers", "4"]
CLIENTS = 12
VISITS = 5


def crowd(program):
    """Each client visits VISITS times, or until the program closes its connection."""
    gate = threading.Barrier(CLIENTS)
    wrongs = []

    def client():
        connection = program.connect()
        try:
            # All connections have been accepted by their workers before the first visit.
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            gate.wait()
            for _ in range(VISITS):
                if program.visit_over(connection) is None:
                    break
        except Exception as wrong:
            gate.abort()
            wrongs.append(wrong)
        finally:
            connection.close()
    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    if wrongs:
        raise wrongs[0]


def check_exact(program, before):
    """The file holds every acknowledged visit under its number, and nothing else."""
    content = faults.check_kept(program, before)
    demand(len(content) == len(before) + len(faults.LINE) * len(program.acknowledged),
           "there are %d lines more for %d acknowledged visits; %d were refused, %d without a response",
           content.count(b"\n") - before.count(b"\n"), len(program.acknowledged), program.statuses.count(503),
           program.statuses.count(None))


class Loop(faults.Loop):
    """A loop that fails unless several threads of one program made the call: otherwise it tests nothing."""

    threads = 0

    def note_threads(self, program, call):
        callers = set(re.findall(r"^(\d+) +%s\(" % call, program.trace(), re.MULTILINE))
        self.threads = max(self.threads, len(callers))

    def work(self, options):
        super().work(options)
        if self.threads < 2:
            self.wrongs.append("%s: all calls were made by one thread, so this tested one worker" % self.name)


def kind_of_loop(sync):
    return Loop if sync == "none" else faults.Loop


def write_loop(sync, error, when, n_max=8):
    def run(options, directory, n, programs):
        before = faults.prepare(directory, faults.LINES)
        program = faults.Program(options, directory, ["write:error=%s:when=%s" % (error, when % n)],
                                 ["DATA/visits.txt"], ["--sync", sync, *WORKERS])
        programs.append(program)
        crowd(program)
        if sync == "none":
            loop.note_threads(program, "write")
        check_exact(program, before)
        hits = program.hits()
        demand((503 in program.statuses) == (hits > 0 and error != "EINTR"),
               "%d visits were refused for %d failed writes", program.statuses.count(503), hits)
        demand(None not in program.statuses, "a visit got no response")
        demand(program.visit_until_ready(), "it ended: %s", program.log())
        program.end()
        faults.check_end(program, [0])
        check_exact(program, before)
        faults.check_next_start(options, directory, program, before)
        return hits
    loop = kind_of_loop(sync)("write of visits of several workers, --sync=%s, %s, %s" % (sync, error, when.replace("%d", "N")),
                              run, n_max)
    return loop


def short_loop(sync):
    """Real short writes: of the batch that first reaches the limit, and of those that follow it."""
    def run(options, directory, _n, programs):
        before = faults.prepare(directory, faults.LINES)
        # Each write takes a while, so that other visits come meanwhile.
        program = faults.Program(options, directory, ["write:delay_exit=200"], ["DATA/visits.txt"],
                                 ["--sync", sync, *WORKERS])
        programs.append(program)
        for extra in range(0, 3 * len(faults.LINE), 9):
            refused = program.statuses.count(503)
            faults.limit_file(program, len(program.content()) + extra)
            crowd(program)
            faults.limit_file(program, resource.RLIM_INFINITY)
            demand(program.statuses.count(503) > refused, "no visit was refused")
            check_exact(program, before)
            demand(program.visit() == 200, "no visit is taken once there is room")
        if sync == "none":
            loop.note_threads(program, "write")
        demand(None not in program.statuses, "a visit got no response")
        demand(program.visit_until_ready(), "it ended: %s", program.log())
        program.end()
        faults.check_end(program, [0])
        check_exact(program, before)
        faults.check_next_start(options, directory, program, before)
        return program.statuses.count(503)
    loop = kind_of_loop(sync)("short writes of several workers, --sync=%s" % sync, run, n_max=1, n_min=100)
    return loop


def sync_loop(mode, error, n_max):
    """A failed sync refuses the visits that it was to make durable, and no others; all others are in the file."""
    def run(options, directory, n, programs):
        before = faults.prepare(directory, faults.LINES)
        # A thread that waits for a lock wakes up late, so that other threads take it first.
        program = faults.Program(options, directory, ["fdatasync:error=%s:when=%d" % (error, n), "futex:delay_exit=500"],
                                 (), ["--sync", mode, *WORKERS])
        programs.append(program)
        crowd(program)
        if mode == "interval":
            ledger.wait_for("the interval's sync was done",
                            lambda: faults.syncs(program.trace()) or program.process.poll())
        hits = program.hits()
        if hits:
            program.code = program.process.wait(faults.PATIENCE_SECONDS)
            faults.check_durability_lost(program)
            demand(503 in program.statuses or mode != "always", "no visit was refused")
        else:
            program.end()
            faults.check_end(program, [0])
            demand(program.statuses == [200] * CLIENTS * VISITS, "a visit was refused: %s", program.statuses)
        check_exact(program, before)
        faults.check_next_start(options, directory, program, before)
        return hits
    loop = faults.Loop("fdatasync of several workers, --sync=%s, %s" % (mode, error), run, n_max)
    return loop


faults.SUITES = {
    "write": lambda: [write_loop("none", "EIO", "%d"), write_loop("none", "ENOSPC", "%d"), write_loop("none", "EINTR", "%d"),
                      write_loop("none", "EIO", "%d..4", 3), write_loop("always", "EIO", "%d"),
                      write_loop("always", "ENOSPC", "%d")],
    "short": lambda: [short_loop("none"), short_loop("always")],
    "sync": lambda: [sync_loop("always", "EIO", 8), sync_loop("always", "ENOSPC", 8), sync_loop("interval", "EIO", 2)],
    "reopen": lambda: [faults.start_loop("three lines", call, error, only, 12, True, WORKERS, crowd)
                     for call, error, only in (("openat", "EIO", faults.DIRECTORY),
                                               ("fdatasync", "EIO", ()))],
}

if __name__ == "__main__":
    sys.exit(faults.main(__doc__))
