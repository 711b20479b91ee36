"""What an application declares and answers is checked; what is wrong is one line that names it."""

import dataclasses
import sys
import types

import numpy as np
import pytest

from saih.app import Cost, Dial, Execution, Layer, MetricSpec, Point, Ran
from saih.applications import Checked, load
from saih.errors import AppFault, InputError
from saih.metrics.catalogue import UNITS
from saih.profile.costs import with_costs
from saih.sweep import growth
from saih.worker.work_checks import CheckedWork, doubt_of
from tests.conftest import toy_config

LOSS = MetricSpec("loss", "1", "lower", "loss", "as given")
COST = Cost(100, 50, 1, 0, 1000)
POINT = Point("good:APP", {"n": 8}, Execution(1, 4, "fp32", "plain", "dataset"))


class Good:
    name, version, dials, metrics = "good", "1", {"n": Dial("a number")}, (LOSS,)

    def resolve_data(self, data):
        return {"path": "here", "given": tuple(data)}

    def validate(self, point):
        pass

    def cost(self, point):
        return COST

    def prepare(self, context, points):
        return {"files": np.int64(3)}

    def build(self, context, point):
        return None


def app(**parts):
    return Checked(type("Changed", (Good,), parts)(), "good:APP")


def answering(value):
    def answer(*_):
        if isinstance(value, BaseException):
            raise value
        return value

    return answer


def test_a_good_application_answers_as_ever():
    found = app(cost_on=answering(COST), layers=answering([Layer("a", 1, 2, 3, 4)]))
    assert found.resolve_data({"a": 1}) == {"path": "here", "given": ["a"]}
    assert found.cost(POINT) == found.cost_on(POINT, "cpu", 2) == COST
    assert found.prepare(None, []) == {"files": 3}
    assert found.layers(POINT) == (Layer("a", 1, 2, 3, 4),)
    assert not hasattr(found, "network")


@pytest.mark.parametrize("name", [*UNITS, "ranks", "batch", "status", "point"])
def test_no_metric_takes_the_place_of_a_figure_of_the_harness(name):
    with pytest.raises(AppFault, match=rf"^app = good:APP: metric {name}: the harness has .*; call it something else$"):
        app(metrics=(dataclasses.replace(LOSS, name=name),))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"metrics": (LOSS, LOSS)}, "metric loss: is declared twice"),
        ({"metrics": (dataclasses.replace(LOSS, name="n"),)}, "metric n: is declared twice, also as a dial"),
        ({"metrics": (dataclasses.replace(LOSS, name="a b"),)}, "metric = 'a b': must be small letters, digits"),
        ({"metrics": (dataclasses.replace(LOSS, better="up"),)}, "better = 'up': must be one of higher, lower, none"),
        ({"metrics": (dataclasses.replace(LOSS, unit=None),)}, "metric loss: unit = None: must be text"),
        ({"metrics": (dataclasses.replace(LOSS, method="a\nb"),)}, "method = 'a\\nb': must be one line of text"),
        ({"metrics": ("loss",)}, "metrics: holds 'loss': must be a saih.app.MetricSpec"),
        ({"metrics": None}, "metrics = None: must be a sequence"),
        ({"dials": {"ranks": Dial("ranks")}}, "dial ranks: the harness has a key of run of that name"),
        ({"dials": {"n": 3}}, "dial n = 3: must be a saih.app.Dial"),
        ({"dials": {"n": Dial("n", minimum="a")}}, "dial n: minimum = 'a': must be a number"),
        ({"version": 1}, "version = 1: must be text"),
    ],
)
def test_wrong_declarations_are_refused_when_the_application_is_loaded(parts, said):
    with pytest.raises(AppFault) as caught:
        app(**parts)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "answer", "said"),
    [
        ("cost", None, "cost returned None: must be a saih.app.Cost"),
        ("cost", dataclasses.replace(COST, flop_per_sample=-1), "cost: flop_per_sample = -1: must be 0 or more"),
        ("cost", dataclasses.replace(COST, memory_bytes=1.5), "cost: memory_bytes = 1.5: must be an integer"),
        ("cost", dataclasses.replace(COST, flop_per_sample=10**400), "costs more operations than a number can hold"),
        ("cost", ZeroDivisionError("by zero"), "cost raised ZeroDivisionError: by zero (test_applications.py, line "),
        ("validate", KeyError("x"), "validate raised KeyError: 'x' (test_applications.py, line "),
        ("validate", OverflowError("x"), "validate raised OverflowError"),
        ("layers", [3], "layers: holds 3: must be a saih.app.Layer"),
        ("layers", [Layer("a", 1, -2, 3, 4)], "layers: a: flop = -2: must be 0 or more"),
        ("layers", [Layer("a", 1, 2, 3, 4)] * 2, "layers: a is there twice"),
        ("resolve_data", [1], "resolve_data = [1]: must be a dictionary"),
        ("resolve_data", {"a": {1, 2}}, "resolve_data.a = {1, 2}: must be text, a number"),
        ("resolve_data", {"a": {1: 2}}, "resolve_data.a: its key 1 must be text"),
        ("resolve_data", {"a": [1, float("nan")]}, "resolve_data.a[1] = nan: must be finite"),
        ("resolve_data", {"a": "x" * 70_000}, "as JSON; must be at most 65536"),
    ],
)
def test_a_wrong_answer_or_exception_is_one_line(call, answer, said):
    found = app(**{call: answering(answer)})
    with pytest.raises(InputError) as caught:
        getattr(found, call)(POINT)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_facts_of_the_data_must_fit_into_records():
    with pytest.raises(AppFault, match=r"prepare\.set\.size = 1000+\.\.\.: must be no larger"):
        app(prepare=answering({"set": {"size": 10**400}})).prepare(None, [])


