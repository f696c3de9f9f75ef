#!/usr/bin/env python3
"""Fail every system call of the visit log in turn, and check what happens to the visits.

    faults.py --program build/web-app --work DIRECTORY SUITE...

For each call, errno and state of the data directory the program is started under strace, which makes the Nth of
these calls fail; N is 1, 2, ... until a run meets no fault (as SQLite does in its own tests). A few visits are
made, the program is ended, and started once more without a fault. Whichever call has failed:

- every acknowledged visit is in the file, under its number, and earlier lines are still there;
- the file holds only whole lines, and the numbers continue from them;
- the program ends with exit code 0, 1 or 3, and a line that says why; no signal ends it.

Each suite demands more than that; see its function. Prints a line for each loop, and exits with 1 if anything
was wrong.
"""

import argparse
import concurrent.futures
import errno
import glob
import http.client
import itertools
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

import ledger

LINE = b"2022-11-28 22:54:26.913511+03:00\n"
LINES = LINE + LINE.replace(b"26", b"27") + LINE.replace(b"26", b"29")
TORN = b"2022-11-28 22:5"
PATIENCE_SECONDS = 60
N_MAX = 60


def demand(condition, text, *arguments):
    if not condition:
        raise ledger.Broken(text % arguments)


class Program(ledger.Server):
    """One run of the program, under strace if any calls are to fail."""

    numbers = itertools.count()

    def __init__(self, options, directory, injections=(), only=(), arguments=(), data="data"):
        self.directory = os.path.join(directory, data)
        self.file = os.path.join(self.directory, "visits.txt")
        self.trace_path = os.path.join(directory, "trace")
        self.acknowledged = []  # (number, timestamp)
        self.statuses = []
        self.code = None
        self.visitor_patience_seconds = PATIENCE_SECONDS
        self.traced = bool(injections)
        strace = []
        if injections:
            calls = ",".join(one.split(":")[0] for one in injections)
            strace = ["strace", "-f", "-qq", "-o", self.trace_path, "-e", "trace=" + calls]
            for one in injections:
                strace += ["-e", "inject=" + one]
            for one in only:
                strace += ["-P", one.replace("DATA", self.directory)]
        # An address for each: nothing else listens there when it has ended and others start beside it.
        number = next(Program.numbers)
        host = "127.1.%d.%d" % (number // 250, number % 250 + 1)
        log = os.path.join(directory, "log.%d" % len(glob.glob(directory + "/log.*")))
        super().__init__(options.program, self.directory, log, arguments, strace, host)
        self.connection = None
        try:
            self.serving = self.wait_serving(PATIENCE_SECONDS)
        except ledger.Broken:
            self.kill()
            raise
        if not self.serving:
            self.code = self.process.wait(PATIENCE_SECONDS)

    def trace(self):
        try:
            with open(self.trace_path, encoding="utf-8", errors="replace") as trace:
                return trace.read()
        except FileNotFoundError:
            return ""

    def hits(self):
        return self.trace().count("(INJECTED)")

    def pid(self):
        """The program's own process id; strace is its parent."""
        if not self.traced:
            return self.process.pid
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid), encoding="ascii") as children:
            return int(children.read().split()[0])

    def get(self, address, path):
        connection = http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def ready(self):
        return self.get(self.admin, "/readyz")[0] == 200

    def connect(self):
        return http.client.HTTPConnection(self.address, timeout=self.visitor_patience_seconds)

    def connection_of_its_own(self):
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)

    def visit(self):
        """One visit over the kept connection; its status, or None if the program closed the connection."""
        self.connection = self.connection or self.connect()
        status = self.visit_over(self.connection)
        if status is None:
            self.connection = None
        return status

    def visit_over(self, connection):
        """The same over CONNECTION; any thread may call it. Closes it if the program has closed it."""
        try:
            connection.request("GET", "/", headers={"Accept": "application/json"})
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            self.statuses.append(None)
            return None
        self.statuses.append(response.status)
        if response.status == 200:
            visit = json.loads(body)
            self.acknowledged.append((visit["visit"], visit["time"]))
        else:
            demand(response.status == 503, "a visit got status %d", response.status)
            demand("error" in json.loads(body), "a refused visit got the response %r", body)
        return response.status

    def visit_until_ready(self):
        """Waits until the program is ready again by itself. False if it has ended."""
        def recovered():
            return self.process.poll() is not None or self.ready_or_gone()
        ledger.wait_for("it was ready again; its log: %s" % self.log(), recovered)
        return self.process.poll() is None

    def visit_until_taken(self):
        """Visits until one is acknowledged: each thread meets its own Nth fault. False if the program has ended."""
        def taken():
            return self.visit() == 200 or self.process.poll() is not None
        ledger.wait_for("a visit was taken; its log: %s" % self.log(), taken)
        return self.statuses[-1] == 200

    def ready_or_gone(self):
        try:
            return self.ready()
        except (OSError, http.client.HTTPException):
            return False

    def end(self, number=signal.SIGTERM):
        """Ends the program; returns its exit code, negative for a signal."""
        if self.connection:
            self.connection.close()
        if self.process.poll() is None:
            try:
                os.kill(self.pid(), number)
            except (OSError, IndexError):
                pass  # it has just ended by itself
        self.code = self.process.wait(PATIENCE_SECONDS)
        return self.code

    def kill(self):
        if self.process.poll() is None:
            self.end(signal.SIGKILL)

    def content(self):
        with open(self.file, "rb") as file:
            return file.read()


