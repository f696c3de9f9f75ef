#!/usr/bin/env python3
"""Compare the time zones of a program with the standards.

    zones.py strings TIMESTAMPS
    zones.py files TIMESTAMPS DIRECTORY

TIMESTAMPS is the program made from bats/tools/timestamps.c. strings: TZ strings of POSIX.1-2017, 8.3, from a table and
as many random ones, compared with an evaluation of their rules in this file. files: each compiled zone below DIRECTORY,
compared with Python's zoneinfo. Prints a line for each zone with a wrong timestamp, then how many zones were accepted
and refused.
"""

import bisect
import datetime
import os
import random
import re
import subprocess
import sys
import zoneinfo

DAY = 86400
SINCE = 946684800  # 2000-01-01
EPOCH = datetime.date(1970, 1, 1)
NAME = r"(?:<[A-Za-z0-9+-]{3,6}>|[A-Za-z]{3,6})"
ZONE = re.compile(r"%s([-+]?[0-9:]+)(?:%s([-+]?[0-9:]+)?(?:,([^,]+),([^,]+))?)?" % (NAME, NAME))

TABLE = """
UTC0 MSK-3 <+0330>-3:30 <-1030>+10:30 XYZ-23:59 XYZ23:59 XYZ24 XYZ-24:59 <ABCDEF>-1:00:00
<+0330>-3:30:30 LMT2:30:17 CET-1CEST CET-1CEST-2
EST5EDT,M3.2.0,M11.1.0 CET-1CEST,M3.5.0,M10.5.0/3 EST+5EDT+4,M3.2.0/+2,M11.1.0/+02:00:00
AEST-10AEDT,M10.1.0,M4.1.0/3 NZST-12NZDT,M9.5.0,M4.1.0/3 <-03>3<-02>,M10.3.0/0,M2.3.0/0
<+1030>-10:30<+11>-11,M10.1.0,M4.1.0 IST-1GMT0,M10.5.0,M3.5.0/1 WET0WEST-2,M3.5.0,M10.5.0
<-02>2<-01>,M3.5.0/-1,M10.5.0/0 EET-2EEST,M3.4.4/50,M10.4.4/50 <+12>-12<+13>,M11.2.0,M1.2.3/99
ABC3DEF,M3.2.0/-167,M11.1.0/167 ABC3DEF,M3.2.0/-0:30,M11.1.0/1:15:45 ABC-3DEF-5:30,J100/0,J200/24
ABC3DEF,J59,J300 ABC3DEF,J60,J300 ABC3DEF,J61/0,J300 ABC3DEF,58,300 ABC3DEF,59,300 ABC3DEF,60,J300 ABC3DEF,300,J60/0
ABC3DEF,M2.5.0,M11.5.6 ABC3DEF,M2.4.6/167,M11.1.0 ABC3DEF,M2.1.0/-167,M11.1.0
EST5EDT,0/0,J365/25 EST5EDT4,0/0,J365/25 XXX3EDT4,0/0,J365/23 ABC0DEF,0/0,J365/24
ABC-14DEF,J1,J100 ABC-12DEF,J1/14,J100 ABC12DEF,J100,J365/12:59 ABC12DEF,J100,J365/13 ABC12DEF,J365,J100
ABC0DEF,J1/0,J100 ABC0DEF,J100,J1/0 ABC0DEF,J1/0:00:01,J100 ABC3DEF,100,365 ABC3DEF,365,100 ABC3DEF,364,100
ABC3DEF,M1.1.0/-24,M6.1.0 ABC3DEF,M6.1.0,M12.5.6/24 ABC3DEF,M6.1.0,M12.5.6 ABC3DEF,M12.5.6/100,M6.1.0
ABC3DEF,M3.2.0,M3.2.1 ABC3DEF,M3.2.3,M3.2.1 ABC3DEF,J60,59/12 ABC3DEF,J100,J100 ABC3DEF-20,J100,J100/20
""".split()


def seconds(time):
    part = [int(number) for number in time.lstrip("+-").split(":")] + [0, 0]
    return (-1 if time[0] == "-" else 1) * (part[0] * 3600 + part[1] * 60 + part[2])


def is_leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_since_epoch(year, month=1, day=1):
    return (datetime.date(year, month, day) - EPOCH).days


