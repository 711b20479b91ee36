"""What an application left behind, or gave in vain, stands in the report."""

from dataclasses import replace

from reports.page.report import build
from tests.gold.small import measured, run_of

LEFT = "rank 0 left 2 processes running, which were ended"


def test_remarks_stand_beside_their_point_once():
    calm = measured({"edge": 16})
    loud = measured({"edge": 32})
    remarked = replace(loud, provenance={**loud.provenance, "remarks": [LEFT, LEFT, "<b>: not declared"]})
    table = build([run_of(calm, remarked)]).table("remarks")
    assert [row[0].text for row in table.rows] == ["#2"]
    assert table.rows[0][-1].text == f"{LEFT}; <b>: not declared"


def test_without_remarks_there_is_no_table():
    assert build([run_of(measured({"edge": 16}))]).table("remarks") is None
