"""Records -> a trend report: one HTML page that explains itself, opens offline and prints.

A folder is a stage, and a file in it is a section of the page: tables/scaling.py holds the tables about scaling. The
list in sections/__init__.py sets the sections and their order; each section is a title and a list of parts.

    analysis/   records -> cases, trends, step parts, roofs: plain, frozen data
    findings/   the findings of the records, in sentences
    tables/     the content of the tables
    charts/     the content of the charts, as plain data
    words/      numbers as text, and the glossary
    sections/   tables, charts, findings and text, section by section
    draw/       charts -> SVG
    page/       all sections as one Report, and the file

Everything before draw/ is pure and makes every decision; draw/ and page/write.py only show the result. Neither torch
nor MPI is needed. matplotlib and jinja2 are imported only to write a page.
"""

from reports.page.write import write_report

__all__ = ["write_report"]
