"""Records -> cases. A case is one problem under one execution, and its repeats are its replicates. Pure.

Problem size is the work of one device in one step, x = flop_per_sample x batch, which is defined for any dials. A point
that failed has no metrics; its x is taken from cases of the same application and size, provided that these agree.

Intervals: one replicate has the interval of its record (within-run). A rate without an interval takes that of the step
time, since rate is proportional to 1 / step time: [value x step / step_high, value x step / step_low].

Several replicates have their median, with its interval by order statistics. They ran in processes of their own and are
independent, so that the interval includes the variation between processes. Below six replicates the interval is the
whole range and its confidence is low (50 % for two); then the replicates' own intervals are joined to it, so that it is
never narrower than theirs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.analysis.runs import Run
from reports.words.text import listed, scalar
from saih.metrics.compute import UNITS
from saih.records.record import STATUSES, Record
from saih.statistics.intervals import independent_median_interval

Scalar = int | float | str | bool | None

RATES = ("samples_per_s", "flop_per_s_per_device", "percent_of_peak", "percent_of_measured_peak")
"""Metrics proportional to 1 / step time."""
BACKGROUND = "background_read_mb_s"
FULL = 0.95
"""Confidence of the order statistics of six replicates or more."""
EXECUTION = ("ranks", "batch", "precision", "execution", "input", BACKGROUND)
_PRECISIONS = ("fp32", "tf32", "bf16", "fp16")


@dataclass(frozen=True)
class Quantity:
    """A metric of a case, with its interval.

    A `value` of None has its reason in `why`; `interval` names the kind of interval.
    """

    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    interval: str = ""
    why: str = ""

    @property
    def sign(self) -> int | None:
        """1 or -1 if the whole interval is on that side of zero, 0 if it holds zero, None without an interval."""
        if self.low is None or self.high is None:
            return None
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


@dataclass(frozen=True)
class Case:
    """One problem under one execution: number in the report, identity (`keys`, flat) and replicates."""

    number: int
    run: str
    keys: Mapping[str, Scalar]
    size: Mapping[str, Scalar]
    records: tuple[Record, ...]
    flop_per_step: float | None

    @property
    def ok(self) -> tuple[Record, ...]:
        """The replicates that were measured and are valid."""
        return tuple(record for record in self.records if record.status == "ok")

    @property
    def status(self) -> str:
        """`ok` if any replicate is ok, else the first of their statuses in the schema's order."""
        return min((record.status for record in self.records), key=STATUSES.index)

    @property
    def status_text(self) -> str:
        """The status, with the number of replicates that have it if there are several."""
        alike = sum(record.status == self.status for record in self.records)
        return self.status if len(self.records) == alike == 1 else f"{self.status} ({alike} of {len(self.records)})"

    @property
    def ranks(self) -> int:
        """The number of ranks; 0 if the record does not hold it."""
        ranks = self.keys.get("ranks")
        return ranks if isinstance(ranks, int) else 0

    @property
    def disturbed(self) -> bool:
        """True if the case ran with background load: other processes read from the same storage."""
        return bool(self.keys.get(BACKGROUND))

    def label(self, keys: Sequence[str]) -> str:
        """Return the case in words, by these keys."""
        return ", ".join(f"{key}={scalar(self.keys.get(key))}" for key in keys)

    def quantity(self, name: str) -> Quantity:
        """Return a metric over the replicates."""
        unit = UNITS.get(name, ("", ""))[0]
        if not self.ok:
            return Quantity(None, unit, why=f"the point is {self.status}")
        quantities = [_of_record(record, name, unit) for record in self.ok]
        values = [quantity.value for quantity in quantities if quantity.value is not None]
        if len(quantities) == 1 or not values:
            return quantities[0]
        if min(values) == max(values):  # a count, not a measurement
            return Quantity(values[0], quantities[0].unit)
        return replicated([quantity for quantity in quantities if quantity.value is not None])

    def value(self, name: str) -> float | None:
        """Return the value of a metric, or None."""
        return self.quantity(name).value


def replicated(found: Sequence[Quantity]) -> Quantity:
    """Return the median over replicates that differ and all have a value; its interval covers several processes."""
    interval = independent_median_interval([quantity.value for quantity in found if quantity.value is not None])
    kind = f"order statistics of {len(found)} fresh-process replicates"
    low, high = interval.low, interval.high
    own = [quantity for quantity in found if quantity.low is not None and quantity.high is not None]
    if interval.confidence < FULL and own:
        kind += " and their own intervals"
        low = min(low, *(quantity.low for quantity in own if quantity.low is not None))
        high = max(high, *(quantity.high for quantity in own if quantity.high is not None))
    return Quantity(interval.middle, found[0].unit, low, high, f"{kind}, {100 * interval.confidence:.0f} %")


