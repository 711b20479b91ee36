"""A matplotlib figure -> SVG text: the same bytes for the same data, and fit to stand inside a page.

Text stays text (svg.fonttype none), ids come from a fixed salt, and there is no date. Inside a page, ids get a prefix
because several figures share one document. matplotlib's style sheet is removed because it would affect the whole page;
style.css has the same rules for figures only.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

from reports.draw.palette import FRAME, GRID, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FONTS = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Helvetica, Arial, sans-serif"
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "saih",
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FRAME,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": FRAME,
    "ytick.color": FRAME,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "hatch.linewidth": 1.0,
    "legend.frameon": False,
}


@contextmanager
def settings() -> Iterator[None]:
    """Use matplotlib's defaults and the settings above while a figure is made; then restore the caller's settings."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the reader's font counts, not ours
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


def to_svg(figure: Figure) -> str:
    """Return the figure as an SVG file."""
    file = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(file, format="svg", metadata=nothing)
    text = re.sub(r"'DejaVu Sans'[^\"&;]*sans-serif", FONTS, file.getvalue())
    return re.sub(r"[ \t]+\n", "\n", text)


def inline(svg: str, prefix: str, alt: str) -> str:
    """Return the SVG as a page's element: no prologue, ids of its own, and a text for those who cannot see it."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', body)
    return body.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1).strip()
