"""Contradictions in the data of one point; then no cause is named, and both figures are reported. Pure.

Less work cannot take longer, no part of a step can be less than nothing or more than the step, and no parts can be more
than the whole. Noise can have such an appearance: if an interval or the scatter of blocks explains it, it is no
contradiction. Checks of other instruments are in checks.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from saih.diagnosis.checks import Check, failing
from saih.diagnosis.parts import Part, Parts
from saih.diagnosis.words import duration, percent

BELOW = -0.10
"""Share of the step by which passes may differ for other reasons than a missing part (caches, clocks)."""
MORE = 1.02
"""Limit of one part, as a multiple of the step."""
BEYOND = 1.10
"""Limit of all parts together, as a multiple of the step; they come from different passes."""
VARIANTS = {
    "exposed_input_s": "input",
    "exposed_input_wait_s": "waiting for input",
    "exposed_comm_s": "communication",
}


def contradictions(parts: Parts, metrics: Mapping[str, Mapping[str, Any]], checked: Sequence[Check]) -> list[str]:
    """Return the contradictions as sentences, each with both figures; empty if there are none."""
    return [*_variants(metrics, parts.step_s), *failing(checked), *_shares(parts)]


def _variants(metrics: Mapping[str, Mapping[str, Any]], step_s: float) -> Iterator[str]:
    """Yield a sentence for each variant that does less work and takes clearly longer."""
    for name, what in VARIANTS.items():
        entry = metrics.get(name) or {}
        saved_s = entry.get("value")
        if saved_s is not None and _clearly_below(Part(saved_s, entry.get("low"), entry.get("high")), step_s):
            without_s = step_s - saved_s
            yield f"The step without {what} takes {duration(without_s)}, the full one {duration(step_s)}."


def _clearly_below(part: Part, step_s: float) -> bool:
    """True if a part is below zero by more than the difference between passes, with all of its interval."""
    most = part.seconds if part.high is None else part.high
    return most is not None and most < BELOW * step_s


def _shares(parts: Parts) -> Iterator[str]:
    """Yield a sentence for each part of impossible size; `_variants` judges variants without input or communication."""
    of = {name: part for name, part in parts.of.items() if part.seconds is not None and name != "copy"}
    for name, part in of.items():
        seconds, figures = part.seconds or 0.0, f"{duration(part.seconds or 0.0)} of a step of {duration(parts.step_s)}"
        share = percent(seconds / parts.step_s)
        if name not in VARIANTS.values() and _clearly_below(part, parts.step_s):
            yield f"The part called {name} takes {share} of the step ({figures})."
        if seconds > MORE * parts.step_s and (part.low is None or part.low > parts.step_s):
            yield f"The part called {name} takes {share} of the step ({figures})."
    least_s = sum((part.seconds or 0.0) if part.low is None else part.low for part in of.values())
    if least_s > BEYOND * parts.step_s:
        together = duration(sum(part.seconds or 0.0 for part in of.values()))
        yield f"The parts of the step add up to {together}, the step takes {duration(parts.step_s)}."
