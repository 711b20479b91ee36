"""Background reading: processes that read the data set's own file system at a set rate while a point is measured.

It shows the load of others at which an application slows down. One reader a host (background_reader.py) is started by
its first rank before the warm-up and counted over the measurement: from the end of the warm-up to the last block. The
reader uses the files that the application names as its input, so that it loads the same storage. It runs on cores
without ranks, if the host has any.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from saih.errors import InputError

KEY = "run.background_read_mb_s"
MB = 1_000_000
CORES_FOR_READERS = 1
"""A host's cores that a sweep with background reading leaves to the readers, if it has that many more than ranks."""


def paths_named(facts: object) -> list[str]:
    """Return the files and folders named in an application's facts, at any depth, each once.

    They are under `path` and `paths`; if a mapping has both, only `paths` is read.
    """
    paths: dict[str, None] = {}
    if isinstance(facts, Mapping):
        for key, value in facts.items():
            if key == "path" and "paths" in facts:
                continue
            if key in ("path", "paths"):
                paths |= dict.fromkeys([value] if isinstance(value, str) else value)
            else:
                paths |= dict.fromkeys(paths_named(value))
    return list(paths)


def require_paths(asked_mb_s: float, facts: object) -> None:
    """Raise InputError if background reading is requested and the application names no files."""
    if asked_mb_s and not paths_named(facts):
        raise InputError(f"{KEY} = {asked_mb_s:g}: the application names no files to read")


class Background:
    """The reading of one host; a context manager that ends it.

    `cores`: the reader's cores; `shared`: True if ranks run on them too.
    """

    def __init__(self, mb_s: float, paths: Sequence[str], cores: Sequence[int], shared: bool) -> None:
        """Start reading `mb_s` MB/s. Raises InputError if nothing can be read."""
        # -P as in saih.groups.worker_group: the working folder must not shadow our packages
        words = [sys.executable, "-P", "-m", "saih.interference.background_reader"]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        task = {"parent": os.getpid(), "paths": list(paths), "bytes_per_s": mb_s * MB, "cores": list(cores)}
        self._first: dict[str, Any] = {}
        try:
            files = self._ask(json.dumps(task))
        except BaseException:
            self.close()
            raise
        self._facts = {"mb_s": mb_s, "cores": list(cores), "shares_cores": shared, **files}

    def begin(self) -> None:
        """Start counting for the measurement."""
        self._first = self._ask("now")

    def end(self) -> dict[str, Any]:
        """Return the amount read since `begin`: {"mb_s", "bytes", "seconds", "files", "direct_files", ...}."""
        last = self._ask("now")
        counted = {"bytes": last["bytes"] - self._first["bytes"], "seconds": last["at_s"] - self._first["at_s"]}
        return self._facts | counted

    def _ask(self, line: str) -> dict[str, Any]:
        """Return the reader's answer. Raises InputError with the reader's reason if it failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline() or "{}")
        except BrokenPipeError:
            answer = {}
        if not answer:
            answer = {"error": f"the reader ended with exit status {self._process.wait()}"}
        if "error" in answer:
            raise InputError(f"{KEY}: {answer['error']}")
        return dict(answer)

    def close(self) -> None:
        """End the reading."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Background:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()