def check_kept(program, before):
    """The earlier lines are still there, and every acknowledged visit is there under its number."""
    content = program.content() if os.path.exists(program.file) else b""
    demand(content.startswith(before), "the lines that were there before are not there any more: %r", content)
    lines = content.split(b"\n")
    seen = set()
    for number, timestamp in program.acknowledged:
        demand(number not in seen, "number %d was given twice", number)
        seen.add(number)
        found = lines[number - 1] if number <= len(lines) else b"nothing"
        demand(found == timestamp.encode(), "acknowledged visit %d of %s is lost: there is %r", number, timestamp, found)
    return content


def check_end(program, codes):
    log = program.log()
    demand(program.code in codes, "it ended with %s and not with %s: %s", program.code, codes, log)
    demand(all(line.startswith("web-app: ") for line in log.splitlines()), "its log has other lines: %s", log)
    if program.code != 0:
        demand(program.directory in log.splitlines()[-1], "its last line does not name the directory: %s", log)


def check_next_start(options, directory, program, before, torn=b""):
    """Without a fault the program starts on the file, keeps all of it, and continues with the next number."""
    following = Program(options, directory)
    try:
        demand(following.serving, "it does not start any more: %s", following.log())
        demand(following.visit() == 200, "no visit is taken after a restart: %s", following.log())
    finally:
        following.kill()
    content = check_kept(program, before)
    ledger.read_lines(program.file)
    count = content.count(b"\n")
    demand(following.acknowledged[0][0] == count, "visit %d after a restart is not the last of %d lines",
           following.acknowledged[0][0], count)
    check_kept(following, before)
    if torn:
        kept = [open(name, "rb").read() for name in glob.glob(program.file + ".torn-*")]
        demand(torn in kept, "the torn bytes are not kept: %r", kept)
        demand(len(kept) <= 2, "there are %d copies of the torn bytes", len(kept))


def mark_of(content):
    """visits.txt.durable as the program writes it after a sync of CONTENT."""
    checksum = 0xcbf29ce484222325
    for byte in content[-4096:]:
        checksum = (checksum ^ byte) * 0x100000001b3 % (1 << 64)
    return b"%020d %016x\n" % (len(content), checksum)


def prepare(directory, before, rest=b"", known=True):
    """A data directory whose file is BEFORE and REST. With KNOWN, BEFORE is marked as durable."""
    data = os.path.join(directory, "data")
    if before is None:
        return b""
    os.mkdir(data)
    with open(os.path.join(data, "visits.txt"), "wb") as file:
        file.write(before + rest)
    if known:
        with open(os.path.join(data, "visits.txt.durable"), "wb") as mark:
            mark.write(mark_of(before))
    return before


def remove(directory):
    """FUSE keeps a removed file under another name until the process that had it open is gone for good."""
    def is_removed():
        try:
            shutil.rmtree(directory)
        except OSError as wrong:
            if wrong.errno != errno.ENOTEMPTY:
                raise
            return False
        return True
    ledger.wait_for("%s could be removed" % directory, is_removed)


