"""Sets of times as sorted, disjoint intervals (begin, end), in seconds. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

Interval = tuple[float, float]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the time that at least one of `intervals` covers."""
    merged: list[Interval] = []
    for begin, end in sorted(intervals):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        elif end > begin:
            merged.append((begin, end))
    return merged


def total(intervals: Iterable[Interval]) -> float:
    """Return the seconds of disjoint intervals."""
    return sum(end - begin for begin, end in intervals)


def minus(these: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    """Return the time in `these` and not in `others`; both disjoint and sorted."""
    left: list[Interval] = []
    first = 0
    for begin, end in these:
        while first < len(others) and others[first][1] <= begin:
            first += 1
        at = first
        while at < len(others) and others[at][0] < end:
            if others[at][0] > begin:
                left.append((begin, others[at][0]))
            begin = max(begin, others[at][1])
            at += 1
        if end > begin:
            left.append((begin, end))
    return left


def shares(intervals: Sequence[Interval]) -> list[float]:
    """Return seconds of each interval, with time under several divided equally among them; the sum is the union's time.

    Figures of groups of work thus add up, even if groups overlap on several streams of a device.
    """
    figures = [0.0] * len(intervals)
    running: dict[int, float] = {}  # running interval -> `got` at its begin
    ends: list[tuple[float, int]] = []
    got = now = 0.0

    def until(when: float) -> None:
        nonlocal got, now
        if running:
            got += (when - now) / len(running)
        now = when

    def end_before(when: float) -> None:
        while ends and ends[0][0] <= when:
            end, number = heapq.heappop(ends)
            until(end)
            figures[number] = got - running.pop(number)

    for number in sorted(range(len(intervals)), key=lambda each: intervals[each]):
        begin, end = intervals[number]
        end_before(begin)
        until(begin)
        running[number] = got
        heapq.heappush(ends, (max(begin, end), number))
    end_before(float("inf"))
    return figures
