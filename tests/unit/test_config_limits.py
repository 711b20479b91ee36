"""What would crash, hang or fill the memory, if a configuration could ask for it: each is refused with its place."""

import datetime
from pathlib import Path

import pytest
import yaml

from saih import config
from saih.cli import plan
from saih.errors import InputError
from tests.conftest import ROOT, toy_config


def cosmoflow(**changes):
    return yaml.safe_dump({"schema": 1, "name": "x", "app": "cosmoflow", "size": {"edge": 16},
                           "run": {"input": "synthetic"}} | changes)  # fmt: skip


WIDE = {name: list(range(1, 101)) for name in ("ranks", "batch")}
LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (cosmoflow(run={**WIDE, "input": [f"i{i}" for i in range(1000)]}), "give 1e+07 points, before only"),
        (cosmoflow(size={"edge": 16, "width": [i / 32 for i in range(1, 1001)]}, run=WIDE), "give 1e+07 points"),
        (cosmoflow(size={"edge": 16, "depth": list(range(1, 1002))}), "at most 1000 items"),
        (cosmoflow(size={"edge": 16, "depth": 10**12}), "size.depth = 1000000000000: must be at most 1024"),
        (cosmoflow(size={"edge": 2**40}), "size.edge = 1099511627776: must be at most 4096"),
        (cosmoflow(size={"edge": 16, "width": 1e6}), "size.width = 1000000.0: must be at most 1024"),
        (cosmoflow(size={"edge": 10**400}), "size.edge = an integer of 1329 bits: must be an integer"),
        (cosmoflow(data={"path": "x", "threads": 10**9}), "data.threads = 1000000000: must be at most 1024"),
        (cosmoflow(data={"path": datetime.date(2026, 2, 3)}), "data.path = 2026-02-03: must be text, a number, true"),
        (cosmoflow(data={"path": "a\nb"}), "data.path = 'a\\nb': must be a single line of characters"),
        (cosmoflow(data={"path": "x" * 5000}), "...: must have at most 4096 characters, not 5000"),
        (cosmoflow(data={1: 2}), "data: key 1: must be text; put it in quotes"),
        (cosmoflow(data={"a\nb": 2}), "data: key 'a\\nb': must be a single line"),
        (cosmoflow(app=".x:APP"), "app = .x:APP: must be a folder of apps/, or my.module:APP"),
        (cosmoflow(app=":APP"), "app = :APP: must be a folder of apps/, or my.module:APP"),
        (cosmoflow(sweep={"grow": {"along": {"edge": 2}, "step": 3}}), "sweep.grow.step: unknown key; allowed: along"),
        (cosmoflow(limits={"memory_gib": 1e300}), "limits.memory_gib = 1e+300: must be less than or equal to 1000000"),
        (LAUGHS + cosmoflow(), "holds more than 100000 values, with each alias as often as it is used"),
        ("x: &a [*a]\n" + cosmoflow(), "is nested more than 32 deep"),
        ("x: " + "[" * 10**5, "is not YAML: maximum recursion depth exceeded"),
        ("x: !!timestamp now", "is not YAML: a value does not suit its tag"),
        ("x: 0x" + "f" * 5000, "x = an integer of 20000 bits: must be"),
        ("<<: {x: 1}", "is not YAML: line 1: the merge key << is not supported"),
        ("x" * (2**20 + 1), "cannot be read (is larger than 1 MiB)"),
    ],
)  # fmt: skip
def test_what_would_crash_or_never_end_is_refused(tmp_path, text, says):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        plan.read(tmp_path / "x.yaml")
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 1000


def test_a_file_without_an_end_is_not_read_to_it():
    with pytest.raises(InputError, match=r"/dev/zero: cannot be read \(is no regular file\)"):
        config.load(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("n", "says"), [(1e300, "size.n = 1e+300: must be at most 2^63"), (2**64, "2^63"), (-1e300, "at least")]
)
def test_a_size_beyond_all_numbers_is_one_line(saih, n, says):
    saih.write("x.yaml", toy_config(size={"n": [n]}))
    done = saih("plan", "x.yaml", status=2)
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_cost_beyond_all_numbers_is_one_line(saih):
    (saih.folder / "steep.py").write_text(
        "from tests.toys.toy import Toy\nfrom dataclasses import replace\n"
        "class Steep(Toy):\n    def cost(self, point):\n"
        "        return replace(super().cost(point), flop_per_sample=int(point.size['n']) ** 20)\nAPP = Steep()\n"
    )
    saih.write("x.yaml", toy_config(app="steep:APP", size={"n": [2**62]}))
    saih.env["PYTHONPATH"] += f":{saih.folder}:{ROOT}"
    done = saih("plan", "x.yaml", status=2)
    assert "size: n = 4.61169e+18, power = 1: costs more operations than a number can hold" in done.stderr


def test_an_alias_may_save_typing():
    text = "schema: 1\nname: x\napp: cosmoflow\nsize: {edge: &sides [16, 32], width: *sides}\n"
    assert config.parse(text).size == {"edge": [16, 32], "width": [16, 32]}


@pytest.mark.parametrize("steps", [170, 1000])
def test_growth_ends_before_numbers_do(tmp_path, steps):
    """A dial without an upper limit, times 64 a step: beyond 2^53 floats skip whole numbers, beyond 2^1024 they end."""
    grow = {"kind": "grow", "grow": {"along": {"n": 64}, "steps": steps}}
    (tmp_path / "x.yaml").write_text(cosmoflow(app="tests.toys.toy:APP", size={"n": 8}, sweep=grow))
    rows = plan.rows(*plan.read(tmp_path / "x.yaml"))
    assert [row["point"]["size"]["n"] for row in rows] == [8 * 64**k for k in range(9)]
    assert len(plan.table(rows, {})) == 11
