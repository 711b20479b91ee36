"""Timed blocks of steps, and when to stop."""

from saih.measure.blocks import MIN_BLOCK_S, measure

__all__ = ["MIN_BLOCK_S", "measure"]
