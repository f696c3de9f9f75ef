#!/usr/bin/env python3
"""Kill a program with SIGKILL again and again, at random moments of its life and load.

    crash.py --program P --data D --rounds N --work W [--seed S] [--workers M] [-- OPTION...]

Each round starts P on the data directory D, as the round before left it, and kills P: in every fifth round while it
starts, else under the load of visitor.py. After each round every acknowledged visit must be in the file under its
number, no number may be given twice, and P must count on from the lines in the file. Prints

    seed 4711 rounds 100 acknowledged 51234 lines 51411

or says what was lost and exits with 1. With several workers it also fails if only one was busy.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time

import ledger

VISITOR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "visitor.py")
CONNECTIONS = 16
LOAD_SECONDS_MAX = 0.2
START_SECONDS_MAX = 0.015


def kill_while_starting(options, rng):
    server = ledger.Server(options.program, options.data, os.path.join(options.work, "crash.log"),
                           options.options)
    time.sleep(rng.uniform(0, START_SECONDS_MAX))
    server.end(signal.SIGKILL)
    return []


def kill_under_load(options, rng, expected, spread):
    """Returns the acknowledged visits."""
    acknowledged_path = os.path.join(options.work, "crash.acknowledged")
    if os.path.exists(acknowledged_path):
        os.unlink(acknowledged_path)
    server = ledger.Server(options.program, options.data, os.path.join(options.work, "crash.log"),
                           options.options)
    visitor = None
    try:
        if not server.wait_serving():
            raise ledger.Broken("it does not start: " + server.log())
        if expected is not None and server.count != expected:
            raise ledger.Broken("the file has %d lines, and the program counts %d" % (expected, server.count))
        visitor = subprocess.Popen(
            [sys.executable, VISITOR, "--url", "http://%s/" % server.address, "--out", acknowledged_path,
             "--connections", str(CONNECTIONS), "--seconds", "30", *(ledger.SPREAD if options.workers > 1 else [])],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        ledger.wait_for("a visit was acknowledged", lambda: ledger.read_acknowledged(acknowledged_path) or visitor.poll() is not None,
                        seconds=10, pause=0.002)
        time.sleep(rng.uniform(0, LOAD_SECONDS_MAX))
        spread.note(server)
    finally:
        server.end(signal.SIGKILL)
        status = visitor.wait(timeout=30) if visitor else 0
    if status != 0:
        raise ledger.Broken("the visitor got no proper response; it exits with %d" % status)
    return ledger.read_acknowledged(acknowledged_path)


def check_round(path, fresh, kept):
    """KEPT: the lines before the round. Returns the lines after it."""
    lines = ledger.read_lines(path, torn=True)
    if lines[:len(kept)] != kept:
        raise ledger.Broken("lines of earlier rounds have changed")
    ledger.check_numbers(fresh)
    ledger.check_kept(fresh, lines)
    if any(number <= len(kept) for number, _ in fresh):
        raise ledger.Broken("a number of an earlier round was given again")
    # Visits that were in flight when the program died may be in the file without an acknowledgement.
    if len(lines) > len(kept) + len(fresh) + CONNECTIONS:
        raise ledger.Broken("%d lines for %d acknowledged visits" % (len(lines) - len(kept), len(fresh)))
    return lines


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", required=True, help="an existing directory for logs and acknowledged visits")
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("options", nargs="*")
    options = parser.parse_args()
    options.options += ["--workers", str(options.workers)]
    return options


def main():
    options = parse_options()
    rng = random.Random(options.seed)
    path = os.path.join(options.data, "visits.txt")
    lines, acknowledged, spread = [], 0, ledger.Spread()
    for number in range(options.rounds):
        try:
            if number % 5 == 0:
                fresh = kill_while_starting(options, rng)
            else:
                fresh = kill_under_load(options, rng, len(lines), spread)
            lines = check_round(path, fresh, lines)
            if options.workers > 1 and number + 1 == options.rounds:
                spread.check()
        except ledger.Broken as error:
            print("seed %d round %d: %s" % (options.seed, number + 1, error))
            return 1
        acknowledged += len(fresh)
    print("seed %d rounds %d acknowledged %d lines %d" % (options.seed, options.rounds, acknowledged, len(lines)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
