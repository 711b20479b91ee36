"""A trace as pieces of work: the busy time of each, and its class, phase and layer. Pure.

On a CPU a piece is the time of the rank's own thread in an operation. On a GPU it is a kernel, a copy within the device
or a memory set, with the operation that launched it; if several run at once, their time is shared among them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saih.profile import classes
from saih.profile.intervals import Interval, minus, shares, union
from saih.profile.trace import CALLS, COPY, KERNEL, OPERATION, SET, Event
from saih.profile.traffic import bytes_of, looks_up
from saih.profile.tree import REGION, Node, every

PHASES = ("forward", "backward", "optimiser")
OTHER = "other"
TO, FROM = ("HtoD", "HostToDevice"), ("DtoH", "DeviceToHost")
"""The names of copies between host and device."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of work: `busy_s` of a class, in a phase, in a layer's forward or backward; `bytes` None: unknown."""

    kind: str
    phase: str
    layer: str | None
    backward: bool
    busy_s: float
    count: int
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Work:
    """The pieces of a trace, the number of communications, and the intervals of computation, communication and copies.

    `copies` are from or to the host, `arriving` those from it.
    """

    pieces: Sequence[Piece]
    talks: int
    busy: list[Interval]
    communication: list[Interval]
    copies: list[Interval]
    arriving: list[Interval]


class Regions:
    """The parts of steps marked by the application on its main thread."""

    def __init__(self, events: Sequence[Event], main: object) -> None:
        ours = [event for event in events if event.thread == main and event.name.startswith(REGION)]
        self._marked = sorted((*event.interval, event.name.removeprefix(REGION)) for event in ours)
        self._begins = [begin for begin, _, _ in self._marked]

    def __bool__(self) -> bool:
        return bool(self._marked)

    def of(self, name: str) -> list[Interval]:
        """Return the intervals of region `name`."""
        return union((begin, end) for begin, end, each in self._marked if each == name)

    def phase(self, when_s: float) -> str:
        """Return the phase of the main thread at a time."""
        at = bisect_right(self._begins, when_s) - 1
        if at < 0 or self._marked[at][1] <= when_s:
            return OTHER
        return self._marked[at][2] if self._marked[at][2] in PHASES else OTHER


def of_cpu(
    events: Sequence[Event],
    tops: Sequence[Node],
    regions: Regions,
    item_bytes: int | None,
    event_cost_s: float,
) -> Work:
    """Return the work of a rank's own thread with topmost nodes `tops`; gloo communicates on threads of its own.

    `event_cost_s`: the time to record an operation, which is subtracted from the operation that called it.
    """
    talks = [event for event in events if classes.of_operation(event.name) == "communication"]
    inside = [node for node in every(tops) if node.event.kind == OPERATION]
    outermost = [n.event.interval for n in inside if n.parent is None or n.parent.event.kind != OPERATION]
    handing = union(node.event.interval for node in inside if node.kind == "communication")
    pieces = []
    for node in inside:
        if node.kind != "communication":
            pieces.append(_piece(node, regions, node.own_s(event_cost_s), item_bytes))
    number = sum(event.kind != OPERATION for event in talks) or len(talks)
    return Work(pieces, number, minus(union(outermost), handing), union(event.interval for event in talks), [], [])


def _piece(node: Node, regions: Regions, busy_s: float, item_bytes: int | None) -> Piece:
    counts = node.whole is node and not classes.moves_nothing(node.event.name)
    moved = traffic(node, item_bytes) if counts else 0
    phase = regions.phase(node.event.begin_s)
    return Piece(node.kind or OTHER, phase, node.layer, node.backward, busy_s, int(counts), moved)


