"""Configurations gone wrong in every way: each is a plan or one line that says what is wrong, never a traceback."""

import collections
import copy
import datetime
import json
import os
import re

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saih import config
from saih.cli import plan
from saih.errors import InputError
from tests.conftest import ROOT, TOYS, toy_config

pytestmark = pytest.mark.slow

TOY, PERCEPTRON = "tests.toys.toy:APP", "tests.toys.perceptron:APP"
NUMBERS = [
    0, 1, 2, 3, 7, 8, 16, 33, 64, 100, 4096, 10**6, 10**12, 2**63, 10**30, 10**400, -1, -(10**18), -0.0, 0.5, 1e-300,
    1.5, 1e300, 16.0, float("nan"), float("inf"), float("-inf"),
]  # fmt: skip
WORDS = [
    "", " ", "16", "fp32", "plain", "synthetic", "grow", "zip", "largest", "cosmoflow", TOY, "os:path", "..", ":APP",
    "a b", "../../etc", "~", "{edge}", "{0}", "%s", "Größe", "图", "\U0001f680", "e\u0301", "\u202e", "\u2028",
    "a\nb", "a\tb", "\0", "\ud800", "\x85", "x" * 5000, "9" * 5000, "-", "null", "true", "1e3", "0x10", "<<",
    "name: x",
]  # fmt: skip
SCALARS = st.sampled_from([*NUMBERS, *WORDS, None, True, False, datetime.date(2026, 2, 3), b"\0\1", {1, 2}])
MILD = st.sampled_from(
    [1, 2, 8, 16, 64, 0.5, 2.0, [1, 2], [8, 16], [16.0], "synthetic", "bf16", "skip", "图", None]
).map(copy.deepcopy)
KEYS = st.sampled_from(
    ["edge", "n", "width", "depth", "power", "ranks", "batch", "recipe", "faults", "path", "along", "steps", "grow",
     "kind", "repeats", "", "a\nb", "x" * 300, "\u2028", 1, 2.5, None, True, datetime.date(2026, 2, 3), "schema"]
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
) | st.sampled_from([list(range(1, 30)), [[]], [{}], {}, [], [[[[16]]]], [16, 16.0], [1, True]])
VALUES = VALUES.map(copy.deepcopy)  # what is drawn is changed further
RAW = [
    "&a [*a]", "*nobody", "&a {b: *a}", "!!int ''", "!!float ''", "!!bool no way", "!!timestamp now", "!!binary x",
    "!!set {a}", "!!python/name:os.system", "!own 3", "0o17", "017", "0b1_01", "0x" + "f" * 5000, "9" * 5000,
    "1_000", "12:30:45", ".inf", "2026-13-45", "0001-01-01 00:00:00 +23:59", "=", "<<", "{<<: {a: 1}}", "? a",
    "- - 1", "'open", '"open', '"\\q"', '"\\UFFFFFFFF"', "|\n  text", "@", "`", "%YAML 9.9", "\t1", "[" * 1000,
    "[" * 50 + "]" * 50, "{a: 1, a: 2}", "yes", "~", "[,]", "&x [1, 2], *x", "[&y 16, *y]", "\n--- 1", "# gone",
    "\x00", "\u0085", "\ufeff", "[" + "&z " + "[8]" + ", *z" * 3000 + "]",
]  # fmt: skip


def _bases():
    """What is shipped, and toys that use what is shipped nowhere. Growth in depth is planned for a few steps only."""
    found = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "configs").glob("*.yaml"))]
    for each in found:
        if each.get("sweep", {}).get("kind") == "grow":
            each["sweep"]["grow"]["steps"] = 5
    toy = toy_config(app=TOY, data={"faults": {"8": "oom"}}, sweep={"exclude": [{"n": 16, "ranks": 2}], "repeats": 2})
    grow = {"kind": "grow", "grow": {"along": {"n": 2}, "steps": 8, "budget_s": 60.0}}
    perceptron = toy_config(app=PERCEPTRON, size={"width": [2, 4], "depth": [1, 3]}, sweep={"only": [{"width": 2}]})
    return [*found, toy, toy, toy_config(app=TOY, size={"n": 8}, sweep=grow), perceptron]


BASES = _bases()


