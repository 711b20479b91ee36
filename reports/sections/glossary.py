"""The section that explains every metric in the records, with their own methods and reasons. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.cases import Case
from reports.analysis.overview import Overview
from reports.sections.form import Entry, MetricGlossary, Section, Text
from reports.words.glossary import MEANING
from reports.words.text import count
from saih.metrics.compute import UNITS

BETTER = {"higher": "higher is better", "lower": "lower is better", "none": "neither"}


def section(overview: Overview) -> Section:
    """Return the section with the table of metrics."""
    entries = tuple(glossary(overview.cases))
    quoted = Text("Methods and reasons are quoted from the records.", hint=True)
    parts = (quoted, MetricGlossary(entries)) if entries else (Text("No metric is recorded."),)
    return Section("glossary", "Glossary", "Glossary", parts)


def glossary(cases: Sequence[Case]) -> list[Entry]:
    """Return every metric in the records, the core ones first, with the methods and reasons from the records."""
    recorded = list(dict.fromkeys(name for case in cases for record in case.ok for name in record.metrics))
    ordered = [name for name in UNITS if name in recorded] + sorted(name for name in recorded if name not in UNITS)
    return [_entry(name, cases) for name in ordered]


def _entry(name: str, cases: Sequence[Case]) -> Entry:
    entries = [record.metrics[name] for case in cases for record in case.ok if name in record.metrics]
    own = next((str(entry["label"]) for entry in entries if entry.get("label")), "")
    unit, better = UNITS.get(name) or (str(entries[0].get("unit", "")), str(entries[0].get("better", "none")))
    label, meaning = MEANING.get(name, (own or name, "Declared by the application."))
    known = [entry for entry in entries if entry.get("value") is not None]
    methods = dict.fromkeys(str(entry.get("method") or "not recorded") for entry in known)
    reasons = [str(entry.get("why") or "no reason recorded") for entry in entries if entry.get("value") is None]
    missing = [f"{reason} ({count(reasons.count(reason), 'point')})" for reason in dict.fromkeys(reasons)]
    return Entry(name, label, unit, BETTER.get(better, better), meaning, tuple(methods), tuple(missing))
