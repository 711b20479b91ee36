"""What kind a cost of input is: named where the record shows it, open where it does not, and help that fits."""

import random

import pytest

from saih.diagnosis import diagnose, input_kind
from tests.made_points import CEILINGS, STEPS, Truth, passes, product

COST_S = 0.8
BASE = Truth((product(0.2),), input_s=COST_S)


def told(truth, samples=None):
    """What is said of the input, which is the largest cause."""
    samples = samples or truth.samples()
    cause = diagnose(truth.metrics(samples), samples, CEILINGS, truth.device)["causes"][0]
    assert cause["cause"] == "input"
    return cause


def waits(storage_s=0.0, decode_s=0.0, copy_s=0.0, copies_s=None, from_storage=1.0, contention_s=0.0):
    """A point whose step waits so long for each, and is that much longer beside readers it does not wait for."""
    phases = {
        "input_wait_s": storage_s + decode_s, "storage_wait_s": storage_s, "decode_wait_s": decode_s,
        "h2d_s": copy_s if copies_s is None else copies_s, "copy_wait_s": copy_s, "read_s": 9.0, "decode_s": 9.0,
    }  # fmt: skip
    return BASE.but(phases=phases, from_storage=from_storage, contention_s=contention_s)


@pytest.mark.parametrize("device", ["cuda", "cpu"])
@pytest.mark.parametrize(
    ("truth", "kind"),
    [
        (waits(storage_s=0.7), "storage"),
        (waits(storage_s=0.45, decode_s=0.3), "storage"),
        (waits(decode_s=0.7), "decode"),
        (waits(decode_s=0.7, from_storage=None), "decode"),
        (waits(copy_s=0.6), "copy"),
        (waits(contention_s=0.7), "contention"),
        (waits(contention_s=0.45, decode_s=0.3), "contention"),
        (waits(contention_s=0.45, decode_s=0.45), "contention"),  # a host waits while its device computes
        # open: not half of the cost, not clearly more than the next, or no bytes from storage
        (waits(storage_s=0.39, contention_s=0.3), None),
        (waits(storage_s=0.42, decode_s=0.29), None),
        (waits(decode_s=0.42, storage_s=0.29), None),
        (waits(copy_s=0.42, decode_s=0.29), None),
        (waits(storage_s=0.7, from_storage=0.0), None),
        (waits(storage_s=0.7, from_storage=0.04), None),
        (waits(storage_s=0.7, from_storage=None), None),
        (waits(), None),
    ],
)
def test_a_kind_is_named_where_the_record_shows_it(truth, kind, device):
    found = told(truth.but(device=device))
    assert found["kind"] == kind
    assert found["verdict"] == (f"input-bound ({kind})" if kind else "input-bound")
    assert ("undetermined" in found["evidence"]) == (kind is None)


@pytest.mark.parametrize("kind", ["storage_s", "decode_s", "copy_s"])
def test_who_waits_long_by_the_clock_but_gains_nothing_by_not_waiting_is_not_slow_for_that(kind):
    """The host's waits hide behind a device with work queued; blocks without waiting tell."""
    found = told(waits(**{kind: 0.7}, contention_s=0.395))
    assert found["kind"] is not None  # 0.405 of 0.8 is waiting
    samples = (truth := waits(**{kind: 0.7}, contention_s=0.39)).samples()
    noisy = [[STEPS * (0.2 + each)] for each in (-1.0, 0.8, -1.1, 0.9, -0.9, 0.7, 0.5, 0.6, 0.41)]
    samples["block_s"]["without_input_wait"] = noisy
    assert told(truth, samples)["kind"] is None


def test_contention_is_not_named_for_noise():
    """Half of the rounds show it, and half its opposite: its median is large all the same."""
    truth = waits(contention_s=0.5)
    samples = truth.samples()
    samples["block_s"]["without_input_wait"] = [
        [STEPS * (0.2 + each)] for each in (0.5, -0.4, 0.6, -0.1, 0.7, -0.5, 0.5, 0.55, -0.3)
    ]
    found = told(truth, samples)
    assert found["kind"] is None
    assert "competing readers would be it, but that is not told from noise" in found["evidence"]


@pytest.mark.parametrize("seed", range(20))
def test_noise_about_nothing_names_no_contention(seed):
    draw = random.Random(seed)
    truth = waits(storage_s=0.7)
    samples = truth.samples()
    samples["block_s"]["without_input_wait"] = [[STEPS * 0.2 * draw.gauss(1, 0.2)] for _ in range(9)]
    assert told(truth, samples)["kind"] == "storage"


def test_threads_seconds_decide_nothing():
    """Eight threads spend 6 s a step reading, of a step of 1 s that hardly waits."""
    for phases in ({"read_s": 6.0}, {"decode_s": 6.0}, {"read_s": 6.0, "decode_s": 1.0}):
        assert told(BASE.but(phases={**phases, "input_wait_s": 2e-6}, from_storage=1.0))["kind"] is None
        assert told(BASE.but(phases={**phases, "input_wait_s": 0.8}, from_storage=1.0))["kind"] is None
        assert told(BASE.but(phases=phases, from_storage=1.0))["kind"] is None


