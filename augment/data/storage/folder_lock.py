"""One run at a time writes to a data set's folder. How: saih/common/locks.py."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from augment.errors import DataError
from saih.common import locks

LOCK = "lock"


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Be the only run that writes to `folder`, which exists. Raises DataError where another is at work, or may be."""
    try:
        with locks.held(folder / LOCK, "another run"):
            yield
    except locks.Refused as error:
        raise DataError(str(error)) from None
