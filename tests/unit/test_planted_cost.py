"""What the planted toy says its plants cost: told of each that is turned on, and true where the cost is known."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from tests.toys import planted_cost
from tests.toys.planted import APP
from tests.unit.test_cosmoflow_training import Alone
from tests.unit.test_planted_toy import point

pytestmark = pytest.mark.usefixtures("one_thread")


def test_every_plant_that_is_turned_on_has_its_cost_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(planted_cost, "MIN_BLOCK_S", 0.01)
    wanted = point(products=5, passes=2, calls=50, reads_mb=1, inflate_mb=2, parse_kb=9, data={"folder": str(tmp_path)})
    APP.prepare(Alone(), [wanted])
    work = APP.build(Alone(), wanted)
    work.run(1)
    assert work.check() is None
    work.close()
    kept = json.loads((tmp_path / planted_cost.FOLDER / f"{wanted.id}.json").read_text())
    assert set(kept) == {"products", "passes", "calls", "reads_mb", "inflate_mb", "parse_kb"}
    assert {len(shares) for shares in kept.values()} == {planted_cost.PAIRS}


def test_a_plant_costs_the_share_that_it_takes(tmp_path, monkeypatch) -> None:
    """A step of 4 ms that is 3 ms without the plant, told by the clock alone."""
    monkeypatch.setattr(planted_cost, "MIN_BLOCK_S", 0.02)
    work = APP.build(Alone(), point(calls=1))
    monkeypatch.setattr(type(work), "run", lambda self, n: time.sleep(n * (3e-3 + 1e-3 * self._point.size["calls"])))
    shares = planted_cost.shares(Alone(), work, "calls")
    assert sorted(shares)[len(shares) // 2] == pytest.approx(0.25, abs=0.1)
    work.close()


def test_a_variant_lacks_only_what_is_turned_back(tmp_path) -> None:
    wanted = point(passes=3, reads_mb=1, inflate_mb=2, data={"folder": str(tmp_path)})
    APP.prepare(Alone(), [wanted])
    work = APP.build(Alone(), wanted)
    unread = work.lacking({"reads_mb": 0})
    assert unread._point == replace(wanted, size={**wanted.size, "reads_mb": 0})
    phases = unread.run(2).finished().phases
    assert phases["read_s"] < phases["decode_s"]
    assert unread.source is not work.source
    assert work.lacking({"passes": 0}).source is work.source
    unread.source.close()
    work.close()
