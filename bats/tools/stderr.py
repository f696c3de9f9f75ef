#!/usr/bin/env python3
"""Runs a command whose stderr is read by a process that can be told to stop.

usage: stderr.py pipe|socket|terminal READER COMMAND [ARGUMENT...]

The command keeps the process id of this one, and has its stdout. The reader is a child, whose id goes to the file READER.
It copies the command's stderr to that same stdout. On SIGUSR1 it stops reading and fills what is between the two until
nothing more fits, or types ^S into the terminal. On SIGUSR2 it reads again. On SIGHUP it closes its end and ends. Then
it writes `stopped`, `reading` or `closed` to READER.state."""

import fcntl
import os
import pty
import select
import signal
import socket
import sys
import termios

FILLER = b"\0"  # is not copied
SIGNALS = {signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP}


def note(path, text):
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(text)
    os.rename(path + ".new", path)


def make(kind):
    """Returns the reader's descriptor, the command's, and what fills the space between them."""
    if kind == "pipe":
        ours, theirs = os.pipe()
        # An open file description of its own, so that O_NONBLOCK is not the command's too.
        full = os.open("/proc/self/fd/%d" % theirs, os.O_WRONLY | os.O_NONBLOCK)
        return ours, theirs, lambda size: os.write(full, size * FILLER)
    if kind == "socket":
        ours, theirs = socket.socketpair()
        full = theirs.dup()
        return ours.detach(), theirs.detach(), lambda size: full.send(size * FILLER, socket.MSG_DONTWAIT)
    ours, theirs = pty.openpty()
    return ours, theirs, None


def fill(descriptor, write):
    if not write:
        os.write(descriptor, b"\x13")  # ^S
        return
    for size in (4096, 1):
        try:
            while True:
                write(size)
        except BlockingIOError:
            pass


def read(descriptor, write, name):
    reading = True
    wakeup, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    for one in SIGNALS:
        signal.signal(one, lambda *_: None)
    note(name, str(os.getpid()))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    while True:
        ready, _, _ = select.select([wakeup] + [descriptor] * reading, [], [])
        if wakeup in ready:
            received = os.read(wakeup, 1)[0]
            if received == signal.SIGHUP:
                os.close(descriptor)
                note(name + ".state", "closed")
                return
            reading = received == signal.SIGUSR2
            if not reading:
                fill(descriptor, write)
            elif not write:
                os.write(descriptor, b"\x11")  # ^Q
            note(name + ".state", "reading" if reading else "stopped")
        elif descriptor in ready:
            try:
                data = os.read(descriptor, 65536)
            except OSError:  # a terminal that the command has closed
                return
            if not data:
                return
            os.write(1, data.replace(FILLER, b"").replace(b"\r\n", b"\n"))


def main():
    kind, name, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    ours, theirs, write = make(kind)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if os.fork() == 0:
        os.setsid()
        os.close(theirs)
        os.close(2)
        read(ours, write, name)
        os._exit(0)
    if kind == "terminal":  # the controlling one, as for a program that was started in it
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
    os.dup2(theirs, 2)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    os.execvp(command[0], command)


main()
