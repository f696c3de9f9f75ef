#!/usr/bin/env python3
"""Write files of visits for the tests of /visits, and count what a page shows.

    history.py year|burst COUNT    COUNT visits, evenly in a year; or in three days, a third of them in an hour
    history.py days                visits of three days up to now, fewer at night
    history.py back                700 visits, after 300 by a clock that was half a year ahead
    history.py summer              240 visits an hour apart, in Berlin as summer time begins
    history.py winter              600 visits a minute apart, in Berlin as summer time ends
    history.py bars                reads a page; prints how many visits its bars have in all
"""

import math
import re
import sys
import time

MOSCOW = 3 * 3600
SUMMER = 1774746000  # 2026-03-29 01:00 UTC
WINTER = 1792890000  # 2026-10-25 01:00 UTC


def line(instant, offset=MOSCOW):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(instant + offset)) + ".000000+%02d:00\n" % (offset // 3600)


def hours(start, counts):
    """The lines of whole hours from START on; COUNTS has the number in each."""
    for index, count in enumerate(counts):
        hour = line(start + 3600 * index)[:13]
        yield "".join("%s:%02d:%02d.%06d+03:00\n" % (hour, i * 60 // count, i * 3600 // count % 60,
                                                     i * 3600000000 // count % 1000000) for i in range(count))


def spread(count, parts):
    return [count * (i + 1) // parts - count * i // parts for i in range(parts)]


def main():
    kind = sys.argv[1]
    if kind == "year":
        sys.stdout.writelines(hours(1700000000 // 3600 * 3600, spread(int(sys.argv[2]), 8760)))
    elif kind == "burst":
        counts = spread(int(sys.argv[2]) * 2 // 3, 72)
        counts[40] += int(sys.argv[2]) - sum(counts)
        sys.stdout.writelines(hours(1700000000 // 3600 * 3600, counts))
    elif kind == "days":
        now = int(time.time())
        start = now - now % 3600 - 71 * 3600
        counts = [30 + round(90 * max(0, math.sin((start // 3600 + i - 3) % 24 / 12 * math.pi))) + i * 37 % 23 for i in range(72)]
        counts[44] = 412
        sys.stdout.writelines(text for text in "".join(hours(start, counts)).splitlines(True) if text < line(now))
    elif kind == "back":
        sys.stdout.writelines(line(1700000000 + 86400 * 180 + 60 * i) for i in range(300))
        sys.stdout.writelines(line(1700000000 + 100 * i) for i in range(700))
    elif kind == "summer":
        instants = [SUMMER - 86400 * 5 + 3600 * i for i in range(240)]
        sys.stdout.writelines(line(at, 3600 if at < SUMMER else 7200) for at in instants)
    elif kind == "winter":
        instants = [WINTER - 300 * 60 + 60 * i for i in range(600)]
        sys.stdout.writelines(line(at, 7200 if at < WINTER else 3600) for at in instants)
    else:
        titles = re.findall(r"<title>[-\d]{10} [:\d]{8}: ([\d,]+)</title>", sys.stdin.read())
        print(sum(int(title.replace(",", "")) for title in titles))


if __name__ == "__main__":
    main()
