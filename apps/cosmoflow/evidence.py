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
            storage = host.storage_bytes(self._reader.threads)
            if storage is not None:
                found["from_storage_percent"] = 100 * storage / read.all
        return found

    def _ask_cache(self) -> tuple[float | None, float]:
        """The share of pages in the page cache, and when to ask again so that asking costs next to nothing."""
        begin = time.monotonic()
        found = cache.resident_fraction(self._asked)
        end = time.monotonic()
        return found, end + max(ASK_AGAIN_S, (end - begin) / ASKING_SHARE)