def of_gpu(
    events: Sequence[Event], roots: Mapping[object, Sequence[Node]], regions: Regions, item_bytes: int | None
) -> Work:
    """Return the work of a device; `roots`: the operations of every thread of the host."""
    device = [event for event in events if event.kind in (KERNEL, COPY, SET)]
    launched = _Launches(roots)
    copies = [event for event in device if event.kind == COPY and any(way in event.name for way in (*TO, *FROM))]
    arriving = [event for event in copies if any(way in event.name for way in TO)]
    host = set(map(id, copies))
    rest = [event for event in device if id(event) not in host]
    talking = [event for event in rest if _communicates(event, launched.node(event))]
    talk = set(map(id, talking))
    own = [event for event in rest if id(event) not in talk]
    pieces, seen = [], set()
    for event, busy_s in zip(own, shares([event.interval for event in own]), strict=True):
        node = launched.node(event)
        first = node is None or node.whole is None or id(node.whole) not in seen
        pieces.append(
            _device_piece(event, node, regions if launched.computes(node) else None, busy_s, first, item_bytes)
        )
        if node is not None:
            seen.add(id(node.whole))
    when = [union(event.interval for event in each) for each in (own, talking, copies, arriving)]
    return Work(pieces, len(talking), *when)


def _device_piece(
    event: Event, node: Node | None, regions: Regions | None, busy_s: float, first: bool, item_bytes: int | None
) -> Piece:
    """Return a kernel as a piece with the operation that launched it; an operation's `first` kernel has all bytes."""
    if node is None or node.whole is None:
        moved = _event_bytes(event)
    else:
        moved = traffic(node.whole, item_bytes) if first else 0
    known = node.kind if node is not None and node.kind != "fused" else None
    phase = regions.phase(node.event.begin_s) if node is not None and regions is not None else OTHER
    layer, backward = (node.layer, node.backward) if node is not None else (None, False)
    return Piece(known or classes.of_kernel(event.name), phase, layer, backward, busy_s, 1, moved)


def traffic(whole: Node, item_bytes: int | None) -> int | None:
    """Return the least bytes of a topmost operation: its own, or those of the copies and settings inside it."""
    inner = [n for n in whole.all() if n.whole is whole and n is not whole and n.event.kind == OPERATION]
    kind, name = whole.kind or OTHER, whole.event.name
    if kind in ("copy", "random") and not looks_up(name):
        done = [n for n in inner if n.event.name.endswith("_") and classes.of_operation(n.event.name) in (kind, "copy")]
        if done:
            moved = [bytes_of(n.event.name, kind, n.event.args, item_bytes) for n in done]
            return None if None in moved else sum(each or 0 for each in moved)
        if inner or name in ("aten::to", "aten::contiguous"):  # nothing to do, or only an allocation
            return 0
    return bytes_of(name, kind, whole.event.args, item_bytes)


class _Launches:
    """Links from operations on the host to the work that they launched on the device."""

    def __init__(self, roots: Mapping[object, Sequence[Node]]) -> None:
        self._by_id: dict[object, Node] = {}
        self._by_call: dict[object, Node] = {}
        self._computing: set[object] = set()
        for thread, tops in roots.items():
            for node in every(tops):
                args = node.event.args
                if node.event.kind == OPERATION:
                    self._computing.add(thread)
                    if "External id" in args:
                        self._by_id[args["External id"]] = node
                elif node.event.kind in CALLS and "correlation" in args:
                    self._by_call[args["correlation"]] = node

    def node(self, event: Event) -> Node | None:
        """Return the operation that launched `event` according to the profiler, else the call of a device's library."""
        linked = self._by_id.get(event.args.get("External id"))
        return linked or self._by_call.get(event.args.get("correlation"))

    def computes(self, node: Node | None) -> bool:
        """True if the node is on a thread with the step's operations; other threads' are no part of a phase."""
        return node is not None and node.event.thread in self._computing


def _communicates(event: Event, node: Node | None) -> bool:
    return classes.of_kernel(event.name) == "communication" or (node is not None and node.kind == "communication")


def _event_bytes(event: Event) -> int | None:
    """Return the bytes of a copy (read and written) or a memory set without an operation of torch; None if unknown."""
    moved = event.args.get("bytes")
    if event.kind == KERNEL or not isinstance(moved, int):
        return None
    return 2 * moved if event.kind == COPY else moved
