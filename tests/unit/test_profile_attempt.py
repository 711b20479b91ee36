"""What the driver makes of the profiled pass: asks for it, does without it where it is lost, keeps what it needs."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from saih.app import Execution, Point
from saih.config.schema import parse
from saih.errors import Failure, GroupError, Kind
from saih.peaks.highest import highest
from saih.sweep.attempt import Attempts

POINT = Point("toy:APP", {"n": 8}, Execution(1, 1, "fp32", "plain", "dataset"), {}, 0)


class Groups:
    """Groups that end with the given faults, one after the other, then answer what they were asked."""

    def __init__(self, *faults):
        self.faults, self.asked = list(faults), []

    def served(self, *_):
        return 0

    def ask(self, request, *_):
        self.asked.append(request)
        if self.faults:
            raise GroupError(self.faults.pop(0), Path("no.log"))
        return dict(request)


def attempts(groups, measure=""):
    config = parse(f"schema: 1\nname: x\napp: toy:APP\nsize: {{n: 8}}\nmeasure: {{{measure}}}\n")
    return Attempts(config, None, None, groups, None, {1: 1})


def ask(groups):
    return attempts(groups)._ask({"do": "measure", "no_profile": None}, 1, POINT, None, 1)


LOST = [
    Failure(Kind.FAILED, "RuntimeError: no", 1, "profiling"),
    Failure(Kind.TIMEOUT, "no sign of life for 61 s while profiling; the worker group was killed"),
]


@pytest.mark.parametrize("fault", LOST)
def test_a_group_lost_in_the_pass_is_asked_again_without_it(fault):
    groups = Groups(fault)
    assert ask(groups)["no_profile"] == f"the profiled pass ended the worker group: {fault.message}"
    assert [request["no_profile"] is None for request in groups.asked] == [True, False]


def test_a_group_lost_elsewhere_or_twice_is_lost():
    for faults in ([Failure(Kind.OOM, "no memory left")], [LOST[0], Failure(Kind.OOM, "none")]):
        with pytest.raises(GroupError):
            ask(Groups(*faults))


@pytest.mark.parametrize(("measure", "why"), [("", None), ("profile: false", "measure.profile = false")])
def test_the_configuration_decides_whether_there_is_a_pass(measure, why, tmp_path):
    groups = Groups(Failure(Kind.FAILED, "stop here"))
    found = attempts(groups, measure)
    around = {"environment": {"NCCL_ALGO": "Ring"}, "settings": {"governor": "performance"}}
    system = {"machine": {}, "software": {}, **around, "data": {}, "git": None, "slurm": None}
    found.state = SimpleNamespace(system=system)
    found.app = SimpleNamespace(version="1")
    found._measure(POINT)
    (request,) = groups.asked
    assert request["no_profile"] == why
    assert {key: request[key] for key in around} == around  # which its ranks are held against


CEILINGS = {
    "ranks": 2,
    "memory": {"memory_bytes_per_s": 1e10},
    "copies": {"h2d_bytes_per_s": None, "why": "nothing is copied"},
    "launches": {"launch_s": 2e-6, "round_trip_s": None, "graph_launch_s": None, "why": "nothing is launched"},
    "allreduce": {"bus_bytes_per_s": 1e9, "latency_s": 1e-5},
}


def test_the_ceilings_of_a_point_are_those_of_its_ranks_and_precision():
    peaks = [
        {"ranks": ranks, "precision": p, "flop_per_s": 2 * f, "median_flop_per_s": f, "best": "product"}
        for ranks, p, f in ((1, "fp32", 1), (2, "fp32", 2), (2, "bf16", 3))
    ]
    found = highest({"peaks": peaks, "ceilings": [{"ranks": 1}, CEILINGS]}, 2, "fp32")
    assert {name: found[name] for name in found if not name.startswith("flop_per_s_") and name != "why"} == {
        "flop_per_s": 2,
        "memory_bytes_per_s": 1e10,
        "memory_bytes_per_s_low": None,
        "memory_bytes_per_s_high": None,
        "memory_bytes_per_s_suspect": [],
        "h2d_bytes_per_s": None,
        "launch_s": 2e-6,
        "round_trip_s": None,
        "graph_launch_s": None,
        "allreduce_bytes_per_s": 1e9,
    }
    assert found["why"]["h2d_bytes_per_s"] == "nothing is copied"
    assert found["why"]["round_trip_s"] == found["why"]["graph_launch_s"] == "nothing is launched"


def test_ceilings_that_were_not_measured_are_null_with_the_reason():
    found = highest({"peaks": [], "ceilings": [{"ranks": 2, "memory": {"why": "it fell"}}]}, 2, "fp32")
    suspect = {name for name in found if name.endswith("_suspect")}
    assert all(found[name] == [] for name in suspect)
    assert all(found[name] is None for name in set(found) - suspect - {"why"})
    assert set(found["why"]) == set(found) - suspect - {"why", "flop_per_s_limit_method"}
    assert found["why"]["memory_bytes_per_s"] == "it fell"
