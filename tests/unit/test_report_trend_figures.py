"""Trend figures of growth paths, time at fixed sizes, and how steady blocks were."""

import math
import random

import pytest

from reports.analysis.cases import make_cases
from reports.analysis.key_numbers import find_figures
from reports.analysis.runs import merge
from reports.analysis.steadiness import of_case
from reports.analysis.trend import find_trend
from reports.findings.key_numbers import approach
from reports.findings.steadiness import steady_findings
from reports.tables.fixed_sizes import fixed_sizes, sample_s
from reports.tables.key_numbers import figures
from tests.gold.small import cases_of, folder_of, lost, measured

CEILING = 100e9
"""small.measured's, FLOP/s."""


def path(n_half=4e9, best=60.0, edges=(16, 32, 64, 128, 256), **more):
    """Points that follow Hockney's form exactly, at ``best`` percent of the ceiling in the end."""
    found = []
    for edge in edges:
        flop = 1e5 * edge**3
        found.append(measured({"edge": edge}, best / (1 + n_half / flop), spread=0.001, flop=flop, **more))
    return found


def test_a_path_gives_back_the_numbers_it_was_made_of():
    (found,) = find_figures(find_trend(cases_of(*path())))
    assert found.fit.r_inf == pytest.approx(0.6 * CEILING, rel=1e-4)
    assert found.fit.n_half == pytest.approx(4e9, rel=1e-4)


def test_the_table_tells_figures_intervals_misfit_and_range():
    table = figures(find_trend(cases_of(*path())))
    ((name, rate, half, misfit, measured_share, quoted),) = table.rows
    assert (name.text, name.detail) == ("all points", "5 sizes, 16 to 256")
    assert rate.text == "60.0\u00a0GFLOP/s"
    assert rate.detail.startswith("59.")
    assert half.text == "4.00\u00a0GFLOP"
    assert half.detail.endswith("from 32 to 64")  # 3.3 and 26 GFLOP
    assert misfit.text.endswith("0.0\u00a0%")
    assert (measured_share.text, measured_share.detail) == ("5.6\u00a0% to 59.9\u00a0%", "16 to 256")
    assert quoted.note
    assert dict(table.notes)[quoted.note] == "nobody asked"


def test_a_path_too_short_has_a_reason_instead():
    table = figures(find_trend(cases_of(*path(edges=(16, 32, 64)))))
    assert "3 measured sizes" in dict(table.notes)[table.rows[0][1].note]
    assert figures(find_trend(cases_of(*path(edges=(16,))))) is None


def test_a_rate_that_falls_again_is_told_with_its_size():
    records = [*path(), measured({"edge": 512}, 40, spread=0.001, flop=1e5 * 512**3)]
    (found,) = find_figures(find_trend(cases_of(*records)))
    assert found.fit == "the rate falls again from edge=512 on (-33\u00a0% at the largest size): the form only rises"


def test_a_fall_within_the_intervals_is_none():
    records = [*path(edges=(16, 32, 64, 128)), measured({"edge": 256}, 52, spread=0.4, flop=1e5 * 256**3)]
    (found,) = find_figures(find_trend(cases_of(*records)))
    assert not isinstance(found.fit, str)


def test_what_is_approached_is_a_finding():
    (found,) = approach(find_trend(cases_of(*path())))
    assert "No such rate" not in found.evidence
    assert found.headline == (
        "Along edge, the rate of a device approaches 60.0\u00a0GFLOP/s; half of it takes 4.00\u00a0GFLOP a step"
    )
    assert "60.0\u00a0GFLOP/s (59." in found.evidence
    assert approach(find_trend(cases_of(*path(edges=(16, 32))))) == []


def power(q, edges=(16, 32, 64, 128, 256), **more):
    return [measured({"edge": e}, 10 * (e / 16) ** (3 * q), 0.01, flop=1e5 * e**3, **more) for e in edges]


def test_no_rate_is_approached_where_the_last_gain_says_that_it_rises():
    trend = find_trend(cases_of(*power(0.2)))
    (found,) = find_figures(trend)
    assert found.fit == "the rate still rises at the largest size (+52\u00a0%): none is approached yet"
    assert trend.growths[0].verdict == "rises"
    assert approach(trend) == []


def test_no_rate_is_approached_where_a_power_law_fits_as_well():
    trend = find_trend(cases_of(*power(0.04)))  # 8.7 % a size: each gain counts as none
    (found,) = find_figures(trend)
    assert trend.growths[0].verdict == "flat"
    assert found.fit.startswith("the form does not hold: a rate that grows as size^0.040 and never levels off")


def test_paths_without_such_a_rate_are_told_beside_those_that_have_one():
    found = [*path(run={"execution": "plain"}), *power(0.2, run={"execution": "compiled"})]
    (told,) = approach(find_trend(cases_of(*found)))
    assert told.headline.startswith("Along edge, the rate of a device approaches 60.0\u00a0GFLOP/s")
    assert "No such rate: execution=compiled: the rate still rises" in told.evidence


def test_the_rate_approached_names_the_suspect_points_of_its_path():
    found = [*path(edges=(16, 32, 64, 128)), *path(edges=(256,), diagnosis={"suspect": ["n1: the GPU was slow"]})]
    trend = find_trend(cases_of(*found))
    (told,) = approach(trend)
    assert "(#5 is suspect: the GPU was slow)." in told.evidence
    table = figures(trend)
    assert dict(table.notes)[table.rows[0][1].note] == "#5 is suspect: the GPU was slow"


