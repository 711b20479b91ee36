"""The form of a finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.analysis.cases import Case
from reports.words.text import count


@dataclass(frozen=True)
class Finding:
    """A statement of the report with its evidence.

    `kind` is result, caution (doubt on the run) or gap (not known). `basis` holds the cases whose measured figures the
    finding states; None stands for the cases that a result names.
    """

    kind: str
    headline: str
    evidence: str
    cases: tuple[Case, ...]
    basis: tuple[Case, ...] | None = None

    @property
    def with_processes(self) -> str:
        """The headline, with the number of processes behind its figures."""
        named = self.cases if self.kind == "result" else ()
        origin = processes(named if self.basis is None else self.basis)
        return f"{self.headline} ({origin})" if origin else self.headline


def processes(cases: Sequence[Case]) -> str:
    """Return the number of processes behind the figures of measured cases, as "one process each"; empty without any."""
    counts = {case.number: len(case.ok) for case in cases if case.ok}
    if not counts:
        return ""
    few, many = min(counts.values()), max(counts.values())
    each = " each" if len(counts) > 1 else ""
    if few < many:
        return f"{few} to {many} processes{each}"
    return f"one process{each}" if few == 1 else f"{count(few, 'process', 'processes')}{each}"
