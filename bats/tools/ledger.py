"""Compares the visits that a program under test has acknowledged with its file.

A visit is acknowledged once its response was read: visitor.py then notes it as `NUMBER<TAB>TIME`. It is kept if line
NUMBER of the file is exactly TIME.
"""

import os
import re
import subprocess
import time
import urllib.error
import urllib.request

LINE_LENGTH = 33
LINE = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d")
SERVING = re.compile(r"serving on http://(\S+)/ \(admin (\S+)\), visits in .* \((\d+) so far\)")


class Broken(Exception):
    """The program did not do what it must."""


def wait_for(what, condition, seconds=60, pause=0.01):
    """Returns the value of CONDITION as soon as it is true."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        result = condition()
        if result:
            return result
        time.sleep(pause)
    raise Broken("waited in vain until %s" % what)


def read_acknowledged(path):
    """[(number, time)] from a file of visitor.py; a last line without its newline does not count yet."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return []
    rows = [row.split(b"\t") for row in data.split(b"\n")[:-1]]
    return [(int(number), text) for number, text in rows]


def read_lines(path, whole=True, torn=False):
    """The lines of visits.txt; each must be a visit's and have its newline, unless not WHOLE. TORN: the last one may be
    incomplete, since a killed process can end a write(2) at any page of the file."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return []
    lines = data.split(b"\n")
    rest = lines.pop()
    if whole and rest and not (torn and len(rest) < LINE_LENGTH):
        raise Broken("%s ends in %r" % (path, rest))
    for number, line in enumerate(lines, 1):
        if whole and not LINE.fullmatch(line):
            raise Broken("line %d of %s is %r" % (number, path, line[:80]))
    return lines


def check_numbers(acknowledged):
    """No number was given twice."""
    seen = {}
    for number, text in acknowledged:
        if seen.setdefault(number, text) is not text:
            raise Broken("number %d was given twice: %r and %r" % (number, seen[number], text))


def lost(acknowledged, lines):
    """The acknowledged visits whose line is not where their number says."""
    return [(number, text) for number, text in acknowledged
            if not 1 <= number <= len(lines) or lines[number - 1] != text]


def check_kept(acknowledged, lines):
    missing = lost(acknowledged, lines)
    if missing:
        number, text = missing[0]
        found = lines[number - 1] if 1 <= number <= len(lines) else "no line"
        raise Broken("%d of %d acknowledged visits are lost; visit %d was acknowledged with %r, and the file has %r"
                     % (len(missing), len(acknowledged), number, text, found))


# Options that spread visitor.py's connections over the workers, at the price of many more connections.
SPREAD = ["--visits-per-connection", "5"]


class Spread:
    """Counts the loads under which several workers were busy. If one takes all connections, nothing is tested."""

    def __init__(self):
        self.loads = self.several = 0

    def note(self, server):
        self.loads += 1
        self.several += server.busy_workers() > 1

    def check(self):
        if 4 * self.several < self.loads:
            raise Broken("under %d of %d loads only was more than one worker busy" % (self.several, self.loads))


# The log begins after a hole: a limit on the size of visits.txt must refuse a line of the log, and not shorten it.
LOG_START = 1 << 20


class Server:
    """web-app in the background, on free ports of the loopback. FRONT goes before the command."""

    def __init__(self, program, data, log, options=(), front=(), host="127.0.0.1"):
        self.log_path = log
        with open(log, "wb") as sink:
            sink.seek(LOG_START)
            self.process = subprocess.Popen(
                [*front, program, "serve", "--listen", host + ":0", "--admin-listen", host + ":0",
                 "--data-dir", data, *options],
                stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)

    def is_ready(self):
        """What /readyz says, or None if nothing responds."""
        try:
            with urllib.request.urlopen("http://%s/readyz" % self.admin, timeout=20):
                return True
        except urllib.error.HTTPError:
            return False
        except (OSError, AttributeError):
            return None

    def log(self):
        with open(self.log_path, "rb") as file:
            file.seek(LOG_START)
            return file.read().decode(errors="replace")

    def busy_workers(self):
        """How many workers have waited at least 6 times; an idle thread has waited twice. One of the threads that have
        is the committer, even where it does not exist: better too few than too many."""
        busy, tasks = 0, "/proc/%d/task" % self.process.pid
        for thread in os.listdir(tasks):
            with open("%s/%s/status" % (tasks, thread), encoding="ascii") as status:
                waits = re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status.read(), re.MULTILINE)
            busy += int(thread) != self.process.pid and int(waits[1]) >= 6
        return busy - 1

    def wait_serving(self, seconds=20):
        """Sets address, admin and count from the start-up line; False if it ended before that."""
        def has_started():
            ended = self.process.poll() is not None
            self.start_line = SERVING.search(self.log())
            return self.start_line or ended
        try:
            wait_for("it served or ended", has_started, seconds, 0.002)
        except Broken as broken:
            raise Broken("%s: %s" % (broken, self.log())) from None
        if self.start_line:
            self.address, self.admin, self.count = self.start_line[1], self.start_line[2], int(self.start_line[3])
        return bool(self.start_line)

    def end(self, number):
        """Sends the signal NUMBER and returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=30)
