"""Records -> a trend report: one HTML page that explains itself, opens offline and prints.

A folder is a stage, a file in it a section of the page: tables/scaling.py holds the tables about scaling. Which
sections there are, in which order, sections/__init__.py lists; each is a title and a list of parts.

    analysis/   records -> cases, trends, step parts, roofs: plain, frozen data
    findings/   what the records say, in sentences
    tables/     what the tables hold
    charts/     what the charts show, as plain data
    words/      numbers as text, and the glossary
    sections/   tables, charts, findings and text, section by section
    draw/       charts -> SVG
    page/       all sections as one Report, and the file

Everything before draw/ is pure and holds every decision; draw/ and page/write.py only show it. Neither torch nor MPI is
needed. matplotlib and jinja2 are imported when a page is really written.
"""

from reports.page.write import write_report

__all__ = ["write_report"]
