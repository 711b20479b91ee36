"""Findings about the exposed parts of the step, and about metrics that are not known. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.cases import Case, Quantity, numbers
from reports.analysis.intervals import within
from reports.analysis.step_parts import share
from reports.findings.form import Finding
from reports.words.glossary import label_of
from reports.words.text import listed, percent, quantity

NOT_EXPECTED = ("scaling_efficiency", "background_read_bytes_per_s")
"""Metrics that a record lacks by design: one is derived here, the other exists only if requested."""


def exposed(cases: Sequence[Case], name: str, part: str) -> list[Finding]:
    """Return a finding on the share of the step that a part takes without overlap.

    Cases of a single rank have no communication.
    """
    asked = [case for case in cases if case.ok and (part != "communication" or case.ranks != 1)]
    shares = [(case, share(case, name)) for case in asked]
    known = [(case, fraction) for case, fraction in shares if fraction.value is not None]
    if not known:
        return []
    real = [(case, fraction) for case, fraction in known if fraction.sign == 1]
    negative = [case for case, fraction in known if fraction.sign == -1]
    blurred = [(case, fraction) for case, fraction in known if fraction.sign == 0]
    unsure = [case for case, fraction in known if fraction.sign is None]
    sentences = [f"The step with {part} less the step without it."]
    if real:
        case, most = max(real, key=lambda one: one[1].value or 0.0)
        step_s = case.value("step_s") or 0.0
        of = f"{quantity((most.value or 0.0) * step_s, 's')} of {quantity(step_s, 's')}"
        sentences.append(f"Largest: {percent(most.value or 0.0)}{within(most)}, {of}, at #{case.number}.")
    if blurred:
        highest = max(fraction.high or 0.0 for _, fraction in blurred)
        shown = numbers([case for case, _ in blurred])
        sentences.append(f"Not distinguishable from zero at {shown} (interval includes 0; at most {percent(highest)}).")
    if negative:
        sentences.append(f"Negative beyond its interval at {numbers(negative)}: the passes differ in more than {part}.")
    if unsure:
        sentences.append(f"No interval recorded at {numbers(unsure)}.")
    headline = _exposed_headline(part, real, len(known))
    return [
        Finding(
            "result", headline, " ".join(sentences), tuple(case for case, _ in real), tuple(case for case, _ in known)
        )
    ]


def _exposed_headline(part: str, real: Sequence[tuple[Case, Quantity]], n: int) -> str:
    if not real:
        return f"Exposed {part} is not distinguishable from zero" if n > 1 else f"Exposed {part}: none resolved"
    shares = sorted(fraction.value or 0.0 for _, fraction in real)
    shown = " to ".join(dict.fromkeys(percent(value) for value in (shares[0], shares[-1])))
    among_them = f"at {len(real)} of {n} points" if n > 1 else "at the one point that has it"
    several = " with several ranks" if part == "communication" and n > 1 else ""
    return f"Exposed {part} takes {shown} of the step {among_them}{several}"


def not_measured(cases: Sequence[Case]) -> list[Finding]:
    """Return a finding on metrics that no measured point knows, with the reasons."""
    ok = [record for case in cases for record in case.ok]
    names = dict.fromkeys(name for record in ok for name in record.metrics if name not in NOT_EXPECTED)
    reasons: dict[str, list[str]] = {}
    for name in names:
        if all(record.value(name) is None for record in ok):
            why = dict.fromkeys(str(record.metrics.get(name, {}).get("why") or "no reason recorded") for record in ok)
            reasons.setdefault(listed(why, 2), []).append(label_of(name))
    if not reasons:
        return []
    sentences = "; ".join(f"{listed(labels)}: {why}" for why, labels in reasons.items())
    missing = [label for labels in reasons.values() for label in labels]
    return [
        Finding("gap", f"Not known at any point: {listed(missing)}", sentences[:1].upper() + sentences[1:] + ".", ())
    ]
