"""Timed blocks of steps, and the rule for stopping."""

from saih.measure.blocks import MIN_BLOCK_S, measure

__all__ = ["MIN_BLOCK_S", "measure"]
