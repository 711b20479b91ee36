"""Data that contradict one another end in a caution with both figures; noise, and what instruments explain, do not."""

import random

import pytest

from reports.page.report import build
from saih.app import Execution, Point
from saih.diagnosis import diagnose
from saih.records.record import Record
from tests.gold.small import run_of
from tests.made_points import BLOCKS, CEILINGS, STEPS, Layer, Truth, passes, product
from tests.report_parts import bars, details, findings

GPU = {
    "energy_scope": "GPU board", "energy_j": {"window": 600.0}, "power_limit_w": 700.0, "throttle_share": {},
    "sm_clock_mhz": None, "memory_clock_mhz": None, "other_processes": 0, "other_processes_bytes": 0, "why": {},
    "counters": {"tensor_busy_percent": 30.0, "dram_busy_percent": 20.0},
}  # fmt: skip
RANK = {
    "host": "n1", "device": "cuda:0", "seconds": {"window": 1.0}, "allocation_retries": 0, "gpu": GPU,
    "host_cpu": None, "cpu_clock_mhz": None, "why": {},
}  # fmt: skip


def told(samples, device="cuda"):
    """The diagnosis of these samples."""
    truth = Truth(device=device)
    return diagnose(truth.metrics(samples), samples, CEILINGS, device)


def slower(samples, variant, factor):
    """The blocks of a variant, longer than they are."""
    blocks = samples["block_s"][variant]
    samples["block_s"][variant] = [[factor * each for each in row] for row in blocks]
    return samples


def profiled(samples, factor):
    """A profile that is slower than it is, in all that it tells."""
    profile = samples["profile"]
    for key in ("step_s", "busy_s"):
        profile[key] *= factor
    for layer in profile["layers"]:
        layer["forward_s"] *= factor
    return samples


def contradicted(found):
    assert found["verdict"] == "undetermined"
    assert found["causes"] == []
    assert set(found["shares"].values()) == {None}
    assert found["roofline"] is None
    assert found["evidence"].startswith("The data of this point contradict one another")
    return " ".join(found["contradictions"])


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_profile_twice_as_slow_as_the_step(device):
    words = contradicted(told(profiled(Truth(device=device).samples(), 2.0), device))
    assert "Profiled steps" in words
    assert "took 2 s, timed ones 1 s (200 %, more than 151 %)" in words


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_profile_of_half_the_step(device):
    words = contradicted(told(profiled(Truth(device=device).samples(), 0.5), device))
    assert "took 500 ms, timed ones 1 s (50 %, less than 67 %)" in words


def test_what_the_profiler_costs_the_host_is_no_contradiction():
    """100 operations of a 10 ms step cost it 5 ms more, in gaps."""
    truth = Truth((product(0.004),), gaps_s=0.006, profiler_s=0.005)
    assert truth.diagnosis()["contradictions"] == []
    assert truth.diagnosis()["causes"][0]["share"] == pytest.approx(0.6)
    assert contradicted(truth.but(profiler_s=0.015).diagnosis())


def test_a_few_steps_that_find_their_input_read_ahead_are_no_contradiction():
    truth = Truth(input_s=3.0)
    samples = truth.samples()
    samples["profile"]["step_s"] = 1.0
    found = told(samples)
    assert found["contradictions"] == []
    assert found["causes"][0]["cause"] == "input"


def test_the_late_rank_s_step_is_not_the_profiled_one_s():
    """Ranks that do not wait for one another: rank 1 takes three times as long, and rank 0 was profiled."""
    samples = Truth(late=(0.0, 2.0)).samples()
    for blocks in samples["block_s"].values():
        blocks[:] = [[STEPS * 1.0, STEPS * 3.0] for _ in range(BLOCKS)]
    samples["profile"]["step_s"] = 1.0
    assert told(samples)["contradictions"] == []


@pytest.mark.parametrize(("variant", "what"), [("without_input", "input"), ("without_communication", "communication")])
def test_a_step_that_does_less_and_takes_longer(variant, what):
    samples = slower(Truth(late=(0.0, 0.0)).samples(), variant, 1.3)
    assert f"The step without {what} takes 1.3 s, the full one 1 s." in contradicted(told(samples))


def test_passes_that_differ_by_less_than_a_tenth_contradict_nothing():
    samples = slower(Truth((product(0.8), passes(0.2))).samples(), "without_input", 1.05)
    assert told(samples)["contradictions"] == []


def test_noise_contradicts_nothing():
    """Blocks that scatter by 30 %: a variant's median is often longer, and no interval says so."""
    chance = random.Random(1)
    against = 0
    for _ in range(60):
        samples = Truth((product(0.5), passes(0.3)), gaps_s=0.2, late=(0.0, 0.0)).samples()
        for blocks in samples["block_s"].values():
            blocks[:] = [[STEPS * chance.lognormvariate(0, 0.3)] * 2 for _ in blocks]
        against += bool(told(samples)["contradictions"])
    assert against <= 2


def test_a_part_of_more_than_the_step_or_less_than_nothing():
    samples = Truth(input_s=0.2).samples()
    samples["block_s"]["without_input"] = [[1e-9]] * BLOCKS
    words = contradicted(told(profiled(samples, 1.3)))
    assert "busy" not in words  # 108 %: clocks may differ
    assert "The part called compute takes 108 % of the step (1.3 s of a step of 1.2 s)." in words
    assert "takes -108 % of the step" in words


def test_parts_of_more_than_the_whole():
    """Two ranks that cannot run without communication: the gaps, which would make up for it, are not known."""
    samples = Truth(input_s=0.5, late=(0.0, 0.0)).samples()
    del samples["block_s"]["without_communication"]
    words = contradicted(told(profiled(samples, 1.4)))
    assert words == "The parts of the step add up to 1.9 s, the step takes 1.5 s."


