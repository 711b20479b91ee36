"""JSON files that somebody else may have written, or half written: read within limits, or refused in one line."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

from saih.common import files
from saih.common.shapes import Shape, fault, too_deep
from saih.errors import InputError

MOST_BYTES = 2**29
"""Twice the record of 8,192 ranks after 130 rounds."""
MOST_DEPTH = 64
"""Records are 8 deep, and a data set's facts may be deeper."""


def read_json(path: Path, shape: Shape | None = None) -> dict[str, Any]:
    """The object in `path`, of this shape where one is given.

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
    """Return the text of a regular file. Raise InputError if it is none or too large, OSError, or ValueError."""
    try:
        return files.read_bounded(path, most_bytes).decode("utf-8")
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise InputError(f"{path}: is larger than {most_bytes / 2**20:g} MiB") from error
        if error.errno == errno.EINVAL:
            raise InputError(f"{path}: is no regular file") from error
        raise
