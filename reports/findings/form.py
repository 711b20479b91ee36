"""The form of a finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.analysis.cases import Case
from reports.words.text import count


@dataclass(frozen=True)
class Finding:
    """One thing the records say. ``kind``: result, caution (doubt on the run) or gap (not known).

    ``basis``: the cases whose measured figures it states; None: of a result, those that it names.
    """

    kind: str
    headline: str
    evidence: str
    cases: tuple[Case, ...]
    basis: tuple[Case, ...] | None = None

    @property
    def with_processes(self) -> str:
        """The headline, and from how many processes its figures come."""
        named = self.cases if self.kind == "result" else ()
        told = processes(named if self.basis is None else self.basis)
        return f"{self.headline} ({told})" if told else self.headline


def processes(cases: Sequence[Case]) -> str:
    """From how many processes the figures of measured cases come, as "one process each"; empty without any."""
    found = {case.number: len(case.ok) for case in cases if case.ok}
    if not found:
        return ""
    few, many = min(found.values()), max(found.values())
    each = " each" if len(found) > 1 else ""
    if few < many:
        return f"{few} to {many} processes{each}"
    return f"one process{each}" if few == 1 else f"{count(few, 'process', 'processes')}{each}"
