"""Findings about the rate that growth approaches, and the problem size that reaches half of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.doubts import doubted
from reports.analysis.hockney import Hockney
from reports.analysis.key_numbers import Figures, find_figures
from reports.analysis.trend import Trend
from reports.findings.form import Finding
from reports.words.text import clauses, interval, quantity, signed_percent, span


def approach(trend: Trend) -> list[Finding]:
    """Return a finding on the rates that the paths approach, and the problem sizes that reach half of them."""
    axis, figures = trend.roles.growth, find_figures(trend)
    fitted = [(each, each.fit) for each in figures if isinstance(each.fit, Hockney)]
    if axis is None or not fitted:
        return []
    rates, halves = [fit.r_inf for _, fit in fitted], [fit.n_half for _, fit in fitted]
    headline = (
        f"Along {axis.name}, the rate of a device approaches {span(rates, 'FLOP/s')}; half of it takes "
        f"{span(halves, 'FLOP')} a step"
    )
    worst = max(fitted, key=lambda one: abs(one[1].misfits[one[1].worst]))[1]
    basis = tuple(case for each, _ in fitted for case in each.cases)
    sentences = [
        f"{clauses((_approach(each, fit) for each, fit in fitted), 4)}{doubted(basis)}.",
        f"Hockney's form misses a size by {signed_percent(worst.misfits[worst.worst])} at most.",
        _others(figures),
    ]
    ends = tuple(each.cases[-1] for each, _ in fitted)
    return [Finding("result", headline, " ".join(each for each in sentences if each), ends, basis)]


def _others(found: Sequence[Figures]) -> str:
    """Return a sentence on the paths that approach no such rate, with the reasons."""
    others = [f"{_name(each)}{each.fit}" for each in found if isinstance(each.fit, str)]
    return f"No such rate: {clauses(others, 3)}." if others else ""


def _name(found: Figures) -> str:
    return "" if found.label == "all points" else f"{found.label}: "


def _approach(found: Figures, fit: Hockney) -> str:
    name = _name(found)
    rate = f"{quantity(fit.r_inf, 'FLOP/s')} ({interval(fit.r_inf, *fit.r_inf_ends, 'FLOP/s')})"
    return f"{name}{rate}, half at {quantity(fit.n_half, 'FLOP')} ({interval(fit.n_half, *fit.n_half_ends, 'FLOP')})"
