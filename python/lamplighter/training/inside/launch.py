"""Starts `python WORDS` so that the kernel ends it when its parent is gone: `launch.py PARENT WORDS`.

A trainer that outlives the command that started it would write into a folder that the next command goes on in.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h; the setting survives execv

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)  # the parent went before the kernel was told
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
