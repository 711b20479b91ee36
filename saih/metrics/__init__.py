"""Metrics of a point: their catalogue, and how each follows from raw samples."""

from saih.metrics.compute import compute, declared, invalid_because, metric, peak_memory, unknown, withheld

__all__ = ["compute", "declared", "invalid_because", "metric", "peak_memory", "unknown", "withheld"]
