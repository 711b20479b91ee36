"""Records -> a trend report: one HTML page that explains itself, opens offline and prints.

Two stages that know nothing of each other. The first turns records into plain, frozen data; it is pure and holds
every decision. The second only draws and writes what the first decided.

    run folders -> runs.py      folders read; the folders of one sweep's array tasks become one run
                   cases.py     replicates joined: one case a problem and execution, quantities with intervals
                   axes.py      what varies between the cases, and which of it is shown how
                   trend/       lines, growth, effects of dials; rate approached and size of half of it
                   scaling/     weak and strong scaling over ranks
                   everywhere/  the same point on every device at once
                   step/        where a step's time goes, by phase, class and layer; what bounds it, where that turns
                   roofline/    points and layers below what arithmetic and memory traffic allow
                   input/       input sources, and reading beside others
                   trust/       failures, steadiness, and why points may not stand for the machine
                   findings.py  what the records say in sentences, in their order; those of a part are in its folder
                   charts.py, tables.py, facts.py, ceilings.py, table.py    what figures and tables hold
                   method.py, glossary.py, text.py                          words and numbers
                   model.py     all of it as one Report
    Report      -> figures.py, svg.py and the folders' own figures.py       pictures
                   page.py, templates/   the page

It needs neither torch nor MPI. matplotlib and jinja2 are imported when a page is really written.
"""

from reports.page import write_report

__all__ = ["write_report"]