class Loop:
    """One call and errno, failed for N = 1, 2, ... until a run meets no fault, or N is N_MAX."""

    def __init__(self, name, run, n_max=N_MAX, n_min=1):
        self.name, self.run, self.n_max, self.n_min = name, run, n_max, n_min
        self.faults = self.acknowledged = self.refused = self.runs = 0
        self.wrongs = []

    def work(self, options):
        for n in range(1, self.n_max + 1):
            directory = tempfile.mkdtemp(dir=options.work)
            programs = []
            try:
                hits = self.run(options, directory, n, programs)
            except (ledger.Broken, OSError, http.client.HTTPException, subprocess.TimeoutExpired) as wrong:
                self.wrongs.append("%s, N = %d: %s" % (self.name, n, str(wrong) or repr(wrong)))
                hits = 1 if n < 6 else 0
            finally:
                for program in programs:
                    program.kill()
            for program in programs:
                self.acknowledged += len(program.acknowledged)
                self.refused += sum(status != 200 for status in program.statuses)
            remove(directory)
            self.runs += 1
            self.faults += hits
            if not hits:
                break
        if self.faults < self.n_min:
            self.wrongs.append("%s: no fault was met, so this tested nothing" % self.name)


# --- write(2) of the visits.

TRACE_PROBES = "fallocate:delay_exit=1"  # shows in the trace when the program probes whether a line can be written


def write_loop(error):
    def run(options, directory, n, programs):
        before = prepare(directory, LINES)
        program = Program(options, directory, ["write:error=%s:when=%d" % (error, n), TRACE_PROBES], ["DATA/visits.txt"])
        programs.append(program)
        for _ in range(5):
            if program.visit() != 200:
                # A probe may have succeeded already, as this was the only fault.
                demand(not program.ready() or "fallocate(" in program.trace(), "it is ready after a failed write")
                demand(program.content().count(b"\n") == 3 + len(program.acknowledged), "a failed write left a line")
        hits = program.hits()
        refused = sum(status == 503 for status in program.statuses)
        demand(refused == (0 if error == "EINTR" else hits), "%d visits were refused for %d failed writes", refused, hits)
        numbers = [number for number, _ in program.acknowledged]
        demand(numbers == list(range(4, 4 + len(numbers))), "the numbers have a gap: %s", numbers)
        demand(program.visit_until_ready(), "it ended: %s", program.log())
        program.end()
        check_end(program, [0])
        content = check_kept(program, before)
        demand(len(content) == 33 * (3 + len(numbers)), "there are %d bytes for %d visits", len(content), len(numbers))
        check_next_start(options, directory, program, before)
        return hits
    return Loop("write of a visit, " + error, run)


def landing_loop():
    """After a failed lseek the place of a line is unknown: the visit is refused, though its line is there, and the file
    is read again."""
    def run(options, directory, n, programs):
        before = prepare(directory, LINES)
        program = Program(options, directory, ["lseek:error=EIO:when=%d" % n], ["DATA/visits.txt"])
        programs.append(program)
        for _ in range(5):
            demand(program.visit() == 200 or program.visit_until_taken(), "it does not recover: %s", program.log())
        hits = program.hits()
        refused = sum(status == 503 for status in program.statuses)
        demand((refused > 0) == (hits > 0), "%d visits were refused for %d failed calls", refused, hits)
        program.end()
        check_end(program, [0])
        content = check_kept(program, before)
        demand(content.count(b"\n") == 3 + len(program.acknowledged) + hits, "the file has %d lines", content.count(b"\n"))
        check_next_start(options, directory, program, before)
        return hits
    return Loop("lseek behind a visit, EIO", run)


def lasting_write_loop(error):
    """A disk that stays broken for a while: not ready all that time, alive, and ready again by itself."""
    def run(options, directory, n, programs):
        before = prepare(directory, LINES)
        program = Program(options, directory, ["write:error=%s:when=1" % error, "fallocate:error=%s:when=1..3" % error],
                          ["DATA/visits.txt"])
        programs.append(program)
        demand(program.ready(), "it is not ready before the fault")
        demand(program.visit() == 503, "a visit that could not be written was acknowledged")
        demand(not program.ready(), "it is ready while nothing can be written")
        demand(program.get(program.address, "/readyz")[0] == 503, "/readyz of the public port says otherwise")
        demand(program.get(program.admin, "/healthz")[0] == 200, "it is not alive")
        demand(program.content() == before, "the failed write left something")
        # Its probes fail three times.
        demand(program.visit_until_ready(), "it ended: %s", program.log())
        demand(program.trace().count("(INJECTED)") >= 4, "it was ready before its probe succeeded")
        ledger.wait_for("it said that it is ready", lambda: "ready again: %s is writable" % program.file in program.log())
        while program.visit() != 200:
            demand(len(program.statuses) < 6, "it does not recover: %s", program.statuses)
        demand(program.acknowledged[0][0] == 4, "the first visit after the fault is number %d", program.acknowledged[0][0])
        program.end()
        check_end(program, [0])
        check_kept(program, before)
        check_next_start(options, directory, program, before)
        return program.hits()
    return Loop("writes fail for a while, " + error, run, n_max=1, n_min=4)