def test_a_device_busy_for_longer_than_the_step():
    samples = profiled(Truth(gaps_s=0.0).samples(), 1.2)
    assert "busy for 1.2 s of a timed step of 1 s (120 %, more than 110 %)" in contradicted(told(samples))


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("counters", "tensor_busy_percent"), 130.0, "busy for 130 % of the time by hardware counter"),
        (("counters", "dram_busy_percent"), 104.0, "busy for 104 % of the time by hardware counter"),
        (("counters", "tensor_busy_percent"), -1.0, "less than 0.0 %"),
        (("energy_j", "window"), 900.0, "took 900 W on average by its energy counter, its limit is 700 W"),
    ],
)
def test_counters_and_energy_beyond_what_can_be(path, value, says):
    samples = counted(path, value)
    assert says in contradicted(told(samples))


def counted(path=(), value=None):
    """A GPU's samples with counters, of which one may be changed."""
    gpu = {**GPU, "counters": dict(GPU["counters"]), "energy_j": dict(GPU["energy_j"])}
    if path:
        gpu[path[0]][path[1]] = value
    samples = Truth(
        (Layer("product", 1.0, 0.8e12, 1e9),),
        outside=({"class": "convolution", "busy_s": 0.01, "bytes": 1e9},),
    ).samples()
    window = sum(row[0] for blocks in samples["block_s"].values() for row in blocks)
    gpu["energy_j"]["window"] *= window
    return samples | {"telemetry": [{**RANK, "gpu": gpu, "seconds": {"window": window}}]}


def test_tensor_cores_that_were_busy_for_longer_than_kernels_that_may_use_them():
    """30 % of a second by counter, 10 ms of convolutions by the profile."""
    words = contradicted(told(counted()))
    assert "Tensor cores were busy for 30" in words
    assert "kernels that may use them ran for 10 ms a profiled step" in words


def test_each_check_is_kept_with_its_limits_and_the_traffic_has_none():
    samples = counted()
    samples["profile"]["classes"] = [{"class": "convolution", "busy_s": 1.0, "count": 5, "bytes": 1e9}]
    found = {check["check"]: check for check in told(samples)["checks"]}
    assert set(found) >= {"profiled step", "busy time", "tensor cores", "tensor counter", "dram counter", "power"}
    assert found["power"]["value"] == pytest.approx(600 / 700)
    assert found["profiled step"]["value"] == pytest.approx(1.0)
    assert all(check["holds"] for check in found.values())
    assert "traffic" not in found  # the made device has no datasheet bandwidth


# the report


def case(samples, edge):
    """A record of these samples on a GPU."""
    run = Execution(1, 2, "fp32", "plain", "dataset")
    point = Point("example", {"edge": edge}, run)
    found = Truth().metrics(samples)
    judged = diagnose(found, samples, CEILINGS, "cuda") | {"suspect": []}
    return Record(point.id, "ok", point.to_dict(), found, samples, judged)


@pytest.fixture
def report():
    classes = [{"class": "convolution", "busy_s": 1.0, "count": 5, "bytes": 1e9}]
    good, bad = Truth().samples(), profiled(Truth().samples(), 2.0)
    for samples in (good, bad):
        samples["profile"]["classes"] = classes
    return build([run_of(case(good, 16), case(bad, 32))])


def test_the_report_names_the_points_and_both_figures(report):
    (caution,) = [each for each in findings(report) if each.headline.startswith("Data contradict one another")]
    assert caution.headline == "Data contradict one another at 1 of 2 measured points"
    assert caution.kind == "caution"
    assert caution.points == (2,)
    assert "#2: Profiled steps took 2 s, timed ones 1 s" in caution.evidence
    bound = [each for each in findings(report) if "-bound" in each.headline]
    assert all(2 not in each.points for each in bound)
    assert not any("Undetermined what bounds" in each.headline for each in findings(report))


def test_the_report_draws_no_parts_of_such_points(report):
    assert [row[0].text for row in report.table("steps").rows] == ["#1"]
    assert [bar.case for chart in bars(report) for bar in chart.bars] == [1]
    assert {each.case for each in details(report)} == {1}
    verdicts = {row[0].text: row[2].text for row in report.table("bounds").rows if row[0].text}
    assert verdicts["#2"] == "undetermined"


def test_the_checks_stand_in_a_table_with_their_limits(report):
    rows = {row[0].text: row[2:] for row in report.table("checks").rows}
    shown = [cell.text.replace("\u00a0", " ") for cell in rows["#2"]]
    assert shown == ["200 %", "200 %"]
    assert all(cell.note for cell in rows["#2"])
    assert not any(cell.note for cell in rows["#1"])
    assert [cell.detail.replace("\u00a0", " ") for cell in rows["#1"]] == ["66.7 % to 151 %", "at most 110 %"]


def test_the_rest_of_a_gpu_s_step_is_zero_by_construction_and_says_so(report):
    table = report.table("steps")
    (row,) = table.rows
    (rest,) = [cell for cell, head in zip(row, table.head, strict=True) if head.text == "unexplained rest"]
    assert rest.text.replace("\u00a0", " ") == "0 s"
    assert dict(table.notes)[rest.note].startswith("zero by construction")


def test_a_replicate_that_contradicts_itself_leaves_the_word_to_the_others():
    good, bad = case(Truth().samples(), 16), case(profiled(Truth().samples(), 2.0), 16)
    again = Record(f"{bad.id}-1", "ok", {**bad.point, "repeat": 1}, bad.metrics, bad.samples, bad.diagnosis)
    built = build([run_of(good, again)])
    assert [each.points for each in findings(built) if each.headline.startswith("Data contradict")] == [(1,)]
    assert len(built.table("steps").rows) == 1
