#!/usr/bin/env python3
"""Let the pool below a volume run full, and check which visits a restart keeps.

    pool.py --program P --work W --file-system ext4|xfs|btrfs|fuse --sync always|interval [--kill]

W/pool is a tmpfs, and a sparse file in it is the disk of a loop device: a thin pool. A file system on it learns of
the lack of space only when it writes its pages back, after write(2) has succeeded. `fuse` is bindfs on ext4: there
the page cache is behind a FUSE server. When the pool is full, visits are made until a sync fails, or, with --kill,
until a sync is under way, and then the program is killed. The program is started again; the pool gets space; the
volume is mounted again if its file system has shut down; 400 visits are made, and the program is ended. Then the
volume is unmounted and mounted again, so that only data on the disk is left. Prints

    ext4 interval failed: acknowledged before 250, then 400; gone 0, not at their line 0

and exits with 1 unless the last two are 0. Visits that --sync=interval acknowledged before its sync failed count too,
as long as the page cache has them.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import signal
import sys
import time

import ledger
import volumes

LINES = b"2022-11-28 22:54:26.913511+03:00\n" * 4096  # 33 whole blocks, so that later lines are in other blocks
MIB = 1 << 20
PATIENCE_SECONDS = 60
POOL_MIB = {"ext4": 48, "fuse": 48, "xfs": 96, "btrfs": 96}
DISK_MIB = {"ext4": 32, "fuse": 32, "xfs": 320, "btrfs": 256}
# ext4 must not need new blocks for its own metadata.
MAKE = dict(volumes.MAKE, ext4=["mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=4", "-E",
                                "nodiscard,lazy_journal_init=0,lazy_itable_init=0"])
MAKE["fuse"] = MAKE["ext4"]
servers = []  # all servers that were started


class Volume:
    """The file system of the data directory, in a pool that can be filled."""

    def __init__(self, options):
        self.kind = options.file_system
        self.pool = os.path.join(options.work, "pool")
        self.disk = os.path.join(self.pool, "disk")
        self.below = os.path.join(options.work, "volume")
        self.path = os.path.join(options.work, "fuse") if self.kind == "fuse" else self.below
        self.data = os.path.join(self.path, "data")
        self.visits = os.path.join(self.data, "visits.txt")
        for path in {self.pool, self.below, self.path}:
            os.mkdir(path)
        volumes.run("mount", "-t", "tmpfs", "-o", "size=%dM" % POOL_MIB[self.kind], "none", self.pool)
        with open(self.disk, "wb") as disk:
            disk.truncate(DISK_MIB[self.kind] * MIB)
        volumes.run(*MAKE[self.kind], self.disk)
        if "ext4" in MAKE[self.kind][0]:
            # The journal must not lack space. Written out, the image has no holes, so fill() takes only free space.
            with open(self.disk, "r+b") as disk:
                content = disk.read()
                disk.seek(0)
                disk.write(content)
        self.mount()

    def mount(self):
        volumes.run("mount", "-o", "loop", self.disk, self.below)
        if self.kind == "fuse":
            volumes.run("bindfs", self.below, self.path)

    def unmount(self):
        if self.kind == "fuse":
            volumes.run("umount", self.path)
        volumes.unmount(self.below, PATIENCE_SECONDS)

    def remount(self):
        self.unmount()
        self.mount()

    def has_visits(self):
        return os.stat(self.visits).st_size > len(LINES)

    def fill(self):
        with open(os.path.join(self.pool, "filler"), "wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 4096):
                    pass
            except OSError:
                pass

    def free(self):
        os.unlink(os.path.join(self.pool, "filler"))

    def trim(self):
        """Takes its space from each free block: loop devices report a short write as a success, so a write to blocks
        of which some have space would be lost without an error."""
        volumes.run("fstrim", self.below)

    def has_given_up(self):
        return bool(os.statvfs(self.below).f_flag & os.ST_RDONLY)


class Visits:
    """Every visit that was acknowledged, and how many were refused."""

    def __init__(self):
        self.acknowledged = []  # (number, time)
        self.refused = 0

    def make(self, server, count):
        """Over one connection, until COUNT are made, one is refused, or the server is gone."""
        host, port = server.address.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_SECONDS)
        try:
            for _ in range(count):
                connection.request("GET", "/", headers={"Accept": "application/json"})
                response = connection.getresponse()
                body = response.read()
                if response.status != 200:
                    self.refused += 1
                    return False
                visit = json.loads(body)
                self.acknowledged.append((visit["visit"], visit["time"].encode()))
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True


def stops_in_a_sync(process):
    """Whether a thread waits in the fdatasync(2) that strace delays."""
    try:
        tasks = os.listdir("/proc/%d/task" % process.pid)
        return any(open("/proc/%d/task/%s/stat" % (process.pid, task), encoding="ascii").read()
                   .rsplit(")", 1)[1].split()[0] == "t" for task in tasks)
    except OSError:
        return True


def serve(options, volume, front=()):
    log = os.path.join(options.work, "log.%d" % time.monotonic_ns())
    server = ledger.Server(options.program, volume.data, log,
                           ["--sync", options.sync], front)
    servers.append(server)
    server.wait_serving()
    return server


def fail_under_visits(options, volume, visits):
    """Fills the pool and makes visits up to a failed sync, or up to kill -9 with one under way."""
    slow = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync",
            "-e", "inject=fdatasync:delay_enter=3000000"]
    server = serve_until_ready(options, volume, slow if options.kill else ())
    volume.trim()  # the start may have copied visits.txt and removed the original
    volume.fill()
    if options.kill:
        with concurrent.futures.ThreadPoolExecutor(64) as clients:
            for _ in range(64):
                clients.submit(visits.make, server, 4)
            ledger.wait_for("a sync of visits was under way", lambda: volume.has_visits() and stops_in_a_sync(server.process))
            server.end(signal.SIGKILL)
        return
    while visits.make(server, 250):
        if server.process.poll() is not None:
            break
    if ledger.wait_for("a failed sync ended it", lambda: server.process.poll() is not None) and server.process.returncode != 3:
        raise ledger.Broken("it ended with %s: %s" % (server.process.returncode, server.log()))


def serve_until_ready(options, volume, front=()):
    """Starts the program, again if it ends by itself, as a supervisor would."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        server = serve(options, volume, front)
        while server.process.poll() is None:
            if server.is_ready():
                return server
            time.sleep(0.05)
    raise ledger.Broken("it is not ready though the pool has room: " + server.log())


