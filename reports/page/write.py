"""Report -> report.html and figures/: one file that needs nothing else, and each figure again as a file of its own.

Every file is written to a temporary name first and then renamed: there is the old page or the new one, never a part.
The page holds no script, asks for nothing over the network, and forbids both itself (Content-Security-Policy).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reports.analysis.runs import read_runs
from reports.charts.input import LoadChart, SourceChart
from reports.charts.roofline import RoofChart
from reports.charts.step import BarChart
from reports.charts.trend import Chart
from reports.page.report import Report, build
from saih.common.files import write_text

if TYPE_CHECKING:
    from markupsafe import Markup

TEMPLATE = "report.html.j2"


def write_report(runs: Sequence[Path], out: Path | None = None) -> Path:
    """Write the report on these run folders; returns its path. Raises InputError for a folder that is no run's.

    Without ``out`` it goes into the first run's folder as report.html. Figures go beside it, into figures/, or for a
    page of another name into <name>-figures/.
    """
    report = build(read_runs(runs))
    path = out if out is not None else runs[0] / "report.html"
    figures = draw(report)
    text = render(report, figures)
    folder = path.with_name("figures" if path.stem == "report" else f"{path.stem}-figures")
    for name, svg in figures.items():
        write_text(folder / f"{name}.svg", svg, linked_folder=False, errors="replace")
    write_text(path, text, errors="replace")
    return path


def draw(report: Report) -> dict[str, str]:
    """Every figure of the report as SVG, by name."""
    from reports.draw.input import draw_loads, draw_sources
    from reports.draw.lines import draw_bars, draw_chart
    from reports.draw.roofline import draw_roof
    from reports.draw.svg import settings, to_svg

    with settings():
        charts = {chart.name: to_svg(draw_chart(chart)) for chart in report.charts + report.scaling_charts}
        charts |= {bars.name: to_svg(draw_bars(bars)) for bars in report.bars}
        charts |= {roof.name: to_svg(draw_roof(roof)) for roof in report.roof_charts}
        charts |= {sources.name: to_svg(draw_sources(sources)) for sources in report.source_charts}
        return charts | {loads.name: to_svg(draw_loads(loads)) for loads in report.load_charts}


def render(report: Report, figures: Mapping[str, str]) -> str:
    """The page's text. Whatever comes from records is escaped; only our own SVG goes in as it is."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from reports.draw.svg import inline

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    known = {int(cell.anchor.removeprefix("point-")) for row in report.points.rows for cell in row if cell.anchor}
    environment.filters["refs"] = lambda text: refs(text, known)
    drawn: list[Chart | BarChart | RoofChart | SourceChart | LoadChart] = [
        *report.charts,
        *report.scaling_charts,
        *report.bars,
        *report.roof_charts,
        *report.source_charts,
        *report.load_charts,
    ]
    pictures = {chart.name: Markup(inline(figures[chart.name], f"f{i}", chart.alt)) for i, chart in enumerate(drawn, 1)}
    style = Markup((Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8"))
    return environment.get_template(TEMPLATE).render(report=report, pictures=pictures, style=style)


def refs(text: str, known: set[int]) -> Markup:
    """Escaped text in which "#7" leads to the row of point 7, if there is one."""
    from markupsafe import Markup, escape

    def link(found: re.Match[str]) -> str:
        return f'<a href="#point-{found[1]}">#{found[1]}</a>' if int(found[1]) in known else found[0]

    return Markup(re.sub(r"(?<![&\w])#(\d{1,6})\b", link, str(escape(text))))
