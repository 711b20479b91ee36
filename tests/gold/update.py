"""Writes the reports' gold files anew: `make gold`, after looking at `git diff`.

A gold file is what the report of the run folders beside it should be: the page as HTML, and as JSON the data that its
pictures are drawn from. What depends on libraries or on the version (the pictures, the style sheet, the version
number) is scrubbed from the page.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

from reports.analysis.runs import read_runs
from reports.page.report import build
from reports.page.write import draw, render

HERE = Path(__file__).resolve().parent
REPORTS = {
    "cpu": ["run-cpu"], "gpu": ["run-gpu"], "both": ["run-cpu", "run-gpu"], "io": ["run-io"],
    "devices": ["run-devices"], "strong": ["run-strong"], "profile": ["run-profile"],
}  # fmt: skip
"""Gold files by name, and the run folders they are made from."""


def make(name: str) -> dict[str, str]:
    """The texts of one report's gold files, by file name."""
    report = replace(build(read_runs([HERE / folder for folder in REPORTS[name]])), version="VERSION")
    drawn = {chart.name: asdict(chart) for chart in report.charts()}
    data = json.dumps(drawn, indent=1, ensure_ascii=False) + "\n"
    return {f"report-{name}.json": data, f"report-{name}.html": scrub(render(report, draw(report)))}


def scrub(page: str) -> str:
    """The page without its pictures' content and without its style sheet."""
    page = re.sub(r"(<svg [^>]*?aria-label=\"[^\"]*\").*?</svg>", r"\1></svg>", page, flags=re.DOTALL)
    return re.sub(r"<style>.*?</style>", "<style></style>", page, flags=re.DOTALL)


if __name__ == "__main__":
    for name in REPORTS:
        for file, text in make(name).items():
            (HERE / file).write_text(text, encoding="utf-8")
