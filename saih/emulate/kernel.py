"""System calls that Python 3.11 lacks: namespaces and mounts. Flags are from linux/sched.h and sys/mount.h."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

NEW_MOUNTS, NEW_USERS, NEW_NETWORK = 0x00020000, 0x10000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18


def unshare(flags: int) -> None:
    """Continue in new namespaces. Raises OSError."""
    _call("unshare", flags)


def enter(namespace: int) -> None:
    """Continue in the namespace of the descriptor. Raises OSError."""
    _call("setns", namespace, 0)


def keep_mounts_private() -> None:
    """Keep the mounts of this process's namespace from other namespaces. Raises OSError."""
    _call("mount", None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None)


def bind(source: Path, target: Path) -> None:
    """Mount one file in the place of another, for this namespace. Raises OSError."""
    _call("mount", os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(_MS_BIND), None)


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
