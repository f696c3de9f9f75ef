#!/usr/bin/env python3
"""Judge the same visits with `web-app prove --check` and with ledger.py, which know nothing of each other.

    agree.py PROGRAM LEDGER OUT FILE

LEDGER is one of `prove`, OUT one of visitor.py, and FILE has the lines of the one pod that both visited. Each judges both:
ledger.py the visits of LEDGER too, and the checker a ledger that is made of OUT. Prints for either the numbers of the
visits that are not on their lines by ledger.py; and by prove how many these are, and which of them are nowhere:

    prove 51234 visits, wrong [], by prove 0 []
    visitor 61234 visits, wrong [17, 18], by prove 2 [17]

and exits with 1 if the two disagree.
"""

import json
import subprocess
import sys

import audit
import ledger


def write_ledger(path, pod, visits):
    """A ledger of prove in which these visits are acknowledged in the order of their times, one at a time."""
    rows = ["web-app ledger\t1", "run\t1\ttest", "lane\t1\t0\tnew\thttp://web/"]
    for visit, (number, time) in enumerate(sorted(visits, key=lambda visit: visit[1])):
        now = 1000 * (visit + 1)
        rows.append("sent\t%d\t%d\t0" % (now, visit))
        rows.append("acknowledged\t%d\t%d\t0\t%s\t%d\t%s\t500" % (now + 500, visit, pod, number, time))
    with open(path, "w", encoding="ascii") as file:
        file.write("".join(row + "\n" for row in rows))


def judged_by_prover(program, path, pod, file):
    """(exit code, how many visits are not on their lines, their numbers as intervals)."""
    done = subprocess.run([program, "prove", "--check", path, "--file", "%s=%s" % (pod, file), "--json", path + ".json",
                           "--grace", "0ms"], capture_output=True, text=True, timeout=60, check=False)
    with open(path + ".json", encoding="ascii") as report:
        found = json.load(report)["pods"][0]
    return done.returncode, found["lost"] + found["moved"], found["lost_numbers"]


def main():
    program, path, out, file = sys.argv[1:]
    lines = ledger.read_lines(file, whole=False)
    (pod, visits), = audit.read_ledger(path)[0].items()
    noted = [(number, time.decode()) for number, time in ledger.read_acknowledged(out)]
    write_ledger("visitor.ledger", pod, noted)
    disagreed, said = False, []
    for name, one, rows in (("prove", path, visits), ("visitor", "visitor.ledger", noted)):
        rows = [(number, time.encode()) for number, time in rows]
        ledger.check_numbers(rows)
        wrong = sorted(number for number, _ in ledger.lost(rows, lines))
        code, count, intervals = judged_by_prover(program, one, pod, file)
        numbers = [number for first, last in intervals for number in range(first, last + 1)]
        disagreed |= count != len(wrong) or not set(numbers) <= set(wrong) or code != (3 if wrong else 0)
        said.append("%s %d visits, wrong %r, by prove %d %r" % (name, len(rows), wrong, count, numbers))
    print("\n".join(said))
    return 1 if disagreed else 0


if __name__ == "__main__":
    sys.exit(main())