def limit_file(program, size):
    resource.prlimit(program.pid(), resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def short_loop():
    """A limit on the file's size causes real short writes: of one line, and of a batch of three."""
    def run(options, directory, _n, programs):
        before = prepare(directory, LINES)
        program = Program(options, directory)
        programs.append(program)
        hits = 0
        for lines in 1, 3:
            for extra in range(0, 33 * lines, lines):
                size = len(program.content())
                limit_file(program, size + extra)
                with program.connection_of_its_own() as batch:
                    request = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n%s\r\n"
                    batch.sendall((request % b"") * (lines - 1) + request % b"Connection: close\r\n")
                    responses = b"".join(iter(lambda: batch.recv(65536), b""))
                refused = responses.count(b"HTTP/1.1 503")
                # Three requests of one connection may be in several batches; those that fitted were acknowledged.
                kept = len(program.content()) - size
                demand(refused + responses.count(b"HTTP/1.1 200") == lines and refused > 0 and
                       kept == 33 * (lines - refused), "of %d visits %d were refused, %d bytes with room for %d are kept",
                       lines, refused, kept, extra)
                hits += refused
                limit_file(program, resource.RLIM_INFINITY)
                demand(program.visit() == 200, "no visit is taken once there is room")
        demand(program.visit_until_ready(), "it ended: %s", program.log())
        program.end()
        check_end(program, [0])
        check_kept(program, before)
        check_next_start(options, directory, program, before)
        return hits
    return Loop("short writes of every length", run, n_max=1, n_min=66)


def uncut_loop(kill):
    """A real short write that cannot be truncated: ftruncate(2) fails N times in each thread."""
    def run(options, directory, n, programs):
        before = prepare(directory, LINES)
        program = Program(options, directory, ["ftruncate:error=EIO:when=1..%d" % n], ["DATA/visits.txt"])
        programs.append(program)
        demand(program.visit() == 200, "the first visit failed")
        limit_file(program, 33 * 4 + 20)
        demand(program.visit() == 503, "a visit that was written in part was acknowledged")
        demand(len(program.content()) == 33 * 4 + 20, "a failed ftruncate truncated the partial write")
        demand(not program.ready(), "it is ready with a broken line at the end")
        demand(program.get(program.address, "/visits?format=raw")[1] == program.content()[:33 * 4],
               "the broken line is shown")
        if not kill:
            limit_file(program, resource.RLIM_INFINITY)
            demand(program.visit_until_taken(), "it does not recover: %s", program.statuses)
            numbers = [number for number, _ in program.acknowledged]
            demand(numbers == list(range(4, 4 + len(numbers))), "the numbers have a gap: %s", numbers)
        hits = program.hits()
        program.end(signal.SIGKILL if kill else signal.SIGTERM)
        if not kill:
            check_end(program, [0])
        check_kept(program, before)
        check_next_start(options, directory, program, before)
        return hits
    return Loop("ftruncate after a short write, EIO" + (", then kill -9" if kill else ""), run, n_max=3)


def suite_write():
    loops = [write_loop(error) for error in ("EIO", "ENOSPC", "EDQUOT", "EINTR")]
    return loops + [lasting_write_loop(error) for error in ("EIO", "ENOSPC")] + [landing_loop()]


def suite_short():
    return [short_loop(), uncut_loop(False), uncut_loop(True)]


# --- fdatasync(2) after a write.

def syncs(trace):
    return len(re.findall(r"\bfdatasync\(", trace))


def check_durability_lost(program):
    """The end after a failed sync: exit code 3, and no second sync, which might wrongly succeed."""
    check_end(program, [3])
    demand("fdatasync of %s failed" % program.file in program.log(), "it does not say why: %s", program.log())
    before, failed, after = program.trace().partition("(INJECTED)")
    demand(failed, "no sync failed")
    demand(syncs(after) == 0, "a failed sync was tried again: %s", before + failed + after)


def sync_loop(error, mode):
    def run(options, directory, n, programs):
        before = prepare(directory, LINES)
        program = Program(options, directory, ["fdatasync:error=%s:when=%d" % (error, n)], (), ["--sync", mode])
        programs.append(program)
        for _ in range(4):
            if program.visit() is None:
                break
        if mode == "interval":
            ledger.wait_for("the interval's sync was done", lambda: syncs(program.trace()) or program.process.poll())
        program.end()
        hits = program.hits()
        if hits and error != "EINTR":
            if mode == "always":
                first = next((i for i, status in enumerate(program.statuses) if status != 200), None)
                # strace counts the syncs of each thread, and the first is made by another thread than the others.
                demand(first in (n - 1, n), "visit %d was to be refused first: %s", n, program.statuses)
                demand(program.statuses[first] == 503 and 200 not in program.statuses[first:],
                       "after a failed sync a visit was acknowledged: %s", program.statuses)
            check_durability_lost(program)
        else:
            demand(program.statuses == [200] * 4, "a visit was refused: %s", program.statuses)
            check_end(program, [0])
        check_kept(program, before)
        check_next_start(options, directory, program, before)
        return hits
    return Loop("fdatasync with --sync=%s, %s" % (mode, error), run)


def waiters_loop(workers, waiters=16):
    """All visits that wait for a sync are refused if it fails, whichever thread they belong to."""
    def run(options, directory, _n, programs):
        before = prepare(directory, LINES)
        program = Program(options, directory, ["fdatasync:error=EIO:when=1:delay_enter=300000"], (),
                          ["--workers", str(workers)])
        programs.append(program)
        clients = [http.client.HTTPConnection(program.address, timeout=PATIENCE_SECONDS)
                   for _ in range(waiters)]
        for client in clients:
            client.request("GET", "/healthz")
            client.getresponse().read()
        gate = threading.Barrier(waiters)

        def ask(client):
            gate.wait()
            client.request("GET", "/", headers={"Accept": "application/json"})
            return client.getresponse().status
        with concurrent.futures.ThreadPoolExecutor(waiters) as pool:
            program.statuses += pool.map(ask, clients)
        demand(program.statuses == [503] * waiters, "the waiters got %s", program.statuses)
        program.code = program.process.wait(PATIENCE_SECONDS)
        check_durability_lost(program)
        demand(syncs(program.trace()) == 1, "there was more than one sync: %s", program.trace())
        check_kept(program, before)
        check_next_start(options, directory, program, before)
        for client in clients:
            client.close()
        return program.hits()
    return Loop("fdatasync that %d visitors of %d threads wait for, EIO" % (waiters, workers), run, n_max=1)


def suite_sync():
    loops = [sync_loop(error, "always") for error in ("EIO", "ENOSPC", "EINTR")]
    loops += [sync_loop("EIO", "interval"), sync_loop("EIO", "none")]
    return loops + [waiters_loop(1), waiters_loop(4)]


# --- The calls at the start, and when the file is reopened.

RETRIED = {"EINTR"}  # errnos after which the program repeats the call
DIRECTORY = ("DATA", "DATA/visits.txt")
STATES = {  # the content of the file: whole lines, and the rest
    "a new directory": (None, b""),
    "three lines": (LINES, b""),
    "a torn line": (LINES, TORN),
    "a lost newline": (LINES[:66], LINES[66:98]),
}



def start_loop(state, call, error, only=DIRECTORY, n_max=N_MAX, replace=False, arguments=(), crowd=None,
               copies=False):
    """Exit code 1 or 3, or not ready for a while. With REPLACE the file is also replaced while the program runs,
    between two visits of the CROWD, if any. COPIES: on a file system where the start copies the file."""
    def run(options, directory, n, programs):
        lines, rest = STATES[state]
        before = prepare(directory, lines, rest, known=replace)
        if copies:  # the copy must get this owner and mode
            os.chown(os.path.join(directory, "data", "visits.txt"), 1, 1)
            os.chmod(os.path.join(directory, "data", "visits.txt"), 0o664)
        program = Program(options, directory, ["%s:error=%s:when=%d" % (call, error, n)], only, arguments)
        programs.append(program)
        if call == "write" and not only and error not in RETRIED:
            # A loop that cannot be woken, because its write(2) to an eventfd failed, leaves its visitor without a response.
            program.visitor_patience_seconds = 5
        late = False
        if program.serving:
            program.visit()
            demand(error not in RETRIED or program.statuses == [200], "a visit was refused: %s", program.log())
            late = program.visit_until_ready() and program.visit_until_taken()
            if late and crowd:
                crowd(program)
        else:
            demand(error not in RETRIED, "it ended: %s", program.log())
        content = check_kept(program, before)
        if replace and late:
            content = self_replace(program, content)
            if crowd and program.process.poll() is None:
                crowd(program)
                check_kept(program, content)
        hits = program.hits()
        program.end()
        # A full volume is not ready until a sync succeeds.
        passes = error in RETRIED or not hits or (call, error) == ("fsync", "ENOSPC")
        lost = call in ("fsync", "fdatasync") and not passes and not rest.startswith(TORN)
        # A copy that cannot be synced is made once more.
        check_end(program, [0] if passes else [0, 3] if lost and copies else [3] if lost else [0, 1, 3])
        # A program that started late has read the file again, and has restored a missing newline.
        check_next_start(options, directory, program, content if replace else before, TORN if rest == TORN else b"")
        return hits
    return Loop("%s with %s, %s" % (call, state, error), run, n_max)


def self_replace(program, content):
    """Replaces the file by a copy with one line more, as an operator would; returns the new content."""
    content += LINE
    with open(program.file + ".new", "wb") as new:
        new.write(content)
    os.rename(program.file + ".new", program.file)
    def reopened():
        return program.process.poll() is not None or "/visits.txt: %d visits" % content.count(b"\n") in program.log()
    ledger.wait_for("the new file was reopened; the log: %s" % program.log(), reopened)
    if program.process.poll() is None and program.visit_until_ready():
        if not program.visit_until_taken():
            return content
        demand(program.acknowledged[-1][0] == content.count(b"\n") + 1, "visit %d follows %d lines",
               program.acknowledged[-1][0], content.count(b"\n"))
    check_kept(program, content)
    return content


def uncut_start_loop():
    """While a torn line cannot be truncated the program is not ready, and does not fill the disk with copies."""
    def run(options, directory, _n, programs):
        before = prepare(directory, LINES, TORN)
        program = Program(options, directory, ["ftruncate:error=EIO:when=1..3"], ())
        programs.append(program)
        demand(program.serving and not program.ready(), "it is ready: %s", program.log())
        demand(program.visit() == 503, "a visit was acknowledged")
        demand(program.visit_until_ready(), "it ended: %s", program.log())
        demand(program.visit() == 200, "no visit is taken: %s", program.log())
        copies = len(glob.glob(program.file + ".torn-*"))
        demand(copies == 1, "there are %d copies of the torn bytes", copies)
        program.end()
        check_end(program, [0])
        check_next_start(options, directory, program, before, TORN)
        return program.hits()
    return Loop("ftruncate with a torn line, EIO for a while", run, n_max=1, n_min=3)


def numbered(lines, first=1):
    """The listing of these lines as text."""
    return b"".join(b"%6d\t%s" % (number, line) for number, line in enumerate(lines.splitlines(True), first))


def listing_loop(call, error, pages):
    """GET /visits is complete and right, or it is refused or visibly aborted: never silently short."""
    def run(options, directory, n, programs):
        before = prepare(directory, LINES)
        program = Program(options, directory, ["%s:error=%s:when=%d" % (call, error, n)], ["DATA/visits.txt"])
        programs.append(program)
        if program.serving and program.visit_until_ready():
            for path, wanted in pages:
                try:
                    status, body = program.get(program.address, path)
                except (ConnectionResetError, http.client.HTTPException):
                    status, body = None, b""
                demand(status in (None, 503) or (status == 200 and body == wanted), "%s is %s %r", path, status, body)
                demand(status == 200 or error not in RETRIED, "%s was refused", path)
            demand(program.visit() == 200, "no visit is taken: %s", program.log())
        hits = program.hits()
        program.end()
        check_end(program, [0])
        check_next_start(options, directory, program, before)
        return hits
    return Loop("%s of a listing, %s" % (call, error), run)


def suite_start():
    loops = [uncut_start_loop()]
    new, _, torn, newline = list(STATES)[:4]
    calls = {
        new: {"mkdir": "EIO ENOSPC EACCES", "open": "EIO EMFILE", "openat": "EIO ENOSPC EMFILE", "flock": "EIO ENOLCK",
              "fsync": "EIO ENOSPC EINTR", "pread64": "EIO", "?fstat,?newfstatat": "EIO"},
        torn: {"openat": "EIO ENOSPC", "ftruncate": "EIO", "fsync": "EIO EINTR", "pread64": "EIO EINTR"},
        newline: {"fsync": "EIO", "pread64": "EIO"},
    }
    for state, of_state in calls.items():
        for call, errors in of_state.items():
            only = () if call in ("fsync", "mkdir", "ftruncate", "renameat", "unlinkat") else DIRECTORY
            loops += [start_loop(state, call, error, only) for error in errors.split()]
    # The copy of the torn bytes is the first write of all; it cannot be selected by a name, which depends on the time.
    loops += [start_loop(torn, "write", error, (), 1) for error in ("EIO", "ENOSPC", "EINTR")]
    loops += [start_loop(newline, "write", error, DIRECTORY, 1) for error in ("EIO", "ENOSPC", "EINTR")]
    return loops


def suite_copy():
    """On a file system whose disk is not visible (FUSE) the start makes a copy of the file."""
    calls = {"write": "EIO ENOSPC EPERM EINTR", "fsync": "EIO ENOSPC EINTR", "openat": "EIO ENOSPC EACCES",
             "renameat": "EIO ENOSPC EBUSY", "unlinkat": "EIO", "pread64": "EIO EINTR", "?fstat,?newfstatat": "EIO",
             "fchown": "EPERM", "flock": "EIO", "fstatfs": "EIO"}
    files = DIRECTORY + ("DATA/visits.txt.copying",)
    by_name = ("write", "openat", "pread64", "?fstat,?newfstatat")
    return [start_loop("three lines", call, error, files if call in by_name else (), copies=True)
            for call, errors in calls.items() for error in errors.split()]


def suite_reopen():
    lines = list(STATES)[1]
    calls = {"open": "EIO", "openat": "EIO ENOSPC", "flock": "EIO", "fsync": "EIO", "fdatasync": "EIO",
             "pread64": "EIO", "fstat": "EIO", "newfstatat": "EIO"}
    return [start_loop(lines, call, error, () if call in ("fsync", "fdatasync") else DIRECTORY, 12, True)
            for call, errors in calls.items() for error in errors.split()]


def suite_listing():
    text = [("/visits?format=text", numbered(LINES)), ("/visits?format=text&tail=2", numbered(LINES[33:], 2))]
    raw = [("/visits?format=raw", LINES), ("/visits?format=raw&tail=2", LINES[33:])]
    return [listing_loop(call, error, pages) for call, pages in (("pread64", text), ("sendfile", raw)) for error in ("EIO", "EINTR")]


SUITES = {"write": suite_write, "short": suite_short, "sync": suite_sync, "start": suite_start, "copy": suite_copy,
          "reopen": suite_reopen, "listing": suite_listing}


def main(description=__doc__):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--jobs", type=int, default=12)
    parser.add_argument("--only", default="", help="only loops whose name contains this")
    parser.add_argument("suites", nargs="+", choices=SUITES)
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    options.work = os.path.realpath(options.work)
    loops = [loop for suite in options.suites for loop in SUITES[suite]() if options.only in loop.name]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda loop: loop.work(options), loops))
    for loop in loops:
        print("%s: %d runs, %d faults, %d visits acknowledged, %d refused, %s"
              % (loop.name, loop.runs, loop.faults, loop.acknowledged, loop.refused,
                 "%d wrong" % len(loop.wrongs) if loop.wrongs else "all kept"))
    wrongs = [wrong for loop in loops for wrong in loop.wrongs]
    for wrong in wrongs:
        print("wrong: " + wrong)
    print("in all: %d loops, %d runs, %d faults, %d visits acknowledged, %d wrong"
          % (len(loops), sum(loop.runs for loop in loops), sum(loop.faults for loop in loops),
             sum(loop.acknowledged for loop in loops), len(wrongs)))
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