def month_rule(year, month, week, weekday):
    """The day of the week'th such weekday, Sunday being 0; week 5 is the last."""
    first = days_since_epoch(year, month)
    end = days_since_epoch(year + month // 12, month % 12 + 1)
    days = [day for day in range(first, end) if (day + 4) % 7 == weekday]
    return days[-1] if week == 5 else days[week - 1]


def rule_time(rule, year):
    """The moment at which the rule applies in that year, in seconds of local time since 1970."""
    day, _, time = rule.partition("/")
    if day[0] == "M":
        days = month_rule(year, *map(int, day[1:].split(".")))
    elif day[0] == "J":
        # Day 60 is always 1 March.
        days = days_since_epoch(year) + int(day[1:]) - 1 + (is_leap(year) and int(day[1:]) >= 60)
    else:
        days = days_since_epoch(year) + int(day)
    return days * DAY + (seconds(time) if time else 7200)


class PosixZone:
    """A TZ string, as the standard has it."""

    def __init__(self, text):
        standard, daylight, start, end = ZONE.fullmatch(text).groups()
        self.changes = []
        self.standard = -seconds(standard)
        if start:
            offset = -seconds(daylight) if daylight else self.standard + 3600
            for year in range(1998, 2107):
                self.changes.append((rule_time(start, year) - self.standard, 1, offset))
                self.changes.append((rule_time(end, year) - offset, 0, self.standard))
            # If they coincide, the end of one year's daylight saving time comes before the start of the next one's
            # (RFC 9636, 3.3.1).
            self.changes.sort()
        self.times = [change[0] for change in self.changes]

    def offset(self, second):
        at = bisect.bisect_right(self.times, second)
        return self.changes[at - 1][2] if at else self.standard


class CompiledZone:
    """A file, as Python reads it."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.zone = zoneinfo.ZoneInfo.from_file(file)
        self.times = []

    def offset(self, second):
        moment = datetime.datetime.fromtimestamp(second, self.zone)
        return int(moment.utcoffset().total_seconds())


def moments(changes):
    """Around each change and each New Year, on both clocks; and in the middle of each month."""
    found = set()
    for year in [*range(2000, 2029), *range(2096, 2106)]:
        new_year = days_since_epoch(year) * DAY
        found.update(new_year + hour * 3600 + near for hour in range(-28, 29, 4) for near in (-1, 0, 1))
        found.update(days_since_epoch(year, month, 15) * DAY for month in range(1, 13))
    found.update(time + near for time in changes if time < 1861920000 for near in (-1, 0, 1))
    return sorted(second for second in found if second >= SINCE)


def timestamp(second, offset):
    local = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=second + offset)
    minutes, more = divmod(abs(offset), 60)
    text = "%s.000000%s%02d:%02d" % (local.isoformat(" "), "-" if offset < 0 else "+", minutes // 60, minutes % 60)
    return text + ":%02d, which no line can say" % more if more else text


def ask(program, name, zone):
    """Returns whether the program accepts the zone, and a message about its first wrong timestamp or None."""
    wanted = moments(zone.times)
    run = subprocess.run([program, name], input="\n".join(map(str, wanted)), capture_output=True, text=True,
                         timeout=60, check=True)
    lines = run.stdout.splitlines()
    if lines and lines[0].startswith("!"):
        return False, None
    for second, line in zip(wanted, lines):
        if line != timestamp(second, zone.offset(second)):
            return True, "%s of %s should be %s" % (line, name, timestamp(second, zone.offset(second)))
    return True, None if len(lines) == len(wanted) else "%s has %d timestamps only" % (name, len(lines))


def made_up(count):
    """TZ strings; always the same ones."""
    random.seed(9636)

    def offset():
        return random.choice(("", "-", "+")) + str(random.choice((0, 1, 5, 11, 14, 23))) + random.choice(("", ":30"))

    def rule():
        day = random.choice((0, 1, 7, 58, 59, 60, 61, 180, 358, 364, 365))
        month = "M%d.%d.%d" % (random.choice((1, 2, 3, 10, 11, 12)), random.randint(1, 5), random.randint(0, 6))
        time = random.choice(("", "/0", "/%d" % random.randint(-167, 167), "/%d:30" % random.randint(-30, 30)))
        return random.choice((month, month, "J%d" % max(day, 1), str(day))) + time

    for _ in range(count):
        yield "ABC%sDEF%s,%s,%s" % (offset(), random.choice(("", "", offset())), rule(), rule())


def zones_of(arguments):
    if arguments[0] == "strings":
        for text in [*TABLE, *made_up(len(TABLE))]:
            yield text, PosixZone(text)
    else:
        for directory, _, names in os.walk(arguments[2]):
            for path in sorted(os.path.join(directory, name) for name in names):
                with open(path, "rb") as file:
                    compiled = file.read(4) == b"TZif"
                if compiled:
                    yield os.path.relpath(path, arguments[2]), CompiledZone(path)


def main(arguments):
    accepted = refused = wrong = 0
    for name, zone in zones_of(arguments):
        taken, complaint = ask(arguments[1], name, zone)
        accepted += taken
        refused += not taken
        if complaint:
            wrong += 1
            print(complaint)
    print("accepted %d, refused %d, wrong %d" % (accepted, refused, wrong))
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
