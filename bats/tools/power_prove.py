#!/usr/bin/env python3
"""Cut the power of a disk while `web-app prove` visits, and let it judge what the disk then has.

    power_prove.py --program P --work W --file-system ext4|xfs|btrfs --cuts N --sync MODE

The disk is that of power.py. Before each cut the ledger is copied: it is outside the fault. At the end each copy of the
disk is mounted, the program started on it, and `prove --check` compares it with the copy of the ledger: once with
--grace 0ms, and once with the grace of the mode. Prints both exit codes of each cut, and the visits that were lost:

    ext4 sync none: 3/0 412 lost, 3/0 530 lost

Exits with 1 if the program did not do what it must; what the codes should be, the test knows.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys

import ledger
import power
import volumes


def count_acknowledged(path):
    try:
        with open(path, "rb") as file:
            return sum(line.startswith(b"acknowledged\t") for line in file)
    except FileNotFoundError:
        return 0


def cut_under_prove(disk, options):
    """Returns [(copy of the disk, copy of the ledger)]."""
    path, cuts = os.path.join(options.work, "ledger"), []
    server = ledger.Server(options.program, os.path.join(disk.mounted, "data"), os.path.join(options.work, "log"),
                           ["--sync", options.sync])
    prover = None
    try:
        if not server.wait_serving():
            raise ledger.Broken("it does not start: " + server.log())
        prover = subprocess.Popen([options.program, "prove", "--ledger", path, "--rate", "200", "--wait", "10s",
                                   "http://%s/" % server.address],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for number in range(options.cuts):
            wanted = count_acknowledged(path) + 200
            ledger.wait_for("200 visits were acknowledged", lambda: count_acknowledged(path) >= wanted or prover.poll() is not None, seconds=60)
            if prover.poll() is not None:
                raise ledger.Broken("the prover ended with %d" % prover.returncode)
            copy = "%s.%d" % (path, number)
            shutil.copyfile(path, copy)
            cuts.append((disk.cut(number), copy))
    finally:
        server.end(signal.SIGKILL)
        if prover:
            prover.kill()
            prover.wait(timeout=30)
    return cuts


def check(options, server, path, grace):
    """Returns the exit code and how many visits are lost."""
    report = path + ".json"
    done = subprocess.run([options.program, "prove", "--check", path, "--json", report, "--wait", "30s", *grace,
                           "http://%s/" % server.address], capture_output=True, text=True, timeout=60, check=False)
    if not os.path.exists(report):
        raise ledger.Broken("no report: %s%s" % (done.stdout, done.stderr))
    with open(report, encoding="ascii") as file:
        pod = json.load(file)["pods"][0]
    if done.returncode not in (0, 3) or not pod["read"]:
        raise ledger.Broken(done.stdout + done.stderr)
    os.unlink(report)
    return done.returncode, pod["lost"] + pod["lost_within_grace"]


def judge(options, disk, path):
    server = ledger.Server(options.program, os.path.join(disk.mounted, "data"), os.path.join(options.work, "log"),
                           ["--sync", options.sync])
    try:
        if not server.wait_serving():
            raise ledger.Broken("it does not start on a cut disk: " + server.log())
        without, lost = check(options, server, path, ["--grace", "0ms"])
        return "%d/%d %d lost" % (without, check(options, server, path, [])[0], lost)
    finally:
        server.end(signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--work", required=True, help="an existing, empty directory")
    parser.add_argument("--file-system", choices=sorted(volumes.MAKE), required=True)
    parser.add_argument("--cuts", type=int, required=True)
    parser.add_argument("--sync", required=True)
    options = parser.parse_args()
    options.work = os.path.realpath(options.work)
    said = []
    try:
        disk = power.Disk(options)
        cuts = cut_under_prove(disk, options)
        disk.unmount()
        for path, copy in cuts:
            disk.mount_cut(path)
            try:
                said.append(judge(options, disk, copy))
            finally:
                disk.unmount()
            os.unlink(path)
    except ledger.Broken as error:
        print("%s sync %s: %s" % (options.file_system, options.sync, error))
        return 1
    finally:
        volumes.unmount_all(options.work)
    print("%s sync %s: %s" % (options.file_system, options.sync, ", ".join(said)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
