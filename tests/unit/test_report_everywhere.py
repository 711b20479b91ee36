"""Every device at once, and suspect points, in the report."""

import pytest

from reports.analysis.cases import make_cases
from reports.analysis.device_copies import find_everywhere
from reports.analysis.suspects import OTHER, TOLD, by_cause, cause
from reports.findings.device_copies import odd_ones
from reports.findings.steadiness import steady_findings
from reports.findings.suspects import suspect_findings
from reports.sections.method import EVERYWHERE
from reports.tables.device_copies import everywhere_tables
from reports.tables.points import points
from reports.tables.suspects import table
from saih.app import Execution
from saih.diagnosis.suspect import of_environment, of_settings, suspect
from saih.metrics import device_copies
from tests.gold.small import measured, run_of
from tests.unit.test_telemetry import FALLEN, GPU, GPU_RANK, HOST, NO_BLOCKS, QUOTA, RANK

RUN = Execution(1, 1, "fp32", "plain", "dataset")


def point(edge, times_s, a_host=8, **more):
    """A point whose copies took these times; who is odd says the harness."""
    places = [{"host": f"n{i // a_host:03}", "device": f"cuda:{i % a_host}", "cores": [i]} for i in range(len(times_s))]
    blocks = [list(times_s)] * 16
    raw = {
        "block_steps": 2, "block_s": {"full": blocks}, "phases_s": {}, "read_bytes": blocks, "handed_out_s": blocks,
        "telemetry": [{}] * len(times_s),
    }  # fmt: skip
    return measured({"edge": edge}, diagnosis={"everywhere": device_copies.compare(raw, RUN, places)}, **more)


def found_in(*records, kind="device"):
    run = run_of(*records)
    run.first.config["sweep"] = {"everywhere": kind}
    cases = make_cases([run])
    (found,) = find_everywhere([run], cases)
    return found, odd_ones([found])[0]


def plain(text):
    return text.replace("\u00a0", " ")


def with_slow(slow, by, n=16):
    return [by if i == slow else 1 + 0.001 * (i % 3) for i in range(n)]


def test_a_device_that_is_odd_at_several_points_is_one_finding():
    found, told = found_in(*(point(edge, with_slow(11, by)) for edge, by in ((16, 1.1), (32, 1.25), (64, 1.0))))
    assert told.kind == "caution"
    assert plain(told.headline) == (
        "n001 cuda:3 is odd among 16 devices: 9.0 % to 19.9 % slower than the median at 2 of 3 points"
    )
    assert "Odd at #1 and #2; elsewhere 100.1 % of the median" in plain(told.evidence)
    assert [case.number for case in told.cases] == [1, 2]
    assert found.copies[0].name == "n001 cuda:3"


def test_several_odd_ones_are_named_farthest_first():
    times = [1.0] * 16
    times[3], times[9] = 1.1, 0.8
    _, told = found_in(point(16, times))
    assert told.headline == "2 of 16 devices are odd"
    assert plain(told.evidence).startswith(
        "n001 cuda:1: 25.0 % faster than the median at 1 of 1 point; n000 cuda:3: 9.1 % slower"
    )


def test_that_all_are_alike_is_said():
    _, told = found_in(point(16, with_slow(0, 1.0)), point(32, with_slow(0, 1.02)))
    assert told.kind == "result"
    assert plain(told.headline) == "No device is odd: all 16 are within 1.9 % of their median"
    assert "n000 cuda:0 with 98.1 % at #2" in plain(told.evidence)


def test_two_cannot_tell_and_one_has_nothing_beside_it():
    _, two = found_in(point(16, [1.0, 1.5]))
    assert plain(two.headline) == "Of two devices, the faster is up to 50.0 % faster; which one is odd, two cannot tell"
    _, one = found_in(point(16, [1.0]))
    assert (one.kind, one.headline) == ("gap", "There was one device only: nothing to compare")


def test_a_node_is_its_host():
    _, told = found_in(point(16, [1.0, 1.0, 1.25, 1.0], a_host=1), kind="node")
    assert plain(told.headline) == "n002 is odd among 4 nodes: 20.0 % slower than the median at 1 of 1 point"


def test_the_method_tells_the_harness_s_own_thresholds():
    assert f"than {device_copies.ODD_PERCENT:g} %" in EVERYWHERE
    assert {3.0: "three"}[device_copies.ODD_SPREADS] + " standard deviations" in EVERYWHERE
    assert device_copies.FEWEST == 3  # "that takes three copies"; of two, the report says that they cannot tell
    assert "that takes three copies" in EVERYWHERE


def test_a_drift_points_to_the_reasons_that_were_seen():
    seen = busy(16, 8)
    seen.samples["block_s"]["full"] = [[1 + 0.01 * i] for i in range(10)]
    (told,) = steady_findings(make_cases([run_of(seen)]))
    assert told.evidence.endswith("Reasons were seen at #1: see the suspect points.")


def test_replicates_are_joined():
    found, told = found_in(*(point(16, with_slow(2, by), repeat=i) for i, by in enumerate((1.1, 1.0, 1.2))))
    (odd,) = found.odd
    assert (odd.points[0].odd, odd.points[0].replicates) == (2, 3)
    (rows,) = everywhere_tables([found])
    assert (rows.rows[0][-1].text, rows.rows[0][-1].detail) == ("1 of 1", "2 of 3 replicates")
    assert "at 1 of 1 point" in told.headline


