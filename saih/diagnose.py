"""Record -> bottleneck, with its evidence. Pure.

First form: what the differential passes can show. A part is named where its share of the step is at least 15 % and its
interval excludes zero. Launch gaps, memory bandwidth and arithmetic are not told apart yet: the verdict is then
"undetermined" and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMED_SHARE = 0.15
"""A part that costs less of the step than this is not called a bottleneck."""

PARTS = {"input": "exposed_input_s", "communication": "exposed_comm_s"}


def diagnose(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """{"verdict", "evidence", "shares"}: parts as shares of the step, the rest being what was not separated."""
    step_s = metrics["step_s"]["value"]
    shares = {part: metrics[name]["value"] / step_s for part, name in PARTS.items() if _known(metrics[name])}
    named = [part for part, share in shares.items() if share >= NAMED_SHARE and _nonzero(metrics[PARTS[part]])]
    rest = 1 - sum(shares.values())
    return {
        "verdict": " and ".join(f"{part}-bound" for part in named) or "undetermined",
        "evidence": _evidence(named, shares, rest),
        "shares": shares | {"rest": rest},
    }


def _evidence(named: list[str], shares: Mapping[str, float], rest: float) -> str:
    if named:
        told = [f"without {part} the step is {100 * shares[part]:.0f} % shorter" for part in named]
        return f"{' and '.join(told)}."
    told = [f"{part} {100 * share:.1f} %" for part, share in shares.items() if share]
    return f"{', '.join(told) or 'No part could be left out'}; the other {100 * rest:.0f} % are not told apart."


def _known(metric: Mapping[str, Any]) -> bool:
    return metric["value"] is not None


def _nonzero(metric: Mapping[str, Any]) -> bool:
    return bool(metric.get("low", metric["value"]) > 0)
