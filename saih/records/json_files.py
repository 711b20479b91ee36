"""JSON files that somebody else may have written, or half written: read within limits, or refused in one line."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from saih.common.shapes import Shape, fault, too_deep
from saih.errors import InputError

MOST_BYTES = 2**29
"""Twice the record of 8,192 ranks after 130 rounds."""
MOST_DEPTH = 64
"""Records are 8 deep, and a data set's facts may be deeper."""


def read_json(path: Path, shape: Shape | None = None) -> dict[str, Any]:
    """The object in ``path``, of this shape where one is given.

    Raises InputError, which names the file, where it cannot be read, is no regular file, is too large or nested too
    deep, or holds no JSON object of that shape.
    """
    try:
        content = json.loads(read_text(path, MOST_BYTES))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise InputError(f"{path}: is nested too deep") from error
    except ValueError as error:  # JSON and UTF-8 alike
        raise InputError(f"{path}: is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold a JSON object")
    if too_deep(content, MOST_DEPTH):
        raise InputError(f"{path}: is nested too deep: more than {MOST_DEPTH} levels")
    if shape and (why := fault(shape, content)):
        raise InputError(f"{path}: {why}")
    return content


def read_text(path: Path, most_bytes: int) -> str:
    """The text of a regular file. Raises InputError, OSError or ValueError where it has none, or too much.

    Opening does not wait, as a pipe without a writer would make it do.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{path}: is no regular file")
        content = file.read(most_bytes + 1) if found.st_size <= most_bytes else None
    if content is None or len(content) > most_bytes:
        raise InputError(f"{path}: is larger than {most_bytes / 2**20:g} MiB")
    return content.decode("utf-8")
