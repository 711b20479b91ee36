"""A configuration: its keys, its YAML, and the points it asks for."""

from saih.config.schema import Config, Grow, Launch, Limits, Measure, differences, load, parse

__all__ = ["Config", "Grow", "Launch", "Limits", "Measure", "differences", "load", "parse"]
