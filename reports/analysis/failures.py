"""Reasons why points have no result. Pure."""

from __future__ import annotations

from reports.analysis.cases import Case
from saih.records.record import Record


def reason(record: Record) -> str:
    """Return the reason why a record holds no result, in its own words."""
    error = record.error or {}
    return str(error.get("message") or error.get("kind") or "no reason recorded")


def reasons(case: Case) -> list[str]:
    """Return the reasons of all replicates without a result, each once."""
    return list(dict.fromkeys(reason(record) for record in case.records if record.status != "ok"))