def _of_record(record: Record, name: str, unit: str) -> Quantity:
    entry = record.metrics.get(name)
    if entry is None:
        return Quantity(None, unit, why="not recorded")
    unit = str(entry.get("unit", unit))
    value = record.value(name)
    if value is None or not math.isfinite(value):
        why = entry.get("why") or ("no reason recorded" if value is None else "not a finite number")
        return Quantity(None, unit, why=str(why))
    low, high, kind = entry.get("low"), entry.get("high"), str(entry.get("interval") or "")
    if (low is None or high is None) and name in RATES:
        low, high, kind = _from_step(value, record.metrics.get("step_s") or {})
    return Quantity(value, unit, low, high, kind)


def _from_step(value: float, step: Mapping[str, Any]) -> tuple[float | None, float | None, str]:
    """Return the step's interval, carried over to a rate: low, high and kind."""
    middle, low, high = step.get("value"), step.get("low"), step.get("high")
    if not middle or not low or not high:
        return None, None, ""
    return value * middle / high, value * middle / low, f"from the step time's: {step.get('interval') or 'not named'}"


def make_cases(runs: Sequence[Run]) -> list[Case]:
    """Return the cases of all runs, numbered in the order of the runs and then of their keys."""
    groups: dict[str, tuple[str, dict[str, Scalar], list[Record]]] = {}
    for run in runs:
        for record in run.records:
            keys = _keys(run.label, record.point)
            groups.setdefault(json.dumps(keys, sort_keys=True, default=str), (run.label, keys, []))[2].append(record)
    labels = [run.label for run in runs]
    ordered = sorted(groups.values(), key=lambda group: (labels.index(group[0]), _order(group[1])))
    costs = _costs(runs)
    return [
        Case(number, label, keys, _size(records[0]), tuple(records), _flop_per_step(records[0].point, costs))
        for number, (label, keys, records) in enumerate(ordered, 1)
    ]


def _size(record: Record) -> dict[str, Scalar]:
    return dict(record.point.get("size") or {})


def _keys(label: str, point: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return the keys that identify a case, flat: dials, execution, the data set's description, application and run."""
    run = point.get("run") or {}
    data = _flat(point.get("data") or {}, "data.")
    execution = {key: run.get(key) for key in EXECUTION} | {BACKGROUND: run.get(BACKGROUND) or 0}
    return {"run": label, "app": point.get("app"), **data, **execution, **(point.get("size") or {})}


def _flat(raw: Mapping[str, Any], prefix: str) -> dict[str, Scalar]:
    flat: dict[str, Scalar] = {}
    for key, value in raw.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            plain = "none" if value is None else value
            flat[f"{prefix}{key}"] = plain if isinstance(plain, Scalar) else json.dumps(value, sort_keys=True)
    return flat


def rank_value(value: Scalar) -> tuple[int, float, str]:
    """Return the sort key of a value: numbers by size, precisions from wide to narrow, other words by alphabet."""
    if isinstance(value, int | float):
        return 0, float(value), ""
    if value in _PRECISIONS:
        return 1, float(_PRECISIONS.index(str(value))), ""
    return (3, 0.0, "") if value is None else (2, 0.0, str(value))


def _order(keys: Mapping[str, Scalar]) -> list[tuple[int, float, str]]:
    """Return the sort key of a case: application, data and precision before dials, and those before batch and ranks."""
    late = ("batch", "ranks", BACKGROUND)
    names = [*(n for n in keys if n in ("app", "precision", "execution", "input") or n.startswith("data."))]
    dials = [n for n in keys if n not in names and n not in late and n != "run"]
    return [rank_value(keys[name]) for name in [*names, *dials, *late]]


def _identity(point: Mapping[str, Any]) -> str:
    return json.dumps([point.get("app"), point.get("size")], sort_keys=True, default=str)


def _costs(runs: Sequence[Run]) -> dict[str, float | None]:
    """Return FLOP per sample by application and size; None if records disagree."""
    costs: dict[str, float | None] = {}
    for record in (record for run in runs for record in run.records):
        cost = record.value("flop_per_sample")
        if cost is not None:
            name = _identity(record.point)
            costs[name] = cost if costs.get(name, cost) == cost else None
    return costs


def _flop_per_step(point: Mapping[str, Any], costs: Mapping[str, float | None]) -> float | None:
    cost = costs.get(_identity(point))
    batch = (point.get("run") or {}).get("batch")
    return None if cost is None or not isinstance(batch, int | float) else cost * batch


def numbers(cases: Sequence[Case], most: int = 8) -> str:
    """Return the numbers of these points, as "#3, #4 and #9"."""
    return listed((f"#{case.number}" for case in cases), most)


def half_width_percent(case: Case) -> float | None:
    """Return half of the rate's interval as percent of the rate, or None without an interval."""
    rate = case.quantity("samples_per_s")
    if not rate.value or rate.low is None or rate.high is None:
        return None
    return 50 * (rate.high - rate.low) / rate.value
