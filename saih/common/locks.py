"""One process at a time in a folder: a lock file that says who holds it.

A lock is made by creating its file (O_EXCL), removed by its holder alone, and taken over once its holder is certainly
gone. How two processes that find the lock of a dead one never both get in:

- Every lock's content is unique. Only the holder of the file `.<lock>.<digest of the content>.tmp`, the *right to
  succeed* the lock of this content, may replace that lock. This file is a lock of the same kind: created by one process
  only, and taken over in the same way if that one has died meanwhile.
- Who has the right looks at the lock once more. If it is still the dead one's, nobody else can change it now (its
  holder is dead, all others lack the right), so the rename of the right onto the lock is safe: at one stroke the lock
  names its new holder, and the right is used up. There is no moment without a lock.
- If the lock is another one by now, the right is void: whoever had it before has used it. It is removed, and all
  begins anew. No content ever returns, so a void right that a dead process left behind does no harm.

This needs of a file system that O_EXCL and rename are atomic, as they are on NFS from version 3, Lustre and BeeGFS, and
no hard links. A process that dies between the creation and the content of a lock, some microseconds, leaves an empty
one: nobody can tell whose that was, so a person must decide.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from saih.common import files
from saih.common.holder import Fate, Holder, Judgement, judge, mine, parse

_MOST_BYTES = 4096
_EMPTY_S = 3.0
"""A lock that has just been created may be empty for a moment; after this its maker is taken to have died."""


class Refused(Exception):
    """The lock is another's, or may be. The message is one line: who holds it, and how a person can decide."""


@dataclass(frozen=True)
class Lock:
    """A lock's file as it was found. `holder` is None where it cannot be told, and `fault` says why."""

    path: Path
    content: bytes
    holder: Holder | None
    judgement: Judgement | None
    fault: str = ""

    @property
    def gone(self) -> bool:
        """True if its holder has certainly ended."""
        return self.judgement is not None and self.judgement.fate is Fate.GONE

    def refusal(self, who: str) -> str:
        """Return the message for others who try to enter; `who` names those that hold such locks."""
        folder = self.path.parent
        if self.judgement is None:
            return f"{self.path}: is no lock that can be read ({self.fault}); if nothing is at work here, delete it"
        if self.judgement.fate is Fate.AT_WORK:
            why = f" and {self.judgement.why}" if self.judgement.job else ""
            return f"{folder}: {who} is at work here ({self.holder}){why}; if it is gone, delete {self.path}"
        may_be = f"{who} may be at work here ({self.holder})"
        return f"{folder}: {may_be}; {self.judgement.why}, and if it is gone, delete {self.path}"


@contextlib.contextmanager
def held(path: Path, who: str) -> Iterator[None]:
    """Hold the lock `path` during the block. Raises Refused, which calls its holder `who`; OSError."""
    content = mine().to_bytes()
    try:
        _claim(path, path, content, who)
        for left in path.parent.glob(f".{path.name}.*.tmp"):  # void rights: no content returns
            left.unlink(missing_ok=True)
        yield
    finally:
        release(path, content)


def release(path: Path, content: bytes) -> None:
    """Remove a lock of this content; one that is another's by now stays."""
    with contextlib.suppress(OSError):  # one that cannot be removed is known to be a dead one's later
        if _content(path) == content:
            path.unlink()


def look(path: Path) -> Lock | None:
    """The lock `path` as it is now; None if there is none."""
    try:
        content, owner = files.read_small(path, _MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Lock(path, b"", None, None, error.strerror or str(error))
    try:
        holder = parse(content)
    except ValueError as error:
        return Lock(path, content, None, None, str(error) if content else "is empty")
    return Lock(path, content, holder, judge(holder, owner))


def _claim(path: Path, root: Path, content: bytes, who: str) -> None:
    """Have the file `path` hold `content`: the lock `root` itself, or a right to succeed a dead one's."""
    while True:
        with contextlib.suppress(FileExistsError):
            files.create(path, content)
            return
        found = _found(path)
        if found is None:
            continue
        if not found.gone:
            raise Refused(found.refusal(who))
        right = root.with_name(f".{root.name}.{hashlib.sha256(found.content).hexdigest()[:32]}.tmp")
        try:
            _claim(right, root, content, who)
            if _content(path) == found.content:
                with contextlib.suppress(FileNotFoundError):  # NFS may say so of a rename that it asked for twice
                    right.replace(path)
            if _content(path) == content:
                return
        finally:
            release(right, content)


def _found(path: Path) -> Lock | None:
    """`look`, once the lock has its content."""
    deadline = time.monotonic() + _EMPTY_S
    while (found := look(path)) and found.fault == "is empty" and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def _content(path: Path) -> bytes | None:
    with contextlib.suppress(OSError):
        return files.read_small(path, _MOST_BYTES)[0]
    return None
