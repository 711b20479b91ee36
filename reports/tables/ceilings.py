"""The table of ceilings, to which the shares in this report refer. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.analysis.cases import Case, Quantity
from reports.analysis.runs import Run
from reports.tables.form import Cell, Head, Notes, Table, words
from reports.words.text import clauses, quantity, scalar

OLDER = "the median of short repeats: before method version 8 no sustained rate was measured"
NO_FINALIST = "short repeats left it out of those whose sustained rate was measured"


def ceilings(runs: Sequence[Run], cases: Sequence[Case]) -> Table | None:
    """Return the table of ceilings with the operations that compete for them; the best comes first in each group."""
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
        Head("sustained rate", "per device"),
        Head("fastest repeat", "bursts among them"),
        Head("of the datasheet peak"),
    )
    return Table("ceilings", "Measured ceilings", head, tuple(rows), notes.listed()) if rows else None


def _peak_rows(run: Cell, peak: Mapping[str, Any], quoted: Cell, notes: Notes) -> list[tuple[Cell, ...]]:
    older = "repeats" not in peak
    entries = sorted(peak.get("entries") or [peak], key=lambda entry: _order(entry, older), reverse=True)
    rows = []
    for i, entry in enumerate(entries):
        name = words(scalar(entry.get("name") or peak.get("best")), "" if i else f"the ceiling, best of {len(entries)}")
        start = (run, Cell(scalar(peak.get("ranks"))), _precision(peak, notes))
        fastest = entry.get("flop_per_s") if older else entry.get("fastest_flop_per_s")
        rate = _older(entry, notes) if older else _sustained(entry, notes)
        burst = notes.cell(Quantity(fastest, "FLOP/s", why="not recorded"))
        rows.append((*(start if i == 0 else [Cell("")] * 3), name, rate, burst, Cell("") if i else quoted))
    return rows


def _order(entry: Mapping[str, Any], older: bool) -> tuple[float, float]:
    sustained = 0.0 if older else float(entry.get("flop_per_s") or 0)
    return sustained, float(entry.get("median_flop_per_s") or 0)


def _precision(peak: Mapping[str, Any], notes: Notes) -> Cell:
    """Return the precision, marked if the ceiling is suspect."""
    reasons = [str(entry["words"]) for entry in peak.get("suspect") or []]
    note = notes.mark(f"suspect: {clauses(reasons, 3)}") if reasons else ""
    return Cell(scalar(peak.get("precision")), "suspect" if reasons else "", note, number=False)


def _sustained(entry: Mapping[str, Any], notes: Notes) -> Cell:
    ends = entry.get("flop_per_s_low"), entry.get("flop_per_s_high")
    return notes.cell(Quantity(entry.get("flop_per_s"), "FLOP/s", *ends, why=NO_FINALIST))


def _older(entry: Mapping[str, Any], notes: Notes) -> Cell:
    median = entry.get("median_flop_per_s")
    if median is None:
        return notes.missing("not recorded")
    return Cell(quantity(float(median), "FLOP/s"), note=notes.mark(OLDER))


def _datasheet(peak: Mapping[str, Any], cases: Sequence[Case], notes: Notes) -> Cell:
    """Return the ceiling as percent of the datasheet peak, from the shares of a point that has both."""
    alike = [case for case in cases if case.ok and case.ranks == peak.get("ranks")]
    alike = [case for case in alike if case.keys.get("precision") == peak.get("precision")]
    for case in alike:
        quoted, measured = case.value("percent_of_peak"), case.value("percent_of_measured_peak")
        if quoted is not None and measured:
            source = str(case.ok[0].metrics["percent_of_peak"].get("method") or "")
            return Cell(quantity(100 * quoted / measured, "%"), note=notes.mark(source or "source not recorded"))
    why = alike[0].quantity("percent_of_peak").why if alike else "no measured point has it"
    return notes.missing(why)
