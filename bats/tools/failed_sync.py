#!/usr/bin/env python3
"""Fail one sync of several workers under load, and check which visits are left in the file.

    failed_sync.py --program P --work W --runs N [--seed S]

Each run starts P under strace with two to eight workers, on a new directory in W, and visits it over many connections
until it has ended. strace fails one fdatasync(2), at once or after a delay, and delays every return from futex(2), so
that a worker that waits for a sync continues later than one that has just requested it. Then the exit code must be 3,
and the file must hold exactly the acknowledged visits, each under its number, and no refused one. Prints

    seed 4711 runs 40 acknowledged 5614 refused 1702 wrong 0

after a line for each failed run, and exits with 1 if there was one.
"""

import argparse
import os
import random
import selectors
import shutil
import socket
import sys
import tempfile

import ledger
import visitor

DURABILITY_LOST = 3
PATIENCE_SECONDS = 60


def serve(options, rng, directory):
    """Starts the program; the Nth sync of each of its threads fails."""
    failure = "inject=fdatasync:error=EIO:when=%d" % rng.randint(1, 40)
    delay = rng.choice([0, 2000, 20000])
    if delay:
        failure += ":delay_enter=%d" % delay
    # With -D the process that Popen waits for is the program and not strace.
    front = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "--seccomp-bpf", "-e", "trace=fdatasync,futex",
             "-e", "inject=futex:delay_exit=500", "-e", failure]
    server = ledger.Server(options.program, os.path.join(directory, "data"), os.path.join(directory, "log"),
                           ["--workers", str(rng.choice([2, 3, 4, 8]))], front)
    if not server.wait_serving():
        raise ledger.Broken("it does not start: " + server.log())
    return server


def visit_until_its_end(server, connections, path):
    """Returns visitor.py's counts; acknowledged visits go to the file at PATH."""
    host, port = server.address.split(":")
    request = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n"
    options = argparse.Namespace(pipeline=1, reconnect=False, until_close=True,
                                 visits_per_connection=5, apart=0)
    with open(path, "wb") as out, selectors.DefaultSelector() as selector:
        tally = visitor.Tally(out.fileno(), None)
        visitors = [visitor.Visitor(selector, tally, (socket.AF_INET, (host, int(port))), request, options)
                    for _ in range(connections)]
        visitor.run(visitors, tally, selector, PATIENCE_SECONDS)
        tally.flush()
    return tally


def check(server, tally, acknowledged, lines):
    code = server.process.wait(PATIENCE_SECONDS)
    if code != DURABILITY_LOST:
        raise ledger.Broken("it ends with %d: %s" % (code, server.log()))
    ledger.check_numbers(acknowledged)
    ledger.check_kept(acknowledged, lines)
    if len(lines) != len(acknowledged):
        raise ledger.Broken("the file has %d lines, and %d visits were acknowledged; %d were refused, %d had no response"
                            % (len(lines), len(acknowledged), tally.refused, tally.unanswered))


def run(options, rng):
    """Returns how many visits were acknowledged and refused, and the error or None."""
    directory = tempfile.mkdtemp(dir=options.work)
    path = os.path.join(directory, "acknowledged")
    server = serve(options, rng, directory)
    try:
        tally = visit_until_its_end(server, rng.choice([4, 16, 32]), path)
        check(server, tally, ledger.read_acknowledged(path), ledger.read_lines(os.path.join(directory, "data", "visits.txt")))
        return tally.acknowledged, tally.refused, None
    except (ledger.Broken, visitor.BadResponse) as broken:
        return tally.acknowledged, tally.refused, broken
    finally:
        server.process.kill()
        server.process.wait()
        shutil.rmtree(directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--work", required=True, help="an existing directory")
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    rng = random.Random(options.seed)
    acknowledged = refused = wrong = 0
    for number in range(1, options.runs + 1):
        counts = run(options, rng)
        acknowledged, refused = acknowledged + counts[0], refused + counts[1]
        if counts[2]:
            wrong += 1
            print("seed %d run %d: %s" % (options.seed, number, counts[2]))
    print("seed %d runs %d acknowledged %d refused %d wrong %d" % (options.seed, options.runs, acknowledged, refused, wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
