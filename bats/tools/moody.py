#!/usr/bin/env python3
"""Mount files of a directory with inode numbers that never stay the same, as some FUSE and CIFS volumes do.

    moody.py BELOW MOUNT-POINT    prints `mounted`, and `stat` for each stat of the directory, until it is unmounted

It speaks the kernel's protocol on /dev/fuse (linux/fuse.h, version 7.31) for a directory of regular files. Each lookup
of a name makes a new inode, and each stat of an inode reports another number. All else is as it is in BELOW.
"""

import ctypes
import errno
import itertools
import os
import struct
import sys

(LOOKUP, FORGET, GETATTR, SETATTR, UNLINK, RENAME, OPEN, READ, WRITE, RELEASE, FSYNC, FLUSH, INIT, OPENDIR, RELEASEDIR,
 FSYNCDIR, CREATE, INTERRUPT, BATCH_FORGET, RENAME2) = (1, 2, 3, 4, 10, 12, 14, 15, 16, 18, 20, 25, 26, 27, 29, 30, 35, 36, 42, 45)
SET_MODE, SET_SIZE = 1, 8
ROOT = 1


def attributes(file):
    status = os.stat(file)
    times = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
    return struct.pack("<6Q10I", next(numbers), status.st_size, status.st_blocks, *(time // 10**9 for time in times),
                       *(time % 10**9 for time in times), status.st_mode, status.st_nlink, status.st_uid, status.st_gid,
                       0, 4096, 0)


def entry(name):
    node = next(numbers)
    nodes[node] = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=nodes[ROOT])
    return struct.pack("<4Q2I", node, 0, 0, 0, 0, 0) + attributes(nodes[node])


def get_attributes(node):
    if node == ROOT:
        print("stat", flush=True)
    return struct.pack("<Q2I", 0, 0, 0) + attributes(nodes[node])


def opened(file):
    return struct.pack("<Q2I", file, 0, 0)


def set_attributes(node, body):
    valid, _, _, size = struct.unpack_from("<2I2Q", body)
    path = "/proc/self/fd/%d" % nodes[node]
    if valid & SET_MODE:
        os.chmod(path, struct.unpack_from("<I", body, 68)[0] & 0o7777)
    if valid & SET_SIZE:
        os.truncate(path, size)
    return get_attributes(node)


def names(body):
    return body.split(b"\0")[:-1]


def rename(old, new):
    os.rename(old, new, src_dir_fd=nodes[ROOT], dst_dir_fd=nodes[ROOT])
    return b""


def create(body):
    flags, mode, umask, _ = struct.unpack_from("<4I", body)
    name = names(body[16:])[0]
    file = os.open(name, flags & ~os.O_APPEND | os.O_CREAT, mode & ~umask, dir_fd=nodes[ROOT])
    return entry(name) + opened(file)


def write(body):
    file, offset, size = struct.unpack_from("<2QI", body)
    return struct.pack("<2I", os.pwrite(file, body[40:40 + size], offset), 0)


def read(body):
    file, offset, size = struct.unpack_from("<2QI", body)
    return os.pread(file, size, offset)


def release(body):
    os.close(struct.unpack_from("<Q", body)[0])
    return b""


def sync(body):
    os.fsync(struct.unpack_from("<Q", body)[0])
    return b""


def unlink(name):
    os.unlink(name, dir_fd=nodes[ROOT])
    return b""


HANDLERS = {
    INIT: lambda node, body: struct.pack("<4I2H2I2HI28x", 7, 31, 0, 0, 16, 12, 65536, 1, 16, 0, 0),
    LOOKUP: lambda node, body: entry(names(body)[0]),
    GETATTR: lambda node, body: get_attributes(node),
    SETATTR: set_attributes,
    UNLINK: lambda node, body: unlink(names(body)[0]),
    RENAME: lambda node, body: rename(*names(body[8:])),
    RENAME2: lambda node, body: rename(*names(body[16:])),
    OPEN: lambda node, body: opened(os.open("/proc/self/fd/%d" % nodes[node],
                                            struct.unpack_from("<I", body)[0] & (os.O_ACCMODE | os.O_TRUNC))),
    CREATE: lambda node, body: create(body),
    READ: lambda node, body: read(body),
    WRITE: lambda node, body: write(body),
    FLUSH: lambda node, body: b"",
    RELEASE: lambda node, body: release(body),
    FSYNC: lambda node, body: sync(body),
    OPENDIR: lambda node, body: opened(os.open(".", os.O_RDONLY, dir_fd=nodes[ROOT])),
    RELEASEDIR: lambda node, body: release(body),
    FSYNCDIR: lambda node, body: sync(body),
}


def serve(device):
    while True:
        try:
            request = os.read(device, 1 << 18)
        except OSError as error:
            if error.errno == errno.ENODEV:  # unmounted
                return
            if error.errno in (errno.EINTR, errno.ENOENT):
                continue
            raise
        _, operation, unique, node = struct.unpack_from("<2I2Q", request)
        if operation in (FORGET, BATCH_FORGET, INTERRUPT):  # they have no reply
            continue
        code, reply = 0, b""
        try:
            if operation not in HANDLERS:
                raise OSError(errno.ENOSYS, "")
            reply = HANDLERS[operation](node, request[40:])
        except OSError as error:
            code = -error.errno
        os.write(device, struct.pack("<IiQ", 16 + len(reply), code, unique) + reply)


below, mount_point = sys.argv[1:]
numbers = itertools.count(1000)
nodes = {ROOT: os.open(below, os.O_RDONLY | os.O_DIRECTORY)}
fuse = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other" % fuse
if libc.mount(b"moody", os.fsencode(mount_point), b"fuse", 0, options.encode()) != 0:
    sys.exit("moody: cannot mount: " + os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
serve(fuse)
