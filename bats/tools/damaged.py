#!/usr/bin/env python3
"""Check random ledgers against randomly damaged files with `web-app prove --check`, and count each result anew.

    damaged.py --program P --rounds N [--seed S]

Works in the current directory, with planted.py and audit.py. With --sync=always, the exit code is 3 if and only if a
visit is not on its line, a line is there twice, a number went back, or the lines of the baseline have changed. Prints

    seed 4711 rounds 150 proven 60 lost 85 not proven 5

or the first wrong round, which leaves its files behind, and exits with 1.
"""

import argparse
import random
import subprocess
import sys

import audit
import planted

STATEMENTS = ("visits 1", "visits 7", "visits 20", "visits 40", "together 5", "unknown 2", "unknown 2 recorded",
              "refused 2", "refused 1 recorded", "unsent 3", "missed 2", "nobody 2", "server always", "pass 30",
              "pass 700", "run", "clock 60", "zone -210")
RARE = ("clash", "forget 1", "forget 9", "forget all")


def describe(rng):
    """Statements, of which the rare ones lose something."""
    statements = ["history %d" % rng.choice((0, 1, 5, 40)), "server always", "visits %d" % rng.choice((0, 1, 3))]
    statements += rng.choice((["baseline"], []))
    for _ in range(rng.randrange(1, 10)):
        statements.append(rng.choice(STATEMENTS))
        if rng.random() < 0.04:
            statements.append(rng.choice(RARE))
    return statements


def delete(rng, lines):
    at = rng.randrange(len(lines))
    del lines[at:at + rng.choice((1, 3))]


def swap(rng, lines):
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]


def double(rng, lines):
    lines.insert(rng.randrange(len(lines)), rng.choice(lines))


def change(rng, lines):
    at = rng.randrange(len(lines))
    column = rng.randrange(len(lines[at]))
    lines[at] = lines[at][:column] + rng.choice("019:x\t") + lines[at][column + 1:]


def cut(rng, lines):
    del lines[rng.randrange(len(lines)):]


def nothing(_rng, _lines):
    pass


DAMAGES = (nothing, nothing, nothing, delete, swap, double, change, cut)


def went_back(ledger):
    """A number that was not above one that had been acknowledged before it was sent."""
    highest_before, highest = {}, 0
    for line in ledger[1:]:
        kind, *fields = line.split("\t")
        if kind == "sent":
            highest_before[fields[1]] = highest
        elif kind == "acknowledged":
            number = int(fields[4])
            if number <= highest_before[fields[1]]:
                return True
            highest = max(highest, number)
    return False


def expected(planter, visits, baseline, lines):
    found, _moved, _lost, copies = audit.compare(visits, lines)
    # Visits that were damaged in the baseline's lines are lost; other lines of it are history.
    if (found < len(visits) or copies or went_back(planter.ledger)
            or (baseline is not None and lines[:len(baseline)] != baseline)):
        return 3
    lanes = {line.split("\t")[3] for line in planter.ledger if line.startswith("acknowledged")}
    return 0 if len(lanes) == 2 else 1


def one_round(options, rng):
    """Returns the exit code, or raises AssertionError with what is wrong. None: there is nothing to compare: no visit, or
    a tab in the first line, which is taken for numbered lines."""
    planter, baseline = planted.Planter(), None
    statements = describe(rng)
    for statement in statements:
        planter.do(statement)
        if statement == "baseline":
            baseline = list(planter.pod.lines)
    lines = list(planter.pod.lines)
    damage = rng.choice(DAMAGES)
    if lines:
        damage(rng, lines)
    with open("ledger", "w", encoding="ascii") as file:
        file.write("".join(line + "\n" for line in planter.ledger))
    with open("web-0.txt", "w", encoding="ascii", newline="\n") as file:
        file.write("".join(line + "\n" for line in lines))
    visits = audit.read_ledger("ledger")[0]["web-0"]
    if not visits or "\t" in "".join(lines[:1]):
        return None
    wanted = expected(planter, visits, baseline, lines)
    done = subprocess.run([options.program, "prove", "--check", "ledger", "--file", "web-0=web-0.txt", "--json",
                           "report.json"], capture_output=True, text=True, timeout=20, check=False)
    what = "%s, then %s: exit code %d, and %d is right\n%s%s" % (
        ", ".join(statements), damage.__name__, done.returncode, wanted, done.stdout, done.stderr)
    assert done.returncode == wanted, what
    audit.audit("ledger", "report.json", wanted, {"web-0": "web-0.txt"})
    assert not audit.wrong, what + "\n".join(audit.wrong)
    return wanted


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    rng = random.Random(options.seed)
    counts = {0: 0, 1: 0, 3: 0, None: 0}
    for number in range(options.rounds):
        try:
            counts[one_round(options, rng)] += 1
        except AssertionError as error:
            print("seed %d round %d: %s" % (options.seed, number + 1, error))
            return 1
    print("seed %d rounds %d proven %d lost %d not proven %d"
          % (options.seed, options.rounds, counts[0], counts[3], counts[1]))
    return 0 if counts[0] and counts[3] else 1


if __name__ == "__main__":
    sys.exit(main())
