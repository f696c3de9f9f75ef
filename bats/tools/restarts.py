#!/usr/bin/env python3
"""Let the pool below a volume run full twice, and count how often the program is restarted.

    restarts.py --program P --work W --file-system ext4|xfs

The pool and the volume are those of pool.py. When a visit's sync has failed, the program is started again, as a
supervisor would, and visited whenever it is ready. It may end a few times, since a block of its own that a pool has kept
may still be writable. Then it must be alive and not ready, with every start. When the pool has space, it becomes ready
without a restart. Prints how many starts of each round ended, and exits with 1 if the last ones still did.
"""

import argparse
import os
import signal
import sys
import time

import ledger
import pool
import volumes

STARTS = 12
QUIET = 4  # of the last starts none may end
WATCH_SECONDS = 3  # more than two of its probes


def ends_under_visits(server, visits):
    """Visits it whenever it is ready. Whether it has ended."""
    until = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < until and server.process.poll() is None:
        if server.is_ready():
            visits.make(server, 250)
        time.sleep(0.05)
    return server.process.poll() is not None


def one_round(options, volume, visits):
    pool.fail_under_visits(options, volume, visits)
    ended = []
    for _ in range(STARTS):
        server = pool.serve(options, volume)
        ended.append(ends_under_visits(server, visits))
        if len(ended) > QUIET and not any(ended[-QUIET:]):
            break
        server.end(signal.SIGKILL)
    if any(ended[-QUIET:]):
        raise ledger.Broken("it ends without end: %s; %s" % (ended, server.log()))
    volume.free()
    if volume.has_given_up():
        server.end(signal.SIGKILL)
        volume.remount()
        server = pool.serve(options, volume)
    ledger.wait_for("it was ready again: " + server.log(), server.is_ready)
    if not visits.make(server, 20) or server.end(signal.SIGTERM) != 0:
        raise ledger.Broken("it does not recover: " + server.log())
    return sum(ended)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--work", required=True, help="an existing, empty directory")
    parser.add_argument("--file-system", choices=["ext4", "xfs"], required=True)
    options = parser.parse_args()
    options.work = os.path.realpath(options.work)
    options.sync, options.kill = "always", False
    visits = pool.Visits()
    try:
        volume = pool.Volume(options)
        data = os.path.join(volume.path, "data")
        os.mkdir(data)
        with open(os.path.join(data, "visits.txt"), "wb") as file:
            file.write(pool.LINES)
        pool.serve(options, volume).end(signal.SIGTERM)
        volume.remount()
        volumes.run("fstrim", volume.below)  # see pool.py
        ended = [one_round(options, volume, visits) for _ in range(2)]
        ledger.check_numbers(visits.acknowledged)
        ledger.check_kept(visits.acknowledged, ledger.read_lines(os.path.join(data, "visits.txt")))
    except ledger.Broken as broken:
        print("%s: %s" % (options.file_system, broken))
        return 1
    finally:
        for server in pool.servers:
            server.end(signal.SIGKILL)
        volumes.unmount_all(options.work)
    print("%s: of the starts on a full pool ended %s; acknowledged %d visits, lost 0"
          % (options.file_system, ended, len(visits.acknowledged)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
