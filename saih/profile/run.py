"""The profiled pass: a few steps under torch's profiler, of which rank 0's trace is read.

All ranks run under the profiler, though only rank 0's trace counts: it slows a rank down, and a rank that is slow
alone makes the others wait, which would look like communication. Whatever fails in profiling itself leaves a reason
instead of a profile. What fails in the steps ends the group as ever: a rank's peers cannot be told, and a device may be
unusable after it; the driver then measures the point again, without this pass (saih/sweep/attempt.py).

On a CPU the steps are those without input, where the application has such: threads that read and decode share the
cores with the work, and would make whatever they happen to run beside look slow. What they cost is known by difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from torch import nn

from saih.app import Work
from saih.measure.blocks import Ranks
from saih.metrics import from_blocks
from saih.profile import alone
from saih.profile.breakdown import breakdown, mark_missing
from saih.profile.passes import Pass, event_cost_s, words

STEPS = 3
LONG_STEP_S, VERY_LONG_STEP_S = 2.0, 5.0
"""Of steps longer than this one is profiled; of still longer ones none before it to warm the profiler up."""
LONG_TRACE_BYTES = 5 * 2**20
"""Of steps that leave a longer trace one is profiled: reading it takes most of a second."""
HEATING_S = 0.5
"""A GPU at its power limit computes faster for a while after it has idled, as it does before a pass. So steps of this
time run right before the profiled ones, as far as the trace stays within `LONG_TRACE_BYTES`."""
SLOW, PASSES = 1.25, 3
"""A few steps are easily disturbed: a pass whose steps took so many times the timed ones is made again, at most so many
in all, and the fastest is kept."""
NAMELESS = "the application names no layers"
COMPILED = "the layers of a compiled execution cannot be seen from outside"
NO_INPUT = "the profiled steps are those without input"


def profile(
    work: Work, ranks: Ranks, marked: Callable[[], AbstractContextManager[Any]], samples: Mapping[str, Any], plain: bool
) -> dict[str, Any]:
    """samples["profile"] of ``work``, equal on all ranks, but for what layers cost.

    ``marked`` is a context in which `Context.region` marks the trace; ``samples``: of the timed blocks; ``plain``:
    whether the point's execution is. Raises what the steps raise.
    """
    kind = ranks.device.split(":")[0]
    variant, work = _variant(work, kind, samples)
    step_s = from_blocks.step_s(samples, variant)
    modules = dict(work.layers()) if hasattr(work, "layers") else {}
    with marked():
        warming = Pass(work, ranks, modules)
        warming.run(0 if step_s > VERY_LONG_STEP_S else 1, step_s, keep=False)
        few = step_s > LONG_STEP_S or warming.trace_bytes > LONG_TRACE_BYTES
        before = heating(step_s, warming.trace_bytes) if kind == "cuda" else 0
        steps, before = ranks.broadcast((1 if few else STEPS, before))
        pass_ = _undisturbed(work, ranks, modules, steps, before, step_s)
    found = ranks.broadcast(_analysed(pass_, steps, kind, modules))
    if "busy_s" not in found:
        return dict(found)
    found |= {"variant": variant}
    if variant != "full":
        found = mark_missing(found | {"exposed_input_s": None}, {"exposed_input_s": NO_INPUT})
    if not modules:
        return mark_missing(found, {"layers": NAMELESS if plain else COMPILED})
    seconds = max(alone.SECONDS[kind], min(alone.STEPS * step_s, alone.MOST_S))
    return alone.fill(found, modules, pass_.seen, ranks, seconds)


def _variant(work: Work, device: str, samples: Mapping[str, Any]) -> tuple[str, Work]:
    """Return the variant to profile: its name among the timed blocks, and its work."""
    calm = work.without("input") if device == "cpu" and "without_input" in samples["block_s"] else None
    return ("full", work) if calm is None else ("without_input", calm)


def heating(step_s: float, step_bytes: int) -> int:
    """Steps that run right before the profiled ones. ``step_bytes``: what one leaves in a trace."""
    return max(0, min(int(HEATING_S / step_s), LONG_TRACE_BYTES // max(1, step_bytes) - STEPS))


def _undisturbed(
    work: Work, ranks: Ranks, modules: Mapping[str, nn.Module], steps: int, before: int, step_s: float
) -> Pass:
    """The fastest of as many passes as it takes, `PASSES` at most, until one is about as fast as the timed steps."""
    found: list[Pass] = []
    for _ in range(1 if step_s > LONG_STEP_S else PASSES):
        found.append(Pass(work, ranks, modules))
        found[-1].run(steps, step_s, before=before)
        if ranks.broadcast(found[-1].why is not None or found[-1].seconds <= SLOW * steps * step_s):
            break
        found = [min(found, key=lambda each: (each.why is not None, each.seconds))]
    return min(found, key=lambda each: (each.why is not None, each.seconds))


def _analysed(pass_: Pass, steps: int, device: str, modules: Mapping[str, nn.Module]) -> dict[str, Any]:
    """The breakdown of rank 0's trace; one in a form that is not understood leaves a reason."""
    if pass_.why is not None:
        return _none(pass_.why)
    try:
        cost_s = event_cost_s() if device == "cpu" else 0.0
        found = breakdown(pass_.events, steps, device, list(modules) or None, _item_bytes(modules), cost_s)
    except Exception as error:
        return _none(f"the trace could not be read: {words(error)}")
    return found if _finite(found) else _none("the trace holds times that are not finite")


def _none(why: str) -> dict[str, Any]:
    return {"why": {"profile": why}}


def _item_bytes(modules: Mapping[str, nn.Module]) -> int | None:
    """Bytes of a number of all parameters, if they are all of one size."""
    sizes = {parameter.element_size() for module in modules.values() for parameter in module.parameters()}
    return sizes.pop() if len(sizes) == 1 else None


def _finite(found: Any) -> bool:
    if isinstance(found, dict):
        return all(map(_finite, found.values()))
    if isinstance(found, list):
        return all(map(_finite, found))
    return not isinstance(found, float) or math.isfinite(found)
