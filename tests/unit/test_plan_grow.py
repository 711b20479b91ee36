"""The time that a growing sweep is planned to take: of sizes that fit the memory, and of no other."""

from saih.cli import plan
from tests.conftest import ROOT


def words(name):
    config, app, points = plan.read(ROOT / "configs" / f"{name}.yaml")
    rows = plan.rows(config, app, points)
    return rows, plan.table(rows, {}, grows=True)[-1]


def test_sizes_beyond_the_memory_are_in_no_time():
    rows, told = words("grow-cpu")  # its limit is 0.5 GiB; the last size would take a terabyte and a month
    fitting = [row for row in rows if row["fits"]["cpu"]]
    assert 0 < len(fitting) < len(rows)
    assert all(row["memory_bytes"]["cpu"] - row["workspace_bytes"]["cpu"] <= 2**29 for row in fitting)
    assert f"for the {len(fitting)} that are predicted to fit the memory" in told
    assert "days" not in told


def test_without_a_limit_there_is_no_time_before_the_machine_is_known():
    rows, told = words("grow-width")
    assert {row["fits"]["cuda"] for row in rows} == {None}
    assert "no time on a GPU, for where memory ends is not known" in told