def test_growth_does_not_take_a_broken_application_for_the_end_of_what_is_legal():
    with pytest.raises(AppFault, match="validate raised"):
        growth._legal(app(validate=answering(RuntimeError("broken"))), POINT)
    assert growth._legal(app(validate=answering(InputError("too large"))), POINT) is None


def test_layers_that_cannot_be_costed_leave_the_measured_ones():
    profile = {"layers": [{"name": "a", "forward_s": 1.0}], "why": {}}
    found = with_costs(profile, app(layers=answering(RuntimeError("broken"))), POINT)
    assert found["layers"] == profile["layers"]
    assert "layers raised RuntimeError: broken" in found["why"]["costs"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def (", "importing broken_app raised SyntaxError: invalid syntax (broken_app.py, line 1)"),
        ("1 / 0", "importing broken_app raised ZeroDivisionError: division by zero (broken_app.py, line 1)"),
        ("from math import nothing", "importing broken_app raised ImportError: cannot import name 'nothing'"),
        ("raise SystemExit(3)", "importing broken_app raised SystemExit: 3"),
        ("", "broken_app.APP has no name; see docs/adding-an-app.md"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(tmp_path, monkeypatch, source, said):
    (tmp_path / "broken_app.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_app", raising=False)
    with pytest.raises(AppFault) as caught:
        load("broken_app:APP")
    assert said in str(caught.value)


def test_plan_says_so_in_one_line_and_ends_with_2(saih):
    code = "from toy import Toy\nclass T(Toy):\n    def cost(self, point):\n        return 1 / 0\nAPP = T()\n"
    (saih.folder / "mine.py").write_text(code)
    saih.env["PYTHONPATH"] += f":{saih.folder}"
    saih.write("toy.yaml", toy_config(app="mine:APP"))
    done = saih("plan", "toy.yaml", status=2)
    place = "(mine.py, line 4)"
    assert done.stderr == f"saih: app = mine:APP: cost raised ZeroDivisionError: division by zero {place}\n"


class Work:
    """Work that gives ``ran`` each time, or what of it is a list in turn."""

    def __init__(self, *ran, said=None):
        self._ran, self._said = list(ran), said

    def run(self, n):
        return self._ran.pop(0) if len(self._ran) > 1 else self._ran[0]

    def without(self, part):
        return Work(Ran(-1)) if part == "input" else None

    def check(self):
        return self._said

    def close(self):
        pass


def run(*ran, said=None, times=1):
    work = CheckedWork(Work(*ran, said=said), "good:APP", 4, ["loss"])
    given = [work.run(2).finished() for _ in range(times)]
    return work, given[-1]


def test_numbers_of_numpy_become_pythons():
    ran = Ran(np.int32(8), {"h2d_s": np.float32(0.5)}, np.uint8(7), {"loss": np.float32(0.25)}, np.int64(2))
    work, found = run(ran)
    assert work.check() is None
    assert found == Ran(8, {"h2d_s": 0.5}, 7, {"loss": 0.25}, 2)
    kinds = [found.samples, found.phases["h2d_s"], found.read_bytes, found.values["loss"], found.storage_bytes]
    assert [type(each) for each in kinds] == [int, float, int, float, int]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"samples": 3}, "it gave samples = 3: must be 8, the steps times run.batch"),
        ({"samples": 8.0}, "it gave samples = 8.0: must be an integer"),
        ({"samples": True}, "it gave samples = True: must be an integer"),
        ({"phases": {"h2d_s": -1}}, "it gave phases['h2d_s'] = -1: must be 0 or more"),
        ({"phases": {"h2d_s": float("inf")}}, "it gave phases['h2d_s'] = inf: must be finite"),
        ({"phases": {"h2d": 1.0}}, "it gave phases['h2d']: its key must end in _s, as it is in seconds"),
        ({"phases": {3: 1.0}}, "it gave phases[3]: the key = 3: must be small letters"),
        ({"phases": [1.0]}, "it gave phases = [1.0]: must be a dictionary"),
        ({"read_bytes": -5}, "it gave read_bytes = -5: must be 0 or more"),
        ({"storage_bytes": 1.5}, "it gave storage_bytes = 1.5: must be an integer"),
        ({"values": {"loss": float("nan")}}, "it gave values['loss'] = nan: must be finite"),
        ({"values": {"loss": 10**400}}, "it gave values['loss'] = 1000"),
        ({"values": {"loss": 10**9000}}, "it gave values['loss'] = a number of too many digits: must be"),
        ({"values": {"loss": "0.5"}}, "it gave values['loss'] = '0.5': must be a number"),
        ({"values": {"loss": np.ones(2)}}, "it gave values['loss'] = array([1., 1.]): must be a number"),
        ({"values": {f"v{i}": 0 for i in range(99)}}, "must be of 64 keys at most"),
    ],
)
def test_what_is_given_wrongly_is_left_out_and_told_with_its_key(changes, said):
    work, found = run(Ran(**{"samples": 8, **changes}))
    assert (work.check() or "").startswith("app = good:APP: by step 2 ")
    assert said in work.check()
    assert found.phases == {}
    assert found.values == {}


