"""What our processes have in common: the signals that end them in order, and ending with their parent."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""A user's, a batch system's and its warning of the time limit."""


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel end this process when what started it ends: prctl(PR_SET_PDEATHSIG), linux/prctl.h.

    ``parent`` is the process that should be it; if it has ended already, this one ends now.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)
