"""The profiled pass: a few steps under torch's profiler, of which rank 0's trace is read.

All ranks run under the profiler, though only rank 0's trace counts: it slows a rank down, and a single slow rank makes
the others wait, which would look like communication. A failure of the profiler leaves a reason instead of a profile. A
failure of the steps ends the worker group as usual: a rank's peers cannot be informed, and a device may be unusable
after it; the driver then measures the point again, without this pass (saih/sweep/attempt.py).

On a CPU the steps are those without input, if the application has such. Threads that read and decode share the cores
with the work, and would make any operation look slow that happens to run beside them. Their cost is known by
difference.
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
"""Of steps longer than the first only one is profiled; of those longer than the second none runs before to warm up."""
LONG_TRACE_BYTES = 5 * 2**20
"""Of steps that leave a longer trace only one is profiled: reading it takes most of a second."""
HEATING_S = 0.5
"""The time of the steps right before the profiled ones, as far as the trace stays within `LONG_TRACE_BYTES`.

A GPU at its power limit computes faster for a while after it has been idle, as before a pass.
"""
SLOW, PASSES = 1.25, 3
"""A pass is repeated if its steps took this multiple of the timed ones, up to this many passes; the fastest is kept."""
NAMELESS = "the application names no layers"
COMPILED = "the layers of a compiled execution cannot be seen from outside"
NO_INPUT = "the profiled steps are those without input"


def profile(
    work: Work, ranks: Ranks, marked: Callable[[], AbstractContextManager[Any]], samples: Mapping[str, Any], plain: bool
) -> dict[str, Any]:
    """Return samples["profile"] of `work`, equal on all ranks, without the costs of layers.

    `marked` is a context in which `Context.region` marks the trace; `samples`: of the timed blocks; `plain`: True if
    the point's execution is. Raises the errors of the steps.
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
    result = ranks.broadcast(_analysed(pass_, steps, kind, modules))
    if "busy_s" not in result:
        return dict(result)
    result |= {"variant": variant}
    if variant != "full":
        result = mark_missing(result | {"exposed_input_s": None}, {"exposed_input_s": NO_INPUT})
    if not modules:
        return mark_missing(result, {"layers": NAMELESS if plain else COMPILED})
    seconds = max(alone.SECONDS[kind], min(alone.STEPS * step_s, alone.MOST_S))
    return alone.fill(result, modules, pass_.seen, ranks, seconds)


def _variant(work: Work, device: str, samples: Mapping[str, Any]) -> tuple[str, Work]:
    """Return the variant to profile: its name among the timed blocks, and its work."""
    calm = work.without("input") if device == "cpu" and "without_input" in samples["block_s"] else None
    return ("full", work) if calm is None else ("without_input", calm)


def heating(step_s: float, step_bytes: int) -> int:
    """Return the number of steps to run right before the profiled ones; `step_bytes`: the trace of one step."""
    return max(0, min(int(HEATING_S / step_s), LONG_TRACE_BYTES // max(1, step_bytes) - STEPS))


def _undisturbed(
    work: Work, ranks: Ranks, modules: Mapping[str, nn.Module], steps: int, before: int, step_s: float
) -> Pass:
    """Return the fastest of up to `PASSES` passes, repeated until one is about as fast as the timed steps."""
    passes: list[Pass] = []
    for _ in range(1 if step_s > LONG_STEP_S else PASSES):
        passes.append(Pass(work, ranks, modules))
        passes[-1].run(steps, step_s, before=before)
        if ranks.broadcast(passes[-1].why is not None or passes[-1].seconds <= SLOW * steps * step_s):
            break
        passes = [min(passes, key=lambda each: (each.why is not None, each.seconds))]
    return min(passes, key=lambda each: (each.why is not None, each.seconds))


def _analysed(pass_: Pass, steps: int, device: str, modules: Mapping[str, nn.Module]) -> dict[str, Any]:
    """Return the breakdown of rank 0's trace; a trace in an unknown form leaves a reason."""
    if pass_.why is not None:
        return _none(pass_.why)
    try:
        cost_s = event_cost_s() if device == "cpu" else 0.0
        result = breakdown(pass_.events, steps, device, list(modules) or None, _item_bytes(modules), cost_s)
    except Exception as error:
        return _none(f"the trace could not be read: {words(error)}")
    return result if _finite(result) else _none("the trace holds times that are not finite")


def _none(why: str) -> dict[str, Any]:
    return {"why": {"profile": why}}


def _item_bytes(modules: Mapping[str, nn.Module]) -> int | None:
    """Return the bytes of a number if all parameters have the same, else None."""
    sizes = {parameter.element_size() for module in modules.values() for parameter in module.parameters()}
    return sizes.pop() if len(sizes) == 1 else None


def _finite(found: Any) -> bool:
    if isinstance(found, dict):
        return all(map(_finite, found.values()))
    if isinstance(found, list):
        return all(map(_finite, found))
    return not isinstance(found, float) or math.isfinite(found)
