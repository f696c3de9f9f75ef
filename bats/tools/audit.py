#!/usr/bin/env python3
"""Check a report of `web-app prove --json` against its ledger and the files, which are read here anew.

    audit.py LEDGER REPORT EXIT-CODE [POD=FILE...]

The sums must add up; each visit of the ledger must be counted as found on its line, moved to another, or lost, as the
file of its pod says; each line of a file must be counted once; the numbers of the lost visits must be the right
intervals, and the verdict must be that of the exit code. Prints

    acknowledged 33 lost 1 lines 53

or each thing that is wrong, and exits with 1. A ledger's last line counts only with its newline.
"""

import collections
import json
import sys

VERDICTS = {0: "proven", 1: "not proven", 3: "lost", 4: "over budget"}
WORDS = {"proven": "PROVEN: ", "not proven": "NOT PROVEN: ", "lost": "LOST: ", "over budget": "OVER BUDGET: "}
OUTCOMES = ("acknowledged", "refused", "unknown")
wrong = []


def demand(what, got, wanted):
    if got != wanted:
        wrong.append("%s: the report has %r, and %r is right" % (what, got, wanted))


def read_ledger(path):
    """Returns the visits of each pod as [(number, time)], and the events of each lane by kind."""
    visits, lanes, in_flight = collections.defaultdict(list), {}, {}

    def end_run():
        for lane in in_flight.values():
            lanes[lane]["unknown"] += 1
        in_flight.clear()

    with open(path, encoding="ascii") as file:
        lines = file.read().split("\n")[1:-1]
    for line in lines:
        kind, *fields = line.split("\t")
        if kind == "run":
            end_run()
        elif kind == "lane":
            lanes.setdefault(fields[1], collections.Counter())
        elif kind == "sent":
            in_flight[fields[1]] = fields[2]
        elif kind in OUTCOMES:
            lanes[in_flight.pop(fields[1])][kind] += 1
            if kind == "acknowledged":
                visits[fields[3]].append((int(fields[4]), fields[5]))
        elif kind == "unsent":
            lanes[fields[1]][kind] += 1
        elif kind == "missed":
            lanes[fields[1]][kind] += int(fields[2])
    end_run()
    return visits, lanes


def read_lines(path):
    with open(path, encoding="latin-1", newline="\n") as file:
        return file.read().split("\n")[:-1]


def compare(visits, lines):
    """Returns (found, moved, numbers of the lost, copies). No time may be that of two visits."""
    times = {time for _, time in visits}
    assert len(times) == len(visits), "two acknowledged visits have the same time"
    on_line = {(number, time) for number, time in visits if number <= len(lines) and lines[number - 1] == time}
    copies = collections.Counter(line for number, line in enumerate(lines, 1)
                                 if line in times and (number, line) not in on_line)
    absent = [visit for visit in visits if visit not in on_line]
    lost = sorted(number for number, time in absent if copies[time] == 0)
    moved = len(absent) - len(lost)
    return len(on_line), moved, lost, sum(copies.values()) - moved


def check_intervals(name, intervals, lost, missing):
    """LOST of the MISSING numbers are in INTERVALS; the others are forgiven. They are in order and have gaps."""
    covered = [number for first, last in intervals for number in range(first, last + 1)]
    if any(first > last for first, last in intervals) or any(
            one[1] + 1 >= other[0] for one, other in zip(intervals, intervals[1:])):
        wrong.append("%s: %r are no intervals in order" % (name, intervals))
    if not set(covered) <= set(missing):
        wrong.append("%s: %r have numbers that are not lost" % (name, intervals))
    if lost == len(missing):
        demand(name + ": lost_numbers", covered, sorted(set(missing)))
    if not len(covered) <= lost <= len(missing):
        wrong.append("%s: %d numbers are named of %d lost visits" % (name, len(covered), lost))


def check_pod(pod, visits, lines):
    name = pod["name"]
    found, moved, missing, copies = compare(visits, lines)
    demand(name + ": acknowledged", pod["acknowledged"], len(visits))
    demand(name + ": found", pod["found"], found)
    demand(name + ": moved", pod["moved"], moved)
    demand(name + ": lost and lost_within_grace", pod["lost"] + pod["lost_within_grace"], len(missing))
    demand(name + ": holes and tail", pod["holes"] + pod["tail"], len(missing))
    demand(name + ": lines", pod["lines"], len(lines))
    demand(name + ": the sum of the lines",
           sum(pod[part] for part in ("found", "moved", "twice", "unknown_recorded", "refused_recorded", "before",
                                      "nobodys")), len(lines))
    if pod["twice"] not in (0, copies):
        wrong.append("%s: twice is %d of %d" % (name, pod["twice"], copies))
    check_intervals(name, pod["lost_numbers"], pod["lost"], missing)
    return len(missing)


def check_lane(lane, counts):
    name = "%s over %s connections" % (lane["url"], lane["connections"])
    for kind in (*OUTCOMES, "unsent", "missed"):
        demand("%s: %s" % (name, kind), lane[kind], counts[kind])
    demand(name + ": due", lane["due"], sum(counts.values()))
    latencies = [lane[part] for part in ("p50_us", "p90_us", "p99_us", "p999_us", "max_us")]
    demand(name + ": the latencies", latencies, sorted(latencies))


def audit(ledger, report_path, exit_code, files):
    """Returns (acknowledged, lost, lines), and what is wrong in `wrong`. FILES: pod -> path."""
    wrong.clear()
    with open(report_path, encoding="ascii") as file:
        report = json.load(file)
    visits, lanes = read_ledger(ledger)
    lost = lines_read = 0
    demand("the verdict", report["verdict"], VERDICTS.get(exit_code))
    if not report["summary"].startswith(WORDS[report["verdict"]]):
        wrong.append("the summary of %s is %r" % (report["verdict"], report["summary"]))
    demand("the pods", sorted(pod["name"] for pod in report["pods"]), sorted(visits))
    demand("the pods read", sorted(pod["name"] for pod in report["pods"] if pod["read"]), sorted(set(files) & set(visits)))
    for pod in report["pods"]:
        if pod["name"] in files and pod["read"]:
            lines = read_lines(files[pod["name"]])
            lost += check_pod(pod, visits[pod["name"]], lines)
            lines_read += len(lines)
    demand("the number of lanes", len(report["targets"]), len(lanes))
    for lane, counts in zip(report["targets"], (lanes[key] for key in sorted(lanes, key=int))):
        check_lane(lane, counts)
    return sum(map(len, visits.values())), lost, lines_read


def main():
    ledger, report, exit_code, *files = sys.argv[1:]
    counts = audit(ledger, report, int(exit_code), dict(argument.split("=", 1) for argument in files))
    for line in wrong:
        print(line)
    print("acknowledged %d lost %d lines %d" % counts)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
