#!/usr/bin/env python3
"""Checks a log of `serve --log-format=json`.

usage: json_log.py LOG SINCE

Each line must be a JSON object of up to 1024 bytes, in UTF-8 and without control characters, with a time from SINCE, in
Unix time, until now, a level and a message. Prints `LEVEL MESSAGE` for each, with the message escaped in ASCII."""

import json
import re
import sys
import time
from datetime import datetime, timezone

LINE_MAX = 1024
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def parsed(line, since):
    """The object; raises ValueError if the line is anything else."""
    if len(line) + 1 > LINE_MAX or re.search(rb"[\0-\x1f\x7f]", line):
        raise ValueError("too long, or has a control character")
    found = json.loads(line.decode("utf-8"))
    if list(found) != ["time", "level", "message"] or found["level"] not in ("info", "warning", "error"):
        raise ValueError("has other members")
    if not TIME.fullmatch(found["time"]):
        raise ValueError("has another form of time")
    moment = datetime.strptime(found["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc).timestamp()
    # Python keeps microseconds; the program's time is truncated to them.
    if not since - 1e-5 <= moment <= time.time():
        raise ValueError("has a wrong time")
    return found


def main():
    with open(sys.argv[1], "rb") as file:
        lines = file.read().split(b"\n")
    if lines.pop() != b"":
        sys.exit("json_log: the last line has no end")
    for line in lines:
        try:
            found = parsed(line, float(sys.argv[2]))
        except ValueError as fault:
            sys.exit("json_log: %s: %r" % (fault, line))
        print(found["level"], json.dumps(found["message"])[1:-1].replace("\x7f", "\\u007f"))


main()