def test_the_evidence_has_the_numbers_it_rests_on():
    assert told(waits(storage_s=0.6, decode_s=0.05, contention_s=0.02))["evidence"] == (
        "Without input the step is 80 % shorter (800 ms of 1 s, 800 ms to 800 ms). Beside readers that nobody waits "
        "for the step is 20 ms (20 ms to 20 ms) longer than without them; waiting for batches adds 780 ms. By its "
        "timers it waits for a batch 600 ms to be fetched and 50 ms to be decoded. 100 % of the bytes read came from "
        "storage."
    )
    assert told(waits(storage_s=0.7, from_storage=0.0))["evidence"].endswith(
        " None of the bytes read came from storage: it is memory that is read, and the kind is undetermined."
    )
    assert told(waits(storage_s=0.7, from_storage=None))["evidence"].endswith(
        " Whether the bytes came from storage or from memory is not known, so that the kind is undetermined."
    )
    assert told(waits(storage_s=0.42, decode_s=0.36))["evidence"].endswith(
        " The kind is undetermined: none of these is 1.5 times the next."
    )
    assert told(waits(storage_s=0.2, decode_s=0.1))["evidence"].endswith(
        " The kind is undetermined: none of these is half of what input costs."
    )


def old(percent_from_storage=None, **phases):
    """A point as method version 7 kept it: neither such blocks nor such timers, nor bytes from storage."""
    truth = BASE.but(phases=phases)
    samples = truth.samples()
    del samples["storage_bytes"]
    if percent_from_storage is not None:
        samples["values"] = {"from_storage_percent": percent_from_storage}
    return told(truth, samples)


FIELD = {"input_wait_s": 1.9e-6, "read_s": 7.4, "decode_s": 5.9}


@pytest.mark.parametrize("from_storage", [0.0, 100.0, None])
@pytest.mark.parametrize(
    "phases",
    [
        {**FIELD, "h2d_s": 0.1},
        {**FIELD, "h2d_s": 0.75},
        {**FIELD, "read_s": 0.9, "h2d_s": 0.1},
        {"input_wait_s": 0.75, "read_s": 7.4, "decode_s": 0.1, "h2d_s": 0.0},
        {"read_s": 7.4, "decode_s": 0.1},
        {"h2d_s": 0.75},
        {},
    ],
)
def test_old_records_name_no_kind(phases, from_storage):
    found = old(from_storage, **phases)
    assert (found["kind"], found["verdict"]) == (None, "input-bound")
    assert "undetermined" in found["evidence"]
    for word in ("compress", "page-locked", "stream of its own", "local disk"):
        assert word not in found["help"]


def test_of_an_old_record_whose_step_hardly_waits_that_is_said():
    found = old(0.0, **FIELD, h2d_s=0.1)
    assert found["evidence"] == (
        "Without input the step is 80 % shorter (800 ms of 1 s, 800 ms to 800 ms). By its timer the step waits 1.9 µs "
        "for a batch, and none of the bytes read came from storage. So it is hardly slow for want of batches: likely "
        "readers compete with the step for the host (interpreter, cores), which was not measured. The kind is "
        "undetermined."
    )
    assert found["help"].startswith("Measure the point with this version")
    assert "waits for copies, which last 750 ms a step" in old(0.0, **FIELD, h2d_s=0.75)["evidence"]
    assert "hardly" not in old(0.0, input_wait_s=0.5, read_s=1.0)["evidence"]


def test_bytes_from_storage_are_summed_over_blocks_and_ranks():
    samples = {"read_bytes": [[10, 10], [10, 10]], "storage_bytes": [[10, 0], [0, 2]], "values": {}}
    assert input_kind.from_storage(samples) == pytest.approx(0.3)
    assert input_kind.from_storage(samples | {"storage_bytes": [[10, None], [0, 2]]}) is None
    assert input_kind.from_storage(samples | {"read_bytes": [[0, 0], [0, 0]]}) is None
    here = samples | {"values": {"from_storage_percent": 90.0}}
    assert input_kind.from_storage(here) == pytest.approx(0.3)  # the harness's own figure goes first
    del here["storage_bytes"]
    assert input_kind.from_storage(here) == pytest.approx(0.9)
    assert input_kind.from_storage(here | {"values": {}}) is None


def test_help_is_not_what_the_point_does_already():
    assert "page-locked" in told(waits(copy_s=0.6))["help"]
    assert "page-locked" not in told(waits(copy_s=0.6, copies_s=0.9))["help"]  # copied beside the step
    assert "compression" in told(waits(decode_s=0.7, from_storage=0.2))["help"]
    assert "compression" not in told(waits(decode_s=0.7, from_storage=1.0))["help"]  # as many bytes as samples have
    for truth in (waits(storage_s=0.7), waits(contention_s=0.7), waits(storage_s=0.7, from_storage=0.0)):
        assert "compress" not in told(truth)["help"]
    contention = told(waits(contention_s=0.7))["help"]
    for word in ("fewer reading threads", "processes of their own", "cores of their own", "larger samples"):
        assert word in contention


def test_the_kind_is_part_of_a_mixture():
    truth = Truth((product(0.3), passes(0.3)), input_s=0.4, gaps_s=0.25, contention_s=0.35)
    assert "input-bound (contention)" in truth.diagnosis()["verdict"]
