"""The colours, line styles and sizes of all figures.

The colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/), which readers with colour vision deficiencies can
distinguish. Marks of different colours also have different labels, and ranks differ in line style and marker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from matplotlib import colormaps
from matplotlib.colors import to_hex

from reports.analysis.step_parts import (
    CACHE,
    COMMUNICATION,
    COMPUTE,
    COPY,
    HOST,
    INPUT,
    KERNELS,
    MEMORY,
    REST,
    STRAGGLER,
    UNEXPLAINED,
)

Dash = Literal["-", "--", ":", "-."]

BLUE, SKY, GREEN, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#F0E442"
ORANGE, VERMILION, PURPLE, BLACK = "#E69F00", "#D55E00", "#CC79A7", "#000000"
INK, FRAME, SECONDARY, FAINT, ROOF, GRID = "#222", "#444", "#555", "#999", "#777", "#dde1e4"
"""In this order: text and measured lines, axes, explanations, leaders to labels, a datasheet's roof, the grid."""

SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
STYLES: tuple[tuple[Dash, str], ...] = (("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"))
LOST = {"oom": "v", "invalid": "P"}
"""Markers of points without a value, by status; X for any other status."""
PARTS_OF_A_STEP = {
    INPUT: ORANGE, COPY: SKY, COMMUNICATION: BLUE, STRAGGLER: PURPLE, HOST: VERMILION, COMPUTE: GREEN, MEMORY: YELLOW,
    CACHE: "#661100", KERNELS: "#8c8c8c", UNEXPLAINED: "#d3d8dc", REST: "#d3d8dc",
}  # fmt: skip
DARK = (COMMUNICATION, HOST, COMPUTE, CACHE)
"""Parts on which white figures are easier to read."""
WIDTH = 9.4
"""Inches; the page shows figures a little larger, A4 a little smaller."""


def colours(n: int) -> Sequence[str]:
    """Return `n` distinct colours; beyond seven, an ordered scale."""
    if n <= len(SERIES):
        return SERIES
    return [to_hex(colormaps["viridis"](0.92 * i / (n - 1))) for i in range(n)]
