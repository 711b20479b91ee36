"""Numbers in the form of the diagnosis's sentences. Pure."""

from __future__ import annotations

from collections.abc import Sequence

Told = tuple[str | None, float, str, str]
"""The description of a cause: its kind, seconds saved a step, evidence, help."""

_STEPS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def percent(share: float) -> str:
    """Return a share as percent: two digits below 10 %."""
    digits = 1 if abs(share) < 0.0995 else 0
    return f"{round(100 * share, digits) + 0.0:.{digits}f} %"  # + 0.0: no "-0.0"


def duration(seconds: float) -> str:
    """Return seconds as three digits with the fitting prefix: 0.0123 is 12.3 ms."""
    step, unit = next((scale for scale in _STEPS if abs(seconds) >= scale[0]), _STEPS[-1])
    return f"{seconds / step:.3g} {unit}"


def size(bytes_: float) -> str:
    """Return bytes as GiB or MiB."""
    return f"{bytes_ / 2**30:.3g} GiB" if bytes_ >= 2**30 else f"{bytes_ / 2**20:.3g} MiB"


def listed(words: Sequence[str]) -> str:
    """Return the words as a list: a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
