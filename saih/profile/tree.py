"""Events of the host's threads as call trees, and the class of each operation. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from saih.profile import classes
from saih.profile.trace import ANNOTATION, CALLS, OPERATION, Event

LAYER, REGION, PASS = "saih.layer:", "saih.region:", "saih.pass"
_ROUNDING_S = 1e-9
"""Begin and duration are rounded to three decimals of a microsecond: a child may seem to end later by this much."""


@dataclass(eq=False, slots=True)
class Node:
    """An operation, an annotation of ours or a call of the device's library, with its calls as children.

    `kind` is the class of the operation that it is a part of or, if unknown, of the node of the backward graph that
    called it; `whole` is the topmost operation that it is a part of, None outside any.
    """

    event: Event
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    kind: str | None = None
    whole: Node | None = None
    layer: str | None = None
    backward: bool = False

    def all(self) -> Iterator[Node]:
        """Yield this node and all below it, callers first."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def own_s(self, event_cost_s: float) -> float:
        """Return the seconds in the node without its calls, and without `event_cost_s` for recording each of those."""
        event = self.event
        called_s = sum(child.event.end_s - child.event.begin_s + event_cost_s for child in self.children)
        return max(0.0, event.end_s - event.begin_s - called_s)


def grow(events: Iterable[Event]) -> dict[object, list[Node]]:
    """Return thread -> its topmost nodes in order of time, all of them with class and layer."""
    threads: dict[object, list[Event]] = {}
    for event in events:
        ours = event.kind == ANNOTATION and event.name.startswith("saih.")
        if event.kind in (OPERATION, *CALLS) or ours:
            threads.setdefault(event.thread, []).append(event)
    roots = {thread: _nested(each) for thread, each in threads.items()}
    for tops in roots.values():
        for node in every(tops):
            _classify(node)
    _assign_layers(roots)
    return roots


def every(tops: Iterable[Node]) -> Iterator[Node]:
    """Yield all nodes of some trees, callers before their calls."""
    for top in tops:
        yield from top.all()


def _nested(events: list[Event]) -> list[Node]:
    tops: list[Node] = []
    open_: list[Node] = []
    for event in sorted(events, key=lambda each: (each.begin_s, -each.end_s)):
        while open_ and open_[-1].event.end_s < event.end_s - _ROUNDING_S:
            open_.pop()
        while open_ and open_[-1].event.end_s <= event.begin_s:
            open_.pop()
        node = Node(event, open_[-1] if open_ else None)
        (open_[-1].children if open_ else tops).append(node)
        open_.append(node)
    return tops


def _classify(node: Node) -> None:
    """Set a node's class and the whole that it is a part of, with those of its caller already set."""
    above, name = node.parent, node.event.name
    if above is not None and above.whole is not None:
        node.whole, node.kind = above.whole, above.kind
        if name not in classes.APART or above.kind not in classes.WHOLE:
            return
    elif above is not None:
        node.kind = above.kind
    if node.event.kind != OPERATION:
        return
    own = classes.of_operation(name)
    if classes.is_node(name) or own == "fused":
        node.kind = own or node.kind  # not counted itself, but a call in it may have no class of its own
    elif own is not None:
        node.kind, node.whole = own, node
    elif not any(child.event.kind == OPERATION for child in node.children):
        node.whole = node


def _assign_layers(roots: dict[object, list[Node]]) -> None:
    """Set each node's layer: forward by the annotation around it, backward by the operation whose gradient it computes.

    A node of the backward graph has the sequence number of its forward operation: the latest operation before it that
    was about to make a node of that number.
    """
    forward: dict[Any, list[Node]] = {}
    for node in (each for tops in roots.values() for each in every(tops)):
        event = node.event
        if event.kind == ANNOTATION and event.name.startswith(LAYER):
            node.layer = event.name.removeprefix(LAYER)
        elif node.parent is not None:
            node.layer, node.backward = node.parent.layer, node.parent.backward
        number = event.args.get("Sequence number")
        if number is not None and not event.args.get("Fwd thread id"):
            forward.setdefault(number, []).append(node)
    for node in (each for tops in roots.values() for each in every(tops)):
        event = node.event
        if event.args.get("Fwd thread id"):
            before = [n for n in forward.get(event.args.get("Sequence number"), ()) if n.event.begin_s < event.begin_s]
            made = max(before, key=lambda each: each.event.begin_s, default=None)
            node.layer, node.backward = (made.layer if made else None), True
        elif node.parent is not None and node.parent.backward:
            node.layer, node.backward = node.parent.layer, True
