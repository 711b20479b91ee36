"""The metrics of a point: the catalogue, and their computation from raw samples."""

from saih.metrics.compute import compute, declared, invalid_because, metric, peak_memory, unknown, withheld

__all__ = ["compute", "declared", "invalid_because", "metric", "peak_memory", "unknown", "withheld"]
