"""Records -> a trend report: one HTML page that explains itself, opens offline and prints.

Two stages that know nothing of each other. The first turns records into plain, frozen data; it is pure and holds
every decision. The second only draws and writes what the first decided.

    run folders -> runs.py      folders read; the folders of one sweep's array tasks become one run
                   cases.py     replicates joined: one case a problem and execution, quantities with intervals
                   axes.py      what varies between the cases, and which of it is shown how
                   trend.py     lines, growth, effects of dials
                   scaling.py   weak and strong scaling over ranks
                   everywhere.py  the same point on every device at once
                   suspects.py  why points may not stand for the machine
                   hockney.py   rate approached and size of half of it, fitted to a line
                   step.py      where a step's time goes
                   io.py        input sources, and reading beside others
                   findings.py  what the records say in sentences, with causes.py, failures.py, steadiness.py,
                                scaling_findings.py, everywhere_findings.py and io_findings.py
                   charts.py, bars.py, io_charts.py, scaling_charts.py    what the figures show
                   tables.py, trend_tables.py, trend_figures.py, fixed_sizes.py, io_tables.py, facts.py, ceilings.py,
                   scaling_tables.py, everywhere_tables.py, table.py      what the tables hold
                   method.py, glossary.py, text.py                        words and numbers
                   model.py     all of it as one Report
    Report      -> figures.py, io_figures.py, svg.py    pictures
                   page.py, templates/   the page

It needs neither torch nor MPI. matplotlib and jinja2 are imported when a page is really written.
"""

from reports.page import write_report

__all__ = ["write_report"]