def start_on_full_pool(options, volume):
    """Some starts while the pool is full: whether they end or are not ready, they must do no harm."""
    for _ in range(3):
        server = serve(options, volume)
        ledger.wait_for("it ended or /readyz responded",
                 lambda: server.process.poll() is not None or server.is_ready() is not None)
        server.end(signal.SIGKILL)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--work", required=True, help="an existing, empty directory")
    parser.add_argument("--file-system", choices=sorted(MAKE), required=True)
    parser.add_argument("--sync", choices=["always", "interval"], required=True)
    parser.add_argument("--kill", action="store_true")
    options = parser.parse_args()
    options.work = os.path.realpath(options.work)
    return options


def main():
    options = parse_options()
    visits = Visits()
    try:
        volume = Volume(options)
        os.mkdir(volume.data)
        with open(volume.visits, "wb") as file:
            file.write(LINES)
        serve_until_ready(options, volume).end(signal.SIGTERM)
        volume.remount()
        fail_under_visits(options, volume, visits)
        start_on_full_pool(options, volume)
        volume.free()
        # What a file system that gave up has in its cache is gone; so may be what --sync=interval had not synced.
        if volume.has_given_up():
            volume.remount()
            if options.sync == "interval":
                visits.acknowledged.clear()
        server = serve_until_ready(options, volume)
        before = len(visits.acknowledged)
        if not visits.make(server, 400):
            raise ledger.Broken("a visit was refused though the pool has room: " + server.log())
        if server.end(signal.SIGTERM) != 0:
            raise ledger.Broken("it ended with %d: %s" % (server.process.returncode, server.log()))
        volume.remount()
        lines = ledger.read_lines(volume.visits, whole=False)
        ledger.check_numbers(visits.acknowledged)
        gone = [text for _, text in visits.acknowledged if text not in set(lines)]
        misplaced = ledger.lost(visits.acknowledged, lines)
    except ledger.Broken as error:
        print("%s %s: %s" % (options.file_system, options.sync, error))
        return 1
    finally:
        for server in servers:
            server.end(signal.SIGKILL)
        volumes.unmount_all(options.work)
    print("%s %s %s: acknowledged before %d, then %d; gone %d, not at their line %d"
          % (options.file_system, options.sync, "killed" if options.kill else "failed", before,
             len(visits.acknowledged) - before, len(gone), len(misplaced)))
    return 1 if misplaced else 0


if __name__ == "__main__":
    sys.exit(main())
