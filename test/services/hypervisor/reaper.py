"""Runs a program and collects its orphans: reaper.py PROGRAM ARGUMENT...

A guest's QEMU has no parent but process 1, and libvirt waits until an ended one is collected. Where process 1 does that
every few seconds only, as in many containers, every start and stop of a guest would take these seconds.
"""

import ctypes
import os
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
