#!/usr/bin/env python3
"""Cut the power of a disk under load, and check which visits the file system then has.

    power.py --program P --work W --file-system ext4|xfs|btrfs --cuts N [--workers M] [-- OPTION...]

W/outer is XFS on a loop device, and a file in it is the disk: a second loop device with the file system that
holds the data directory. FICLONE copies that file under one lock, so the copy is the disk at one moment, without
the data that only the page cache has. Cuts come in pairs: one as soon as a new data directory has its first
acknowledged visit, one at a random moment of the load after it. At the end each copy is mounted, which replays its
journal, and the program is started on it. Each visit that was acknowledged before the copy began must be there,
under its number. Prints

    ext4 seed 4711 cuts 20 acknowledged 20345 lost 0

where `acknowledged` is the number of visits that had to be there, summed over the cuts, and exits with 1 if any was
lost. With --grace S visits that were acknowledged less than S seconds before a cut may be lost. With several workers
it also fails if only one was busy.
"""

import argparse
import fcntl
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request

import ledger
import volumes

VISITOR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "visitor.py")
FICLONE = 0x40049409
MIB = 1 << 20

def make_image(path, size, *make):
    with open(path, "wb") as image:
        image.truncate(size)
    volumes.run(*make, path)


def clone(source, target):
    with open(source, "rb") as old, open(target, "wb") as new:
        fcntl.ioctl(new, FICLONE, old.fileno())


class Load:
    """The program on a data directory, and visitors."""

    def __init__(self, options, data, noted):
        self.noted = noted
        self.server = ledger.Server(options.program, data, noted + ".log", options.options)
        if not self.server.wait_serving():
            raise ledger.Broken("it does not start: " + self.server.log())
        self.visitor = subprocess.Popen(
            [sys.executable, VISITOR, "--url", "http://%s/" % self.server.address, "--out", noted,
             "--connections", "16", "--seconds", "600", *(ledger.SPREAD if options.workers > 1 else [])],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def wait_first(self):
        ledger.wait_for("a visit was acknowledged", lambda: ledger.read_acknowledged(self.noted), seconds=20, pause=0.001)

    def end(self, number):
        self.server.end(number)
        self.visitor.wait(timeout=30)


class Disk:
    """The file system of the data directory, on a disk that can be copied under it."""

    def __init__(self, options):
        self.kind = options.file_system
        self.outer = os.path.join(options.work, "outer")
        self.mounted = os.path.join(options.work, "disk")
        self.image = os.path.join(self.outer, "disk.img")
        os.mkdir(self.outer)
        os.mkdir(self.mounted)
        make_image(self.outer + ".img", 4096 * MIB, "mkfs.xfs", "-q", "-m", "reflink=1")
        volumes.run("mount", "-o", "loop", self.outer + ".img", self.outer)
        make_image(self.image, 512 * MIB, *volumes.MAKE[self.kind])
        volumes.run("mount", "-o", "loop", self.image, self.mounted)

    def cut(self, number):
        path = os.path.join(self.outer, "cut.%d" % number)
        clone(self.image, path)
        return path

    def mount_cut(self, path):
        # The kernel identifies a btrfs by its UUID, and a copy has the same UUID.
        if self.kind == "btrfs":
            volumes.run("btrfs", "device", "scan", "--forget")
        volumes.run("mount", "-o", "loop,nouuid" if self.kind == "xfs" else "loop", path, self.mounted)

    def unmount(self):
        volumes.run("umount", self.mounted)


def cut_under_load(disk, options, rng):
    """Returns [(copy, {data directory: visits acknowledged before the copy}, moment)]."""
    cuts, noted, spread = [], {}, ledger.Spread()
    while len(cuts) < options.cuts:
        name = "data.%d" % len(cuts)
        noted[name] = os.path.join(options.work, name)
        load = Load(options, os.path.join(disk.mounted, name), noted[name])
        try:
            load.wait_first()
            for _ in range(2):
                before = {name: ledger.read_acknowledged(path) for name, path in noted.items()}
                moment = time.time()
                cuts.append((disk.cut(len(cuts)), before, moment))
                time.sleep(options.seconds * rng.uniform(0.5, 1.5))
            spread.note(load.server)
        finally:
            # With --sync=interval SIGTERM lets it sync the last visits, which the next cuts then must have.
            load.end(signal.SIGTERM if options.grace else signal.SIGKILL)
    if options.workers > 1:
        spread.check()
    return cuts[:options.cuts]


def visit_once(server):
    """Makes a visit and returns its number."""
    request = urllib.request.Request("http://%s/" % server.address, headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        text = response.read().decode()
    return int(text.split('"visit": ')[1].split(",")[0])


def restart(options, data):
    """Starts the program on a copy. It must count the lines and continue behind them. Returns the lines."""
    server = ledger.Server(options.program, data, os.path.join(options.work, "restart.log"), options.options)
    try:
        if not server.wait_serving():
            raise ledger.Broken("it does not start on a cut disk: " + server.log())
        number = visit_once(server)
    finally:
        server.end(signal.SIGKILL)
    lines = ledger.read_lines(os.path.join(data, "visits.txt"), whole=False)
    if number != len(lines) or server.count != number - 1:
        raise ledger.Broken("visit %d after %d counted, and the file has %d lines"
                            % (number, server.count, len(lines)))
    return lines


def moment_of(text):
    return time.mktime(time.strptime(text[:19].decode(), "%Y-%m-%d %H:%M:%S"))


def compare(options, disk, before, moment):
    """(acknowledged, lost) of one copy, which is mounted."""
    acknowledged = missing = 0
    for name, noted in before.items():
        data = os.path.join(disk.mounted, name)
        lines = restart(options, data)
        ledger.check_numbers(noted)
        if options.grace:
            noted = [visit for visit in noted if moment_of(visit[1]) + 1 < moment - options.grace]
        acknowledged += len(noted)
        missing += len(ledger.lost(noted, lines))
    return acknowledged, missing


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--work", required=True, help="an existing, empty directory")
    parser.add_argument("--file-system", choices=sorted(volumes.MAKE), required=True)
    parser.add_argument("--cuts", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0.15, help="between two cuts, on average")
    parser.add_argument("--grace", type=float, default=0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("options", nargs="*")
    options = parser.parse_args()
    options.work = os.path.realpath(options.work)
    options.options += ["--workers", str(options.workers)]
    return options


def main():
    options = parse_options()
    acknowledged = missing = 0
    # The timestamps are compared with this machine's clock.
    os.environ["TZ"] = "UTC"
    time.tzset()
    options.options += ["--timezone", "UTC0"]
    try:
        disk = Disk(options)
        cuts = cut_under_load(disk, options, random.Random(options.seed))
        disk.unmount()
        for path, before, moment in cuts:
            disk.mount_cut(path)
            try:
                counts = compare(options, disk, before, moment)
            finally:
                disk.unmount()
            acknowledged, missing = acknowledged + counts[0], missing + counts[1]
            os.unlink(path)
    except ledger.Broken as error:
        print("%s seed %d: %s" % (options.file_system, options.seed, error))
        return 1
    finally:
        volumes.unmount_all(options.work)
    print("%s seed %d cuts %d acknowledged %d lost %d"
          % (options.file_system, options.seed, len(cuts), acknowledged, missing))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
