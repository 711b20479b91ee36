"""Intervals of serially correlated block times, and paired differences."""