def test_the_first_fault_counts_also_of_a_variant():
    work, _ = run(Ran(8, read_bytes=-1), said="the loss\n grows")
    assert work.check() == "the loss grows"  # the application itself knows best
    work, _ = run(Ran(8))
    assert work.check() is None
    work.without("input").run(2).finished()
    assert "samples = -1" in work.check()
    assert work.without("communication") is None


def test_phases_are_the_same_in_every_run_and_on_every_rank():
    work, _ = run(Ran(8, {"h2d_s": 0.0}), Ran(8, {"h2d_s": 0.0}), times=2)
    assert work.check() is None
    work, _ = run(Ran(8, {"h2d_s": 0.0}), Ran(8), times=2)
    assert work.check().endswith("by step 4 it timed the phases none, but before h2d_s: must be the same in every run")
    assert doubt_of([(None, ("h2d_s",)), (None, ("h2d_s",))]) is None
    assert doubt_of([(None, ("h2d_s",)), (None, ())]).startswith("rank 0 timed the phases h2d_s, rank 1 none")


def test_what_is_no_answer_of_work_is_told():
    work, found = run(None)
    assert found == Ran(0)
    assert work.check().endswith("run(2) returned None: must be a saih.app.Ran")
    work, _ = run(Ran(8), said=False)
    assert work.check().endswith("check returned False: must be None, or why not")
    with pytest.raises(AppFault, match=r"^app = good:APP: build returned namespace\(\), which has no run; see docs"):
        CheckedWork(types.SimpleNamespace(), "good:APP", 1, [])


def test_values_that_are_not_declared_are_told():
    assert run(Ran(8, values={"los": 1.0}))[0].remarks == [
        "the application gave values that its metrics do not declare: los"
    ]
