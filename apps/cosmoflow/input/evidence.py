"""The real source of the samples: the system's figures of the page cache, direct reads and storage.

The input of a point is an intention. These figures go into its record beside the rate, so that a data set in memory is
not mistaken for a fast disk.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from augment.data.host import fetched_bytes, page_cache
from augment.data.reading.sample_reader import SampleReader

MOST_FILES_ASKED = 64
ASK_AGAIN_S = 5.0
ASKING_SHARE = 0.002  # of the time, at most
ALL_CACHED = 0.99
"""A data set with this share in the page cache may be read without any storage."""


@dataclass(frozen=True)
class Seen:
    """The known metrics, and the bytes fetched from storage since the last look; None: not known."""

    values: Mapping[str, float] = field(default_factory=dict)
    storage_bytes: int | None = None


class Evidence:
    """The evidence of one rank; without a `reader` the samples are in memory, and only their size is known."""

    def __init__(self, files: Sequence[Path], reader: SampleReader | None) -> None:
        self._reader = reader
        self._asked = files[:: -(-len(files) // MOST_FILES_ASKED)]
        self._ratio = page_cache.total_bytes(files) / fetched_bytes.memory_bytes()
        self._cached, self._ask_at = self._ask_cache() if reader else (None, 0.0)
        self._fetched_bytes: int | None = 0

    def look(self) -> Seen:
        """Return the system's current figures."""
        values = {"data_to_memory_ratio": self._ratio}
        if not self._reader:
            return Seen(values, 0)
        read = self._reader.bytes_read
        if time.monotonic() > self._ask_at:
            self._cached, self._ask_at = self._ask_cache()
        if self._cached is not None:
            values["page_cache_percent"] = 100 * self._cached
        if not read.all:
            return Seen(values, 0)
        values["direct_read_percent"] = 100 * read.direct / read.all
        before, fetched = self._fetched_bytes, self._ask_kernel(self._reader)
        if before is None or fetched is None or not self._counted(fetched, read.direct):
            return Seen(values)
        values["from_storage_percent"] = 100 * fetched / read.all
        return Seen(values, fetched - before)

    def _counted(self, fetched: int, direct: int) -> bool:
        """True if the kernel counts reads of these files.

        Some network file systems are left out. A count of 0 is believed only if the page cache can be the source.
        """
        return fetched > 0 or (not direct and self._cached is not None and self._cached >= ALL_CACHED)

    def _ask_kernel(self, reader: SampleReader) -> int | None:
        """Return the bytes from storage so far; None for good once the kernel's counter is missing or has fallen."""
        now = None if self._fetched_bytes is None else fetched_bytes.storage_bytes(reader.threads)
        fell = now is not None and self._fetched_bytes is not None and now < self._fetched_bytes
        self._fetched_bytes = None if fell else now
        return self._fetched_bytes

    def _ask_cache(self) -> tuple[float | None, float]:
        """Return the share of pages in the page cache, and the time of the next query, so that asking is cheap."""
        begin = time.monotonic()
        share = page_cache.resident_fraction(self._asked)
        end = time.monotonic()
        return share, end + max(ASK_AGAIN_S, (end - begin) / ASKING_SHARE)
