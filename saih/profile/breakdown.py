"""Events of a trace -> the time of a step by class, phase and layer, in the form of the record. Pure.

Everything is per step, of one rank. docs/profile.md explains each figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from saih.profile import pieces, tree
from saih.profile.intervals import minus, total, union
from saih.profile.pieces import OTHER, PHASES, Piece, Regions, Work
from saih.profile.trace import ANNOTATION, Event

DEVICES = {"cuda": "GPU", "cpu": "CPU"}
NO_REGIONS = "the application marks no parts of its step (Context.region)"
NO_INPUT = "the application marks no input in its step (Context.region)"
UNKNOWN_BYTES = "the trace does not tell what communication moves, nor the types in lists of arrays, if they differ"


def breakdown(
    events: Sequence[Event],
    steps: int,
    device: str,
    layers: Sequence[str] | None,
    item_bytes: int | None,
    event_cost_s: float = 0.0,
) -> dict[str, Any]:
    """Return the profile of `steps` steps on `device` ("cuda" or "cpu"), without the layers' costs and times alone.

    The steps are those in the annotation `tree.PASS`; earlier events of the trace do not count.

    `layers`: names of the layers in the order of the network, or None if they cannot be distinguished. `item_bytes`:
    bytes of a number in lists of tensors; `event_cost_s`: the time to record an operation on the host, which is
    subtracted from a CPU's times. Without any work in the trace the result is {"why": {"profile": ...}}. Raises
    ValueError if the trace lacks the annotation of the pass.
    """
    passes = [event for event in events if event.name == tree.PASS and event.kind == ANNOTATION]
    if len(passes) != 1:
        raise ValueError(f"the trace holds {len(passes)} passes instead of one")
    (span,) = passes
    since = [event for event in events if event.begin_s >= span.begin_s]
    regions = Regions(since, span.thread)
    roots = tree.grow(since)
    if device == "cuda":
        work = pieces.of_gpu(since, roots, regions, item_bytes)
    else:
        inside = [event for event in since if event.begin_s < span.end_s]
        work = pieces.of_cpu(inside, roots[span.thread], regions, item_bytes, event_cost_s)
    if not work.pieces:
        return {"why": {"profile": f"the profiled steps held no work of torch on the {DEVICES[device]}"}}
    return _told(work, regions, span, steps, device, layers)


def _told(
    work: Work, regions: Regions, span: Event, steps: int, device: str, layers: Sequence[str] | None
) -> dict[str, Any]:
    step_s = (span.end_s - span.begin_s) / steps
    computing = union([*work.busy, *work.communication])
    anything = union([*computing, *work.copies])
    own = work.pieces
    classes = _by_class(own, steps)
    talk = {"class": "communication", "busy_s": total(work.communication) / steps, "count": work.talks / steps}
    with_talk = [*classes, talk | {"bytes": None}] if work.talks else classes
    profile = {
        "steps": steps,
        "step_s": step_s,
        "device": device,
        "busy_s": sum(piece.busy_s for piece in own) / steps,
        "comm_s": total(work.communication) / steps,
        "exposed_comm_s": total(minus(work.communication, union([*work.busy, *work.copies]))) / steps,
        "exposed_input_s": _exposed_input_s(work, regions, device, steps),
        "h2d_s": total(work.copies) / steps,
        "idle_s": step_s - total(anything) / steps,
        "operations": sum(piece.count for piece in own) / steps,
        "phases": _by_phase(own, steps) if regions else None,
        "classes": sorted(with_talk, key=lambda each: -float(each["busy_s"])),
        "layers": None if layers is None else [_layer(name, own, steps) for name in layers],
        "outside": _by_class([piece for piece in own if piece.layer not in (layers or ())], steps),
    }
    why = {"phases": NO_REGIONS} if not regions else {}
    if profile["exposed_input_s"] is None:
        why["exposed_input_s"] = NO_INPUT
    if any(each["bytes"] is None for each in with_talk):
        why["bytes"] = UNKNOWN_BYTES
    return profile | {"why": why}


def _exposed_input_s(work: Work, regions: Regions, device: str, steps: int) -> float | None:
    """Return a GPU's time without computation while the host read input or a copy ran, or a CPU's time for input."""
    marked = regions.of("input")
    if not marked:
        return None
    if device == "cpu":
        return total(marked) / steps
    return total(minus(union([*marked, *work.arriving]), union([*work.busy, *work.communication]))) / steps


def _by_phase(own: Iterable[Piece], steps: int) -> dict[str, float]:
    phases = dict.fromkeys((*PHASES, OTHER), 0.0)
    for piece in own:
        phases[piece.phase] += piece.busy_s / steps
    return phases


def _by_class(own: Iterable[Piece], steps: int) -> list[dict[str, Any]]:
    """Return the classes, the one with the longest time first."""
    groups: dict[str, list[Piece]] = {}
    for piece in own:
        groups.setdefault(piece.kind, []).append(piece)
    entries = [_class(name, each, steps) for name, each in groups.items()]
    return sorted(entries, key=lambda each: -float(each["busy_s"]))


def _class(name: str, group: Sequence[Piece], steps: int) -> dict[str, Any]:
    moved = [piece.bytes for piece in group]
    return {
        "class": name,
        "busy_s": sum(piece.busy_s for piece in group) / steps,
        "count": sum(piece.count for piece in group) / steps,
        "bytes": None if None in moved else sum(each or 0 for each in moved) / steps,
    }


def _layer(name: str, own: Iterable[Piece], steps: int) -> dict[str, Any]:
    """Return a layer's times; costs (saih/profile/costs.py) and times alone (saih/profile/alone.py) are added later."""
    mine = [piece for piece in own if piece.layer == name]
    return {
        "name": name,
        "forward_s": sum(piece.busy_s for piece in mine if not piece.backward) / steps,
        "backward_s": sum(piece.busy_s for piece in mine if piece.backward) / steps,
        "forward_count": sum(piece.count for piece in mine if not piece.backward) / steps,
        "backward_count": sum(piece.count for piece in mine if piece.backward) / steps,
        **dict.fromkeys(COSTS),
        **dict.fromkeys(ALONE),
    }


COSTS = ("forward_flop", "flop", "forward_bytes", "bytes")
ALONE = ("alone_forward_s", "alone_backward_s")


def mark_missing(profile: Mapping[str, Any], why: Mapping[str, str]) -> dict[str, Any]:
    """Return `profile` with additional reasons."""
    return {**profile, "why": {**profile["why"], **why}}
