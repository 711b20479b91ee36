"""One run at a time writes to a folder: a lock file that says who holds it.

The lock of a process that has died on this host is taken over. On another host nobody can tell whether it lives, so
the message says which file to delete.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from augment.errors import DataError

LOCK = "lock"


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Be the only run that writes to `folder`, which exists. Raises DataError where another is at work."""
    path = folder / LOCK
    mine = {"host": socket.gethostname(), "pid": os.getpid(), "started": _start_of(os.getpid())}
    while not _create(path, json.dumps(mine)):
        holder = _read(path)
        if not path.exists():
            continue
        if holder.get("host") != mine["host"] or _start_of(holder.get("pid")) == holder.get("started"):
            raise DataError(
                f"{folder}: another run is at work here (process {holder.get('pid')} on {holder.get('host')}); "
                f"if it is gone, delete {path}"
            )
        stale = path.with_name(f".{LOCK}.{os.getpid()}.tmp")
        with contextlib.suppress(FileNotFoundError):
            path.rename(stale)  # only one of several can win this
            stale.unlink()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _create(path: Path, text: str) -> bool:
    """Write `path` whole unless it exists: a link to a finished file is atomic on shared file systems too."""
    temporary = path.with_name(f".{LOCK}.{os.getpid()}.new.tmp")
    temporary.write_text(text, encoding="utf-8")
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def _read(path: Path) -> Mapping[str, Any]:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _start_of(pid: Any) -> str | None:
    """When a process started, in clock ticks after boot (field 22 of /proc/<pid>/stat); None if there is none.

    A process number alone may have been given to another process since.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]
