"""The sections of the report, one file each: title, findings, charts, tables. `SECTIONS` lists all of them."""

from __future__ import annotations

from collections.abc import Callable

from reports.analysis.overview import Overview
from reports.sections import (
    ceilings,
    configuration,
    device_copies,
    findings,
    glossary,
    input,
    method,
    points,
    roofline,
    setup,
    step,
    trend,
)
from reports.sections.form import Section

SECTIONS: tuple[Callable[[Overview], Section | None], ...] = (
    findings.section,
    setup.section,
    trend.section,
    device_copies.section,
    step.section,
    roofline.section,
    input.section,
    points.section,
    ceilings.section,
    method.section,
    glossary.section,
    configuration.section,
    configuration.again,
)
"""The sections in the page's order. A section with nothing to show returns None."""
