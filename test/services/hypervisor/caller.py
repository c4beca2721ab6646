"""Makes calls on files, one a line of JSON on stdin, and says what each did: the file before and after, as stat has it.

One process makes all, so that the pid in the audit records tells its calls from everybody else's. Names are hex: they
can be any bytes.
"""

import json
import os
import sys


def state(path, follow):
    try:
        found = os.stat(path, follow_symlinks=follow)
    except OSError:
        return None
    device = f"{os.major(found.st_dev)}:{os.minor(found.st_dev)}"
    return {"dev": device, "inode": str(found.st_ino), "uid": found.st_uid, "gid": found.st_gid, "mode": found.st_mode}


def through_fd(path, act):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        act(descriptor)
    finally:
        os.close(descriptor)


def through_directory(path, uid, gid):
    directory, name = os.path.split(path)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.chown(name, uid, gid, dir_fd=descriptor)
    finally:
        os.close(descriptor)


CALLS = {
    "chown": lambda path, c: os.chown(path, c["uid"], c["gid"]),
    "lchown": lambda path, c: os.lchown(path, c["uid"], c["gid"]),
    "fchown": lambda path, c: through_fd(path, lambda fd: os.fchown(fd, c["uid"], c["gid"])),
    "fchownat": lambda path, c: through_directory(path, c["uid"], c["gid"]),
    "setxattr": lambda path, c: os.setxattr(path, c["name"], bytes.fromhex(c["value"])),
    "lsetxattr": lambda path, c: os.setxattr(path, c["name"], bytes.fromhex(c["value"]), follow_symlinks=False),
    "fsetxattr": lambda path, c: through_fd(path, lambda fd: os.setxattr(fd, c["name"], bytes.fromhex(c["value"]))),
    "removexattr": lambda path, c: os.removexattr(path, c["name"]),
    "lremovexattr": lambda path, c: os.removexattr(path, c["name"], follow_symlinks=False),
    "fremovexattr": lambda path, c: through_fd(path, lambda fd: os.removexattr(fd, c["name"])),
    "rename": lambda path, c: os.rename(path, bytes.fromhex(c["to"])),
}

for line in sys.stdin:
    call = json.loads(line)
    path = bytes.fromhex(call["path"])
    follow = not call["call"].startswith("l")
    before = state(path, follow)
    error = 0
    if call["as"] is not None:
        os.seteuid(call["as"])
    try:
        for _ in range(call["times"]):
            CALLS[call["call"]](path, call)
    except OSError as failure:
        error = failure.errno
    finally:
        os.seteuid(0)
    after = state(bytes.fromhex(call["to"]) if call["call"] == "rename" and error == 0 else path, follow)
    print(json.dumps({"errno": error, "before": before, "after": after}), flush=True)