def test_a_sweep_without_it_has_neither_finding_nor_table():
    run = run_of(measured({"edge": 16}))
    assert find_everywhere([run], make_cases([run])) == []


def test_a_thousand_devices_stay_readable():
    times = with_slow(500, 1.2, n=1000)
    found, _ = found_in(point(16, times), point(32, times))
    (shown,) = everywhere_tables([found])
    assert len(shown.rows) == 8  # the odd one, three slow, the fold, three fast
    assert shown.rows[0][0].text == "n062"
    assert [cell.detail for cell in shown.rows[0][1:3]] == ["odd", "odd"]
    fold = shown.rows[4]
    assert (fold[0].text, fold[0].detail, fold[-1].text) == ("993 devices", "more between these", "none")
    assert plain(fold[1].text) == "99.9 % to 100.1 %"


def test_many_points_have_no_column_each():
    found, _ = found_in(*(point(16 * i, [1.0, 1.0, 1.2, 1.0]) for i in range(1, 9)))
    (shown,) = everywhere_tables([found])
    assert [head.text for head in shown.head] == ["device", "median", "lowest", "highest", "odd"]
    assert shown.rows[0][-1].text == "8 of 8"


GROWING = {"block_s": {"full": [[1.0 + 0.01 * i] for i in range(12)]}}
DISTURBED = [
    ([GPU_RANK | {"allocation_retries": 3}], NO_BLOCKS),
    ([GPU_RANK | {"gpu": GPU | {"throttle_share": {"hw_thermal_slowdown": 0.02}}}], NO_BLOCKS),
    ([RANK | {"cpu_clock_mhz": FALLEN}], NO_BLOCKS),
    ([GPU_RANK | {"gpu": GPU | {"other_processes": 2, "other_processes_bytes": None}}], NO_BLOCKS),
    ([RANK | {"host_cpu": HOST | {"others_cores": 0.3}}], NO_BLOCKS),
    ([RANK | {"host_cpu": HOST | {"throttled_cores": [2]}}], NO_BLOCKS),
    ([RANK | {"cpu_quota": QUOTA}], NO_BLOCKS),
    ([], GROWING),
]


@pytest.mark.parametrize(("disturbed", "told"), list(zip(DISTURBED, list(TOLD.values())[:-2], strict=True)))
def test_the_harness_s_own_reasons_are_told_by_their_cause(disturbed, told):
    (reason,) = suspect(*disturbed)
    assert cause(reason) == told
    if reason["cause"] != "quota":  # which older versions did not know
        assert cause(reason["words"]) == told  # as their records hold it


def test_variables_are_told_by_their_cause():
    (reason,) = of_environment({"CUDA_LAUNCH_BLOCKING": "1"}, [{"host": "a", "environment": {}}])
    assert cause(reason) == TOLD["environment"]
    (reason,) = of_settings({"governor": "performance"}, [{"host": "a", "settings": {"governor": "powersave"}}])
    assert cause(reason) == TOLD["settings"]


def test_older_records_have_their_cause():
    sentence = "rank 3 on a: the GPU was at its power limit of 700 W in 50 % of the samples (sw_power_cap)"
    assert cause(sentence) == "GPUs were at their power limit"


@pytest.mark.parametrize("reason", ["rank 0 on a: the moon was full", {"cause": "moon", "words": "it was full"}])
def test_a_reason_of_another_version_is_another_reason(reason):
    assert cause(reason) == OTHER


def busy(edge, share):
    told = f"a: others kept 0.3 of the ranks' 4 cores busy ({share} % of them)"
    return measured({"edge": edge}, diagnosis={"suspect": [{"cause": "cores shared", "words": told}]})


def test_suspect_points_are_one_finding_grouped_by_cause():
    clocks = [
        {"cause": "clocks", "words": f"rank {i} on a: the GPU's clock fell by {i} %, from 9 to 8 MHz"}
        for i in range(6, 16)
    ]
    cases = make_cases([run_of(busy(16, 8), busy(32, 30), measured({"edge": 64}, diagnosis={"suspect": clocks}),
                               measured({"edge": 128}, diagnosis={"suspect": []}))])  # fmt: skip
    (told,) = suspect_findings(cases)
    assert told.kind == "caution"
    assert told.headline == (
        "3 of 4 measured points may not stand for the machine: others used the ranks' cores and clocks fell"
    )
    assert "Others used the ranks' cores at #1 and #2; most at #2: \u201ca: others kept 0.3" in told.evidence
    assert "Clocks fell at #3; there: \u201crank 15 on a" in told.evidence
    assert list(by_cause(cases[2])) == ["clocks fell"]
    shown = table(cases, [])
    assert [row[0].text for row in shown.rows] == ["#1", "#2", "#3"]
    assert shown.rows[2][-1].text.endswith("and 7 more")


def test_the_table_of_points_marks_them():
    shown = points(make_cases([run_of(busy(16, 8), measured({"edge": 32}))]), [])
    status = [row[1] for row in shown.rows]
    assert [cell.detail for cell in status] == ["suspect", ""]
    assert dict(shown.notes)[status[0].note] == "suspect: others used the ranks' cores"
    assert status[1].note == ""


def test_quiet_points_are_not_mentioned():
    cases = make_cases([run_of(measured({"edge": 16}), measured({"edge": 32}, diagnosis={"suspect": []}))])
    assert suspect_findings(cases) == []
    assert table(cases, []) is None
