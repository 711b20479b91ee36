"""CRC-32C (Castagnoli; RFC 3720, B.4) of memory, so that several threads can check what they read at once.

The wheel of google-crc32c brings a C library and a Python function around it. The function holds Python's global lock
unless it is given a `bytes` of 1 MiB or more, and only a copy of a buffer is one. So the library is called by ctypes,
which lets go of the lock; where its symbol cannot be found (another way of building), a copy is made.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from functools import cache

import google_crc32c

Extend = Callable[[int, int, int], int]


def extend(crc: int, address: int, length: int) -> int:
    """CRC-32C of what `crc` covers (0: nothing) followed by the `length` bytes at `address`."""
    return _extend()(crc, address, length)


@cache
def _extend() -> Extend:
    return _from_library() or _by_copy


def _from_library() -> Extend | None:
    found = importlib.util.find_spec("google_crc32c._crc32c")
    try:
        function = ctypes.CDLL(found.origin if found else None).crc32c_extend
    except (AttributeError, OSError):
        return None
    function.restype, function.argtypes = ctypes.c_uint32, (ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t)
    return function


def _by_copy(crc: int, address: int, length: int) -> int:
    return int(google_crc32c.extend(crc, ctypes.string_at(address, length)))
