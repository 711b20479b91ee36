"""Bottlenecks planted by real means, one at a time and in pairs, are found; where none is planted, none is found.

Real sweeps of the planted toy through the command line. What a plant costs is measured in the point's own process, by
steps with it and without it in turn: where that is more than 15 % of the step, the verdict must have it, and its
predicted saving must be within a third of the measured one. benchmarks/planted.py asks more strengths, several times,
and of readers that compete for the interpreter, whose cost varies too much with what else two cores do.

Machines slow down for a second now and then, so what seems wrong is measured up to twice more: a fault of the diagnosis
is there every time.
"""

from dataclasses import replace

import pytest

from tests.planted.cosmoflow import OUTSIDE, cosmoflow
from tests.planted.plants import Planting, cause_of, control, distinct, strengths
from tests.planted.scoring import complaints, involved, judged
from tests.planted.sweeps import cannot, costs, sweep

pytestmark = [pytest.mark.planted, pytest.mark.mpi, pytest.mark.timeout(600)]

BASE = {"products": 2}
LONGER = {"products": 4}
"""Two ranks meet in every step, which costs something without any plant."""
MAX_S = 1.5


def plantings(pick):
    """The sweeps; ``pick`` takes a plant's strengths and returns those that are planted."""
    return [
        Planting(
            "alone",
            distinct(
                control(BASE),
                strengths(BASE, "passes", pick(1, 4, 10)),
                strengths(BASE, "calls", pick(1000, 10000, 20000)),
                strengths(BASE, "inflate_mb", pick(4, 8, 16)),
                strengths({"passes": 4}, "products", pick(1, 4, 8)),
                control({**BASE, "passes": 4, "calls": 10000}),
                control({**BASE, "passes": 2, "inflate_mb": 32}),
                strengths(BASE, "hoard_mb", pick(128, 8192)),
            ),
            memory_gib=2,
        ),
        Planting(
            "slow-storage",
            distinct(control(BASE), strengths(BASE, "reads_mb", pick(1, 2, 5))),
            emulate={"storage_mb_s": 50},
        ),
        Planting(
            "slow-links",
            distinct(
                control(LONGER),
                strengths(LONGER, "sums_mb", pick(4, 10, 24)),
                strengths(LONGER, "late", pick(2, 14, 28)),
                control({**LONGER, "sums_mb": 10, "late": 14}),
            ),
            ranks=2,
            emulate={"link_mb_s": 200},
        ),
    ]


PLANTINGS = [pytest.param(each, id=each.name) for each in plantings(lambda *values: values[-1:])] + [
    pytest.param(each, id=f"{each.name}, all strengths", marks=pytest.mark.long)
    for each in plantings(lambda *values: values)
]


@pytest.mark.parametrize("planting", PLANTINGS)
def test_what_is_planted_is_found_its_gain_predicted_and_nothing_else_accused(planting, tmp_path):
    if why := cannot(planting.emulate, tmp_path):
        pytest.skip(why)
    points = look(planting, tmp_path / "first")
    assert len(points) == len(planting.points)
    for plant in {f.plant for each in points for f in each.plants} - {"compute"}:
        assert any(f.matters for each in points for f in each.plants if f.plant == plant), f"{plant} was never planted"
    wrong = complaints(points)
    for again in ("again", "once more"):
        if wrong:
            seen = look(replace(planting, points=tuple(involved(planting.points, wrong))), tmp_path / again)
            wrong = {each: told for each, told in complaints(seen).items() if each in wrong}
    assert not wrong, "\n".join(wrong.values())


def look(planting, folder):
    """The judged points of a sweep."""
    files = folder / "files"
    found = judged(sweep(planting.config(str(files), "cpu", MAX_S), folder), costs(files))
    print(*(each.told for each in found), sep="\n")
    return found


def test_nothing_outside_the_step_is_blamed_where_nothing_is_planted(tmp_path):
    found = [record for config in cosmoflow("cpu", MAX_S) for record in sweep(config, tmp_path)]
    assert {record.status for record in found} == {"ok"}
    blamed = [cause_of(cause) for record in found for cause in record.diagnosis["causes"]]
    assert not set(blamed) & set(OUTSIDE)
