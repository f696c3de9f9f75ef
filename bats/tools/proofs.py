#!/usr/bin/env python3
"""Run `web-app prove --check` on planted ledgers and files, as the statements on stdin say.

    proofs.py PROGRAM

works in the current directory. The statements, one a line:

    plant [STATEMENT, ...]       as planted.py plants it; without, what is whole: 20 lines of long ago, the baseline at 23
                                 lines, and 33 acknowledged visits with --sync=always, the last with number 53
    edit FILE SCRIPT             changes FILE as sed does
    only POD...                  the files of these pods are given, until the next `plant`
    gives CODE [OPTION...] : REGEX
                                 the checker ends with CODE, its last line matches, nothing is on stderr, and audit.py
                                 agrees with the report
    pod NAME=JSON ...            the report has these members for its first pod
    is FILTER                    jq's FILTER of the report is true
    complains CODE [OPTION...] : REGEX
                                 the checker ends with CODE and nothing but one line on stderr, which matches
    torn                         whatever prefix of the ledger the checker gets, it proves less, or nothing: it ends with
                                 0 or 1, and with 0 if only the last line is torn

It exits with 1 after the first statement that does not hold, and prints it with its reason.
"""

import json
import re
import subprocess
import sys

import audit
import planted

WHOLE = "history 20, server always, visits 3, baseline, visits 30"


class Wrong(Exception):
    """A statement does not hold."""


def demand(condition, *reasons):
    if not condition:
        raise Wrong("\n".join(map(str, reasons)))


class Proofs:
    def __init__(self, program):
        self.program = program
        self.pods = []
        self.report = {}

    def run(self, options):
        files = ["--file=%s=%s.txt" % (pod, pod) for pod in self.pods]
        return subprocess.run([self.program, "prove", "--check", "ledger", *files, *options],
                              capture_output=True, text=True, timeout=20, check=False)

    def do_plant(self, text):
        self.pods = planted.plant((text or WHOLE).split(", "))

    def do_edit(self, text):
        path, script = text.split(" ", 1)
        subprocess.run(["sed", "-i", script, path], timeout=20, check=True)

    def do_only(self, text):
        self.pods = text.split()

    def do_gives(self, text):
        words, pattern = text.split(" : ", 1)
        code, *options = words.split()
        done = self.run(["--json", "report.json", *options])
        last = done.stdout.rstrip("\n").rpartition("\n")[2]
        output = "%s%s" % (done.stdout, done.stderr)
        demand(done.returncode == int(code), "the exit code is %d" % done.returncode, output)
        demand(re.search(pattern, last), output)
        demand(done.stderr == "", output)
        counts = audit.audit("ledger", "report.json", int(code), {pod: pod + ".txt" for pod in self.pods})
        demand(not audit.wrong, output, *audit.wrong, counts)
        with open("report.json", encoding="ascii") as file:
            self.report = json.load(file)
        demand(self.report["summary"] == last, output, self.report["summary"])

    def do_pod(self, text):
        for member in re.findall(r"\w+=(?:\"[^\"]*\"|\S+)", text):
            name, value = member.split("=", 1)
            demand(self.report["pods"][0][name] == json.loads(value), "%s is %r" % (name, self.report["pods"][0][name]))

    def do_is(self, text):
        subprocess.run(["jq", "-e", text, "report.json"], stdout=subprocess.DEVNULL, timeout=20, check=True)

    def do_complains(self, text):
        words, pattern = text.split(" : ", 1)
        code, *options = words.split()
        done = self.run(options)
        output = "exit code %d\n%s%s" % (done.returncode, done.stdout, done.stderr)
        demand(done.returncode == int(code) and done.stdout == "" and done.stderr.count("\n") == 1, output)
        demand(re.match("web-app: " + pattern, done.stderr), output)

    def do_torn(self, _text):
        with open("ledger", "rb") as file:
            whole = file.read()
        last = whole[:-1].rindex(b"\n") + 1
        for length in [*range(0, last, 41), *range(last, len(whole))]:
            with open("ledger", "wb") as file:
                file.write(whole[:length])
            done = self.run([])
            demand(done.returncode in ((0,) if length >= last else (0, 1)),
                   "the first %d bytes give exit code %d" % (length, done.returncode), done.stdout, done.stderr)


def main():
    proofs = Proofs(sys.argv[1])
    for number, line in enumerate(sys.stdin, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, _, text = line.partition(" ")
        try:
            getattr(proofs, "do_" + name)(text)
        except (Wrong, subprocess.SubprocessError) as error:
            print("line %d: %s\n%s" % (number, line, error))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
