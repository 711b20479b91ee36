"""Report -> report.html and figures/: one file that needs nothing else, and each figure again as a file of its own.

Every file is written to a temporary name first and then renamed, so that the page is either the old one or the new one,
never a part. The page holds no script, requests nothing over the network, and forbids both itself
(Content-Security-Policy).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reports.analysis.runs import read_runs
from reports.page.report import Report, build
from reports.sections.form import Chart, Part
from saih.common.files import write_text

if TYPE_CHECKING:
    from markupsafe import Markup

TEMPLATE = "report.html.j2"


def write_report(runs: Sequence[Path], out: Path | None = None) -> Path:
    """Write the report on these run folders, and return its path.

    Without `out` the report is report.html in the first run's folder. Figures go into figures/ in the same folder, or
    for a page of another name into <name>-figures/. Raises InputError if a folder is not a run's.
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
    """Return every chart of the report as SVG, by name."""
    from reports.draw import drawn
    from reports.draw.svg import settings, to_svg

    with settings():
        return {chart.name: to_svg(drawn(chart)) for chart in report.charts()}


def render(report: Report, figures: Mapping[str, str]) -> str:
    """Return the page's text.

    All text from records is escaped; only our own SVG is inserted unescaped.
    """
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
    points = report.table("points")
    rows = points.rows if points else ()
    known = {int(cell.anchor.removeprefix("point-")) for row in rows for cell in row if cell.anchor}
    environment.filters["refs"] = lambda text: refs(text, known)
    environment.filters["template"] = template_of
    charts = report.charts()
    drawn = [inline(figures[chart.name], f"f{i}", chart.alt) for i, chart in enumerate(charts, 1)]
    pictures = {chart.name: Markup(picture) for chart, picture in zip(charts, drawn, strict=True)}
    style = Markup((Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8"))
    return environment.get_template(TEMPLATE).render(report=report, pictures=pictures, style=style)


def template_of(part: Part) -> str:
    """Return the template of a part: a file by the name of its class, or one for all charts."""
    kind = "chart" if isinstance(part, Chart) else type(part).__name__.lower()
    return f"parts/{kind}.html.j2"


def refs(text: str, known: set[int]) -> Markup:
    """Return escaped text in which "#7" links to the row of point 7, if there is one."""
    from markupsafe import Markup, escape

    def link(found: re.Match[str]) -> str:
        return f'<a href="#point-{found[1]}">#{found[1]}</a>' if int(found[1]) in known else found[0]

    return Markup(re.sub(r"(?<![&\w])#(\d{1,6})\b", link, str(escape(text))))
