"""Provenance of a record: time and, if SAIH runs from a checkout, the commit."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path
from typing import Any

import saih


def now() -> str:
    """The time in UTC, ISO 8601 to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def git() -> dict[str, Any] | None:
    """{"commit", "dirty"} of the checkout that `saih` lies in; None if it was installed otherwise."""
    root = Path(saih.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    status = _git(root, "status", "--porcelain")
    return None if commit is None else {"commit": commit, "dirty": bool(status)}


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
