"""CosmoFlow's own figures in a record: the sources of its samples (`apps.cosmoflow.input.evidence`)."""

from __future__ import annotations

from saih.app import MetricSpec

METRICS = (
    MetricSpec(
        "direct_read_percent", "%", "none", "read past the page cache",
        "bytes read with O_DIRECT of all bytes read from the data set's files, rank 0, since the point was built",
    ),
    MetricSpec(
        "page_cache_percent", "%", "none", "data set in the page cache",
        "resident pages (cachestat or mincore) of all pages of the training samples' files, or of 64 of them, on rank "
        "0's host, when last looked at during the measurement (at most once in 5 s)",
    ),
    MetricSpec(
        "from_storage_percent", "%", "none", "fetched from storage",
        "bytes the kernel fetched from storage for rank 0's reading threads (read_bytes of /proc/<pid>/task/<tid>/io, "
        "read-ahead included) of the bytes they asked for, since the point was built; network file systems do not "
        "always count there",
    ),
    MetricSpec(
        "data_to_memory_ratio", "1", "none", "data set over host memory",
        "bytes of the training samples' files / memory of rank 0's host, or of its control group where that is less",
    ),
)  # fmt: skip
