"""Places for labels that overlap neither one another nor the marks, and few lines. Pure.

Each label tries places on rings around its mark, nearest first, and takes the one that costs least. A place that
overlaps another label or leaves the picture is worse than any other; then come places on marks, those behind another
label, those on lines, and those far from their marks. Lengths are in one unit, y upwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""
Place = tuple[float, float]

RINGS = (8.0, 16.0, 28.0, 42.0, 58.0, 76.0, 96.0)
DIRECTIONS, WAY = 16, 8
OUTSIDE, ON_LABEL, ON_MARK, ACROSS, ON_LINE = 1e6, 1e5, 300.0, 40.0, 12.0


def place(
    spots: Sequence[Place], sizes: Sequence[Place], inside: Box, marks: Sequence[Box], lines: Sequence[Place]
) -> list[Place]:
    """Return the centres of labels of these sizes (width, height) for these spots.

    `lines` are points along the lines of the chart.
    """
    taken: list[Box] = []
    centres = []
    lines = list(lines)
    for spot, size in zip(spots, sizes, strict=True):
        best = min(_candidates(spot, size), key=lambda at: _cost(at, spot, size, inside, taken, marks, lines))
        taken.append(around(best, size))
        lines += _way(spot, best)
        centres.append(best)
    return centres


def around(centre: Place, size: Place) -> Box:
    """Return the box of a label."""
    (x, y), (width, height) = centre, size
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def overlap(a: Box, b: Box) -> bool:
    """True if two boxes share more than an edge."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _candidates(spot: Place, size: Place) -> list[Place]:
    """Return centres whose boxes' nearest edge is a ring's radius away, with the one to the right of the mark first."""
    centres = []
    for radius in RINGS:
        for turn in range(DIRECTIONS):
            angle = 2 * math.pi * turn / DIRECTIONS
            x, y = math.cos(angle), math.sin(angle)
            centres.append((spot[0] + x * (radius + size[0] / 2), spot[1] + y * (radius + size[1] / 2)))
    return centres


def _cost(
    at: Place, spot: Place, size: Place, inside: Box, taken: Sequence[Box], marks: Sequence[Box], lines: Sequence[Place]
) -> float:
    box = around(at, size)
    out = box[0] < inside[0] or box[1] < inside[1] or box[2] > inside[2] or box[3] > inside[3]
    return (
        OUTSIDE * out
        + ON_LABEL * sum(overlap(box, other) for other in taken)
        + ON_MARK * sum(overlap(box, mark) for mark in marks)
        + ACROSS * sum(_in(other, at_) for other in taken for at_ in _way(spot, at))
        + ON_LINE * sum(_in(box, at_) for at_ in lines)
        + distance(spot, box)
    )


def _way(spot: Place, centre: Place) -> list[Place]:
    """Return places on the way from a mark to its label's middle."""
    return [
        (spot[0] + (centre[0] - spot[0]) * i / WAY, spot[1] + (centre[1] - spot[1]) * i / WAY) for i in range(1, WAY)
    ]


def _in(box: Box, spot: Place) -> bool:
    return box[0] < spot[0] < box[2] and box[1] < spot[1] < box[3]


def distance(spot: Place, box: Box) -> float:
    """Return the distance from a spot to the nearest place of a box; 0 inside the box."""
    across = max(box[0] - spot[0], 0.0, spot[0] - box[2])
    up = max(box[1] - spot[1], 0.0, spot[1] - box[3])
    return math.hypot(across, up)