def _places(value, path=()):
    """Where something stands in nested values: the path to each, from the outside in."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))


def _parent(value, path):
    for key in path[:-1]:
        value = value[key]
    return value


@st.composite
def _changed(draw):
    """A sound configuration after up to three changes of its values and keys."""
    value = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(_places(value))))
        if not path:
            value[draw(KEYS)] = draw(VALUES)
            continue
        parent, key = _parent(value, path), path[-1]
        how = draw(st.sampled_from(["replace", "number", "mild", "mild", "mild", "wrap", "drop", "rename", "add"]))
        if how == "replace":
            parent[key] = draw(VALUES)
        elif how == "mild":
            parent[key] = draw(MILD)
        elif how == "number":
            parent[key] = draw(st.sampled_from(NUMBERS))
        elif how == "wrap":
            parent[key] = [parent[key]] if draw(st.booleans()) else {"inside": parent[key]}
        elif how == "drop":
            del parent[key]
        elif isinstance(parent, dict):
            parent[draw(KEYS)] = parent.pop(key) if how == "rename" else draw(VALUES)
        if not isinstance(value, dict) or not value:
            break
    return value


@st.composite
def texts(draw):
    """A file: changed values as YAML writes them, often with something of the format gone wrong besides."""
    text = yaml.safe_dump(draw(_changed()), allow_unicode=draw(st.booleans()), default_flow_style=draw(st.booleans()))
    lines = text.splitlines(keepends=True)
    line = draw(st.integers(0, len(lines) - 1))
    how = draw(st.sampled_from([*["none"] * 6, "value", "insert", "twice", "tabs", "cut", "any"]))
    raw = draw(st.sampled_from(RAW))
    if how == "value":
        lines[line] = f"{lines[line].partition(':')[0]}: {raw}\n"
    elif how == "insert":
        lines.insert(line, f"{raw}\n")
    elif how == "twice":
        lines.insert(line, lines[line])
    elif how == "tabs":
        lines[line] = lines[line].replace(" ", "\t")
    elif how == "cut":
        lines[line:] = [lines[line][: len(lines[line]) // 2]]
    elif how == "any":
        lines.insert(line, draw(st.text(max_size=20)))
    return "".join(lines)


def examples(count):
    return settings(max_examples=count, derandomize=True, database=None, deadline=None,
                    suppress_health_check=list(HealthCheck))  # fmt: skip


def write(path, text):
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


def outcome(path):
    """What a file leads to: a plan that can be printed, kept and read back, or one line that begins with its name."""
    try:
        asked, app, points = plan.read(path)
        rows = plan.rows(asked, app, points)
    except InputError as error:
        refusal = str(error)
    else:
        return _planned(asked, points, rows)
    assert len(refusal.splitlines()) == 1
    assert refusal.startswith(f"{path}: ")
    return "refused"


def _planned(asked, points, rows):
    assert len(plan.table(rows, {})) == len(rows) + 2
    json.dumps(rows, allow_nan=False).encode()
    assert len({point.id for point in points.wanted}) == len(points.wanted)
    assert config.parse(asked.to_yaml()) == asked
    return "planned"


@pytest.mark.parametrize("count", [300, pytest.param(3000, marks=pytest.mark.long)])
def test_random_configurations_are_planned_or_refused_in_one_line(tmp_path, count):
    seen = collections.Counter()

    @examples(count)
    @given(texts())
    def each(text):
        write(tmp_path / "x.yaml", text)
        seen[outcome(tmp_path / "x.yaml")] += 1

    each()
    assert min(seen["refused"], seen["planned"]) > count / 10


def test_through_the_command_line_too(saih):
    saih.env["PYTHONPATH"] = os.pathsep.join([str(TOYS), str(ROOT)])

    @examples(10)
    @given(texts())
    def each(text):
        write(saih.folder / "x.yaml", text)
        done = saih("plan", "x.yaml", status=None)
        if done.returncode == 0:
            assert re.search("; estimated without this machine's rates: (about|no time on) ", done.stdout)
            assert done.stderr == ""
        else:
            assert done.returncode == 2
            assert done.stderr.startswith("saih: x.yaml: ")
            assert done.stderr.count("\n") == 1

    each()
