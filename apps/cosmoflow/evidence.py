"""Where the samples really came from: what the system says of the page cache, direct reads and storage.

Which input a point asks for is an intention. These figures go into its record beside the rate, so that a data set that
lay in memory is not taken for a fast disk.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from augment.data.storage import cache, host
from augment.data.storage.reader import SampleReader

MOST_FILES_ASKED = 64
ASK_AGAIN_S = 5.0
ASKING_SHARE = 0.002  # of the time, at most


class Evidence:
    """Of one rank. `reader` None: the samples are held in memory, and only their size is of interest."""

    def __init__(self, files: Sequence[Path], reader: SampleReader | None) -> None:
        self._reader = reader
        self._asked = files[:: -(-len(files) // MOST_FILES_ASKED)]
        self._ratio = cache.total_bytes(files) / host.memory_bytes()
        self._cached, self._ask_at = self._ask_cache() if reader else (None, 0.0)
        self._fetched_bytes: int | None = 0

    def values(self) -> dict[str, float]:
        """The metrics that are known now."""
        found = {"data_to_memory_ratio": self._ratio}
        if not self._reader:
            return found
        read = self._reader.bytes_read
        if time.monotonic() > self._ask_at:
            self._cached, self._ask_at = self._ask_cache()
        if self._cached is not None:
            found["page_cache_percent"] = 100 * self._cached
        if read.all:
            found["direct_read_percent"] = 100 * read.direct / read.all
            fetched = self._ask_kernel(self._reader)
            if fetched is not None:
                found["from_storage_percent"] = 100 * fetched / read.all
        return found

    def _ask_kernel(self, reader: SampleReader) -> int | None:
        """Bytes from storage so far; None for good once the kernel's counter is missing or has fallen."""
        now = None if self._fetched_bytes is None else host.storage_bytes(reader.threads)
        fell = now is not None and self._fetched_bytes is not None and now < self._fetched_bytes
        self._fetched_bytes = None if fell else now
        return self._fetched_bytes

    def _ask_cache(self) -> tuple[float | None, float]:
        """The share of pages in the page cache, and when to ask again so that asking costs next to nothing."""
        begin = time.monotonic()
        found = cache.resident_fraction(self._asked)
        end = time.monotonic()
        return found, end + max(ASK_AGAIN_S, (end - begin) / ASKING_SHARE)
