"""File systems of a test's own; they need root."""

import subprocess

import ledger

MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}


def run(*argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ledger.Broken("%s: %s" % (" ".join(argv), (done.stderr or done.stdout).strip()))


def unmount(path, seconds=20):
    """Retries: a FUSE server, or a program that scans all loop devices, may keep it busy for a moment."""
    ledger.wait_for("%s could be unmounted" % path, lambda: subprocess.run(
        ["umount", path], check=False, capture_output=True).returncode == 0, seconds)


def unmount_all(work):
    """Unmounts everything below WORK, the innermost first."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        paths = [row.split()[4] for row in file]
    for path in reversed([path for path in paths if path.startswith(work + "/")]):
        try:
            unmount(path)
        except ledger.Broken:
            subprocess.run(["umount", "--lazy", path], check=False)
