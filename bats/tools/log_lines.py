#!/usr/bin/env python3
"""Compares README's table of the lines that `serve` can log with the format strings in its sources.

usage: log_lines.py APP README

The table's second column has each line between backquotes, with a word in capitals for each conversion. Its first column
must have the level of the function that logs the line. Prints each format string without a line in the table, each line
without a format string and each wrong level, and fails if there are any."""

import re
import sys
from pathlib import Path

LEVELS = {"inform": "info", "warn": "warning", "alert": "error", "die": "error"}
OTHER_VERBS = {"list.c", "main.c", "prove.c"}
# These write a message that is given to die() as it is.
MESSAGES = ["options.c", "site/server.c"]
PASSED_ON = '"%s",message'

TOKEN = re.compile(r'/\*.*?\*/|\s+|("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|\w+|.)', re.S)
CONVERSION = re.compile(r"%(?:\.\*)?(?:ll)?[a-z]")
PLACEHOLDER = "[A-Z]+"


def tokens(path):
    return [token for token in TOKEN.findall(path.read_text(encoding="utf-8")) if token]


def calls(words, names):
    """Yields the name and the arguments, each a list of tokens, of every call of one of these functions."""
    for start, name in enumerate(words):
        if name not in names or words[start + 1] != "(" or words[start - 1] == "void":
            continue
        depth, arguments = 1, [[]]
        for token in words[start + 2:]:
            depth += (token == "(") - (token == ")")
            if depth == 0:
                break
            if token == "," and depth == 1:
                arguments.append([])
            else:
                arguments[-1].append(token)
        yield name, arguments


def literal(argument, macros):
    pieces = [macros.get(token, token) for token in argument]
    if not all(piece.startswith('"') for piece in pieces):
        sys.exit("log_lines: this format is not a literal: %s" % " ".join(argument))
    return "".join(piece[1:-1] for piece in pieces).replace('\\"', '"')


def formats(app):
    """The format strings, and the level of each."""
    headers = "".join(path.read_text(encoding="utf-8") for path in app.rglob("*.h"))
    macros = dict(re.findall(r'^#define (\w+) ("[^"\n]*")$', headers, re.M))
    found = {}
    for path in app.glob("*.c"):
        if path.name in OTHER_VERBS:
            continue
        for name, arguments in calls(tokens(path), LEVELS):
            given = arguments[1:] if name == "die" else arguments
            if ",".join("".join(argument) for argument in given) != PASSED_ON:
                found[literal(given[0], macros)] = LEVELS[name]
    for name, level in [(name, "error") for name in MESSAGES] + [("die.c", "warning")]:
        for _, arguments in calls(tokens(app / name), {"complain", "snprintf"}):
            if arguments[0] == ["message"]:
                found[literal(arguments[2], macros)] = level
    return found


def lines(readme):
    """The lines of the table, and the level of each."""
    table = readme.read_text(encoding="utf-8").split("<!-- log -->")[1].split("<!-- /log -->")[0]
    rows = [row.split("|") for row in table.splitlines() if row.startswith("| ")]
    return [(line, row[1].strip()) for row in rows for line in re.findall("`([^`]+)`", row[2])]


def is_of(line, pattern):
    return re.fullmatch(PLACEHOLDER.join(re.escape(part) for part in CONVERSION.split(pattern)), line) is not None


def main():
    logged, table, wrong = formats(Path(sys.argv[1])), lines(Path(sys.argv[2])), []
    for pattern, level in logged.items():
        levels = [given for line, given in table if is_of(line, pattern)]
        if not levels:
            wrong.append("is not in the table: %s" % pattern)
        elif len(levels) > 1:
            wrong.append("is in the table more than once: %s" % pattern)
        elif levels != [level]:
            wrong.append("is of level %s, and not %s: %s" % (level, levels[0], pattern))
    wrong += ["is logged nowhere: %s" % line for line, _ in table if not any(is_of(line, one) for one in logged)]
    print("\n".join(wrong or ["%d lines" % len(logged)]))
    return len(wrong) > 0


sys.exit(main())