def test_no_measured_rate_of_a_path_is_above_the_one_that_it_approaches():
    for seed in range(60):
        draw = random.Random(seed)
        found = [measured({"edge": e}, 60 * math.exp(draw.gauss(0, 0.05)) / (1 + 1e9 / (1e5 * e**3)), 0.1,
                          flop=1e5 * e**3) for e in (16, 32, 64, 128, 256, 512)]  # fmt: skip
        (each,) = find_figures(find_trend(cases_of(*found)))
        if isinstance(each.fit, str):
            continue
        highest = max(case.value("flop_per_s_per_device") for case in each.cases)
        assert each.fit.r_inf_ends[0] < highest <= each.fit.r_inf * (1 + 1e-9) <= each.fit.r_inf_ends[1] * (1 + 1e-9)


def test_points_without_a_result_are_no_sizes():
    (found,) = find_figures(find_trend(cases_of(*path(), lost({"edge": 512}, "oom"))))
    assert len(found.cases) == 5


def two_runs(*others):
    return make_cases(merge([folder_of(*path(), path="a"), folder_of(*others, path="b", name="two")]))


def test_runs_stand_side_by_side_at_the_problems_they_share():
    cases = two_runs(*path(best=30.0, edges=(32, 64, 512)))
    table = fixed_sizes(cases, find_trend(cases))
    assert [head.detail for head in table.head[-6:]] == ["one", "two"] * 3
    assert [row[0].text for row in table.rows] == ["32", "64"]
    assert [cell.text for cell in table.rows[1][2:6]] == ["504\u00a0ms", "1.01\u00a0s"] * 2  # half as fast
    for row in table.rows:
        assert all(dict(table.notes)[cell.note] == "not recorded" for cell in row[-2:])  # energy


def test_another_batch_is_another_problem():
    cases = two_runs(*path(batch=2))
    assert fixed_sizes(cases, find_trend(cases)) is None


def test_a_lone_run_has_all_its_problems_with_time_and_energy_a_sample():
    energy = {"energy_j_per_sample": {"value": 12.5, "unit": "J", "better": "lower", "method": "counter"}}
    cases = cases_of(*path(batch=4, metrics=energy))
    table = fixed_sizes(cases, find_trend(cases))
    assert len(table.rows) == 5
    assert all(row[-1].text == "12.5\u00a0J" for row in table.rows)
    found = sample_s(cases[0])
    assert found.value == pytest.approx(cases[0].value("step_s") / 4)
    assert found.low < found.value < found.high


def test_time_a_sample_is_of_all_ranks():
    (case,) = cases_of(measured({"edge": 16}, 10, ranks=2))
    assert sample_s(case).value == pytest.approx(case.value("step_s") / 2)


def blocks(*seconds, **more):
    record = measured({"edge": 16}, **more)
    record.samples["block_s"]["full"] = [[each, each / 2] for each in seconds]
    return record


def test_blocks_that_only_scatter_are_steady():
    case = cases_of(blocks(1.0, 1.02, 0.99, 1.01, 1.0, 0.98, 1.02, 1.0, 1.01, 0.99))[0]
    (found,) = of_case(case)
    assert not found.drifts
    assert (found.blocks, found.outliers) == (10, 0)
    assert found.spread_percent == pytest.approx(1.75, abs=0.8)
    assert steady_findings([case]) == []


def test_blocks_that_get_slower_are_told():
    record = blocks(*(1 + 0.01 * i for i in range(10)))
    cases = cases_of(record)
    (found,) = steady_findings(cases)
    assert found.kind == "caution"
    assert "got faster or slower" in found.headline
    assert "+8.6\u00a0%" in found.evidence  # 9 steps of 0.01 of a median of 1.045
    assert found.cases == tuple(cases)


def test_a_clear_drift_of_less_than_a_percent_is_none():
    assert steady_findings(cases_of(blocks(*(1 + 0.0005 * i for i in range(10))))) == []


def test_outliers_are_counted_with_the_worst():
    (found,) = of_case(cases_of(blocks(1.0, 1.01, 0.99, 1.02, 0.98, 3.0))[0])
    assert found.outliers == 1
    assert found.worst_ratio == pytest.approx(3.0, rel=0.02)


def test_a_warm_up_that_found_no_steady_state_is_told():
    record = measured({"edge": 16})
    record.samples["warmup_ended"] = "limit"
    (found,) = steady_findings(cases_of(record))
    assert found.headline == "No steady state was found at 1 point before the measurement began"
    record.samples["warmup_ended"] = "steady"
    assert steady_findings(cases_of(record)) == []


def test_a_step_that_changed_during_the_soak_is_told():
    record = measured({"edge": 16})
    slower = [1.0 + 0.002 * i for i in range(100)]
    record.samples["soak"] = {"seconds": 600.0, "step_s": slower, "first_step_s": 1.01, "last_step_s": 1.19}
    (found,) = steady_findings(cases_of(record))
    assert found.headline == "Steps changed during the soak at 1 of 1 point"
    assert "most at #1: +18 % from the first tenth of 600 s to the last" in found.evidence.replace("\u00a0", " ")
    record.samples["soak"] |= {"step_s": slower[::2] + slower[::-2]}
    assert steady_findings(cases_of(record)) == []


def test_records_without_blocks_have_no_steadiness():
    record = measured({"edge": 16})
    record.samples.pop("block_s")
    assert of_case(cases_of(record)[0]) == []
