"""The table of ceilings: what the shares in this report are shares of. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.cases import Case, Quantity
from reports.runs import Run
from reports.table import Cell, Head, Notes, Table, words
from reports.text import quantity, scalar


def ceilings(runs: Sequence[Run], cases: Sequence[Case]) -> Table | None:
    """The ceilings with every operation they are the best of; the best comes first in each group."""
    notes, rows = Notes(), []
    for run in runs:
        for folder in run.folders:
            for peak in folder.system.get("peaks") or []:
                quoted = _datasheet(peak, [case for case in cases if case.run == run.label], notes)
                host = str(folder.system.get("host") or "") if len(run.folders) > 1 else ""
                rows += _peak_rows(words(run.label, host), peak, quoted, notes)
    head = (
        Head("run", number=False),
        Head("ranks"),
        Head("precision", number=False),
        Head("operation", number=False),
        Head("rate", "per device"),
        Head("spread", "fastest to median"),
        Head("of the datasheet peak"),
    )
    return Table("ceilings", "Measured ceilings", head, tuple(rows), notes.listed()) if rows else None


def _peak_rows(run: Cell, peak: Mapping[str, Any], quoted: Cell, notes: Notes) -> list[tuple[Cell, ...]]:
    entries = sorted(peak.get("entries") or [], key=lambda entry: -float(entry.get("flop_per_s") or 0))
    best = {**peak, "name": peak.get("best")}
    others = [entry for entry in entries if entry.get("name") != peak.get("best")]
    rows = []
    for i, entry in enumerate([best, *others]):
        name = words(scalar(entry.get("name")), "" if i else f"the ceiling, best of {max(1, len(entries))}")
        start = (run, Cell(scalar(peak.get("ranks"))), words(scalar(peak.get("precision"))))
        rate = notes.cell(Quantity(entry.get("flop_per_s"), "FLOP/s", why="not recorded"))
        spread = notes.cell(Quantity(entry.get("spread_percent"), "%", why="not recorded"))
        rows.append((*(start if i == 0 else [Cell("")] * 3), name, rate, spread, Cell("") if i else quoted))
    return rows


def _datasheet(peak: Mapping[str, Any], cases: Sequence[Case], notes: Notes) -> Cell:
    """The ceiling as percent of the datasheet peak, from the two shares of a point that was held against both."""
    alike = [case for case in cases if case.ok and case.ranks == peak.get("ranks")]
    alike = [case for case in alike if case.keys.get("precision") == peak.get("precision")]
    for case in alike:
        quoted, measured = case.value("percent_of_peak"), case.value("percent_of_measured_peak")
        if quoted is not None and measured:
            source = str(case.ok[0].metrics["percent_of_peak"].get("method") or "")
            return Cell(quantity(100 * quoted / measured, "%"), note=notes.mark(source or "source not recorded"))
    why = alike[0].quantity("percent_of_peak").why if alike else "no measured point has it"
    return notes.missing(why)
