"""The names beside the marks of a roofline chart. Imported only when a page is written."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from reports.charts.roofline import RoofChart, Spot
from reports.draw.label_placement import Box, Place, around, distance, place
from reports.draw.lines import fitting
from reports.draw.palette import FAINT, SECONDARY, colours

LETTER_EM, LINE_EM = 0.52, 1.15
"""Mean width and height of text, in font sizes."""
POINT_SIZE, LAYER_SIZE = 9.0, 7.5
MOST_LABELS, LONGEST = 14, 26
FAR = 13.0
"""Distance in points from which on a thin line leads from a label to its mark."""


def all_spots(chart: RoofChart) -> list[Place]:
    """Return the places of all marks, as (intensity, rate)."""
    points = [(spot.intensity, spot.flop_per_s) for path in chart.paths for spot in path.spots]
    return points + [(layer.intensity, layer.flop_per_s) for layer in chart.layers]


def write_labels(axes: Axes, chart: RoofChart) -> None:
    """Write the points' labels first, since they say more, then the layers'; all in points of the picture."""
    palette = colours(len(chart.paths))
    wanted = [
        (spot.label, (spot.intensity, spot.flop_per_s), POINT_SIZE, palette[i])
        for i, path in enumerate(chart.paths)
        for spot in _sparse(path.spots, len(chart.paths))
    ]
    wanted += [
        (layer.label, (layer.intensity, layer.flop_per_s), LAYER_SIZE, SECONDARY)
        for layer in sorted(chart.layers, key=lambda layer: -layer.intensity)  # the edge has least room
        if layer.label
    ]
    texts = [fitting(text, LONGEST) for text, _, _, _ in wanted]
    spots = [_points(axes, spot) for _, spot, _, _ in wanted]
    sizes = [
        (LETTER_EM * size * len(text) + 2, LINE_EM * size) for text, (_, _, size, _) in zip(texts, wanted, strict=True)
    ]
    marks = [around(_points(axes, spot), (9, 9)) for spot in all_spots(chart)]
    centres = place(spots, sizes, _inside(axes, chart), [*marks, *_names(axes, chart)], _runs(axes, chart))
    for text, (_, _, size, colour), spot, extent, centre in zip(texts, wanted, spots, sizes, centres, strict=True):
        _write(axes, text, size, colour, spot, centre, distance(spot, around(centre, extent)) > FAR)


def _sparse(spots: Sequence[Spot], paths: int) -> Sequence[Spot]:
    """Return all spots, or a path's ends if there are many."""
    few = len(spots) * paths <= MOST_LABELS
    return spots if few or len(spots) < 3 else (spots[0], spots[-1])


def _points(axes: Axes, spot: Place) -> Place:
    """Return a spot's place on the picture, in points."""
    x, y = axes.transData.transform(spot)
    scale = 72 / axes.figure.dpi
    return float(x * scale), float(y * scale)


def _inside(axes: Axes, chart: RoofChart) -> Box:
    """Return the box for labels: below the arithmetic roof, unless a mark is beyond it."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    top = chart.flop_per_s if all(y < chart.flop_per_s for _, y in all_spots(chart)) else top
    return *_points(axes, (left, bottom)), *_points(axes, (right, top))


def _names(axes: Axes, chart: RoofChart) -> list[Box]:
    """Return the box of the arithmetic roof's name."""
    x, y = _points(axes, (1.15 * chart.flop_per_s / chart.bytes_per_s, chart.flop_per_s))
    return [(x, y - 13, x + 190, y + 13)]


def _runs(axes: Axes, chart: RoofChart) -> list[Place]:
    """Return places every few points along all lines."""
    low, high = axes.get_xlim()
    ridge = chart.flop_per_s / chart.bytes_per_s
    lines = [[(low, low * chart.bytes_per_s), (ridge, chart.flop_per_s), (high, chart.flop_per_s)]]
    lines += [[(spot.intensity, spot.flop_per_s) for spot in path.spots] for path in chart.paths]
    places = []
    for line in lines:
        ends = [_points(axes, spot) for spot in line]
        for (x, y), (to_x, to_y) in itertools.pairwise(ends):
            n = max(1, int(math.hypot(to_x - x, to_y - y) // 5))
            places += [(x + (to_x - x) * i / n, y + (to_y - y) * i / n) for i in range(n + 1)]
    return places


def _write(axes: Axes, text: str, size: float, colour: str, spot: Place, centre: Place, far: bool) -> None:
    arrow = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
    axes.annotate(
        text, spot, centre, xycoords="figure points", textcoords="figure points", ha="center", va="center",
        fontsize=size, color=colour, arrowprops=arrow if far else None, zorder=6, annotation_clip=False,
    )  # fmt: skip
