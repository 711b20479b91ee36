"""A record as judged by today's rules: metrics, diagnosis and doubts recomputed from its raw samples. Pure.

A sweep of last year is thus judged like one of today, and the figures in a file need not be trusted. Values that the
samples do not give are taken as recorded: the cost of the algorithm, the peak of memory, the application's own metrics.

A metric that is defined as before, but differs from the value that the samples give, makes the record doubtful: either
the file was changed or it holds a fault, and the true figure of the two is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from reports.words.text import clauses
from saih import metrics
from saih.app import Cost, Execution
from saih.common.shapes import fault, not_negative
from saih.judge import Judged, Measured, judge
from saih.metrics.compute import UNITS, Metric
from saih.metrics.soundness import not_finite, width
from saih.peaks.highest import ceilings_of
from saih.records.record import Record

DOUBTFUL = "doubtful"
"""The error kind of a record whose metrics do not follow from its samples."""
GIVEN = ("flop_per_sample", "executed_flop_per_sample", "parameters", "peak_mem_bytes")
"""Metrics that samples do not give."""
SINCE = {
    **dict.fromkeys(("samples_per_s", "step_s", "flop_per_s_per_device", "exposed_input_s", "exposed_comm_s"), 1),
    **dict.fromkeys(("input_wait_s", "h2d_s", "read_s", "decode_s", "read_bytes_per_s"), 1),
    **dict.fromkeys(("background_read_bytes_per_s", "rank_imbalance_percent"), 2),
    **dict.fromkeys(("energy_j_per_sample", "busy_s", "forward_s", "backward_s", "optimiser_s"), 4),
    **dict.fromkeys(("dram_busy_percent", "tensor_busy_percent"), 6),
}
"""Metrics that a record's samples alone give -> the method version since which their values are defined as today."""
TOLERANCE = 1e-6
"""Relative tolerance, because sums may have been taken in another order."""
MOST_NAMED = 3


@dataclass(frozen=True)
class Difference:
    """A metric as recorded, and as it follows from the samples."""

    name: str
    recorded: float
    follows: float

    @property
    def words(self) -> str:
        """Both figures, in words."""
        return f"{self.name} is recorded as {self.recorded:.7g}, its samples give {self.follows:.7g}"


def anew(record: Record, system: Mapping[str, Any], everywhere: bool = False) -> Record:
    """Return the record by today's rules, as `invalid` with the reason if it cannot be believed.

    `system` is the run's system.json, or empty; `everywhere` is True if the run measures on every device or node.
    Records without a result are returned unchanged.
    """
    if record.status != "ok":
        return record
    point = _measured(record, system, everywhere)
    if isinstance(point, str):
        return _unusable(record, {}, "invalid", point)
    judged = judge(point)
    merged = dict(judged.metrics) | _given(record)
    doubt = judged.doubt or not_finite(merged)
    if doubt:
        return _unusable(record, merged, "invalid", doubt)
    differing = list(_differences(record, judged.metrics, _version(record, system)))
    if differing:
        listed = clauses((difference.words for difference in differing), MOST_NAMED)
        return _unusable(
            record, merged, DOUBTFUL, f"the metrics of record {record.id} do not follow from its samples: {listed}"
        )
    return replace(record, metrics=merged, diagnosis=_diagnosis(record, judged))


def is_doubtful(record: Record) -> bool:
    """True if a record's metrics do not follow from its samples."""
    return (record.error or {}).get("kind") == DOUBTFUL


def _measured(record: Record, system: Mapping[str, Any], everywhere: bool) -> Measured | str:
    """Return the input that `judge` needs of a record, or the reason why it is incomplete."""
    given = record.point.get("run") or {}
    missing = [key for key in ("ranks", "batch", "precision", "execution", "input") if key not in given]
    if missing:
        return f"how it ran is not recorded: point.run.{missing[0]} is missing"
    run = Execution(**{field.name: given[field.name] for field in fields(Execution) if field.name in given})
    flop = (record.metrics.get("flop_per_sample") or {}).get("value")
    why = fault(not_negative, flop, "flop_per_sample")
    if flop is None or why:
        return f"what a sample costs is not recorded: {why}"
    places = record.system.get("ranks") or [{}] * width(record.samples, run.ranks)
    places = [{"host": "host not recorded", "device": "not recorded", "cores": [], **place} for place in places]
    machine = record.system.get("machine") or system.get("machine") or {}
    ceilings = ceilings_of({"system": {**record.system, "ranks": places}, "point": record.point}, system)
    all_at_once = everywhere or bool((record.diagnosis or {}).get("everywhere"))
    cost = Cost(int(flop), 0, 0, 0, 0)
    around = {section: record.system.get(section) or {} for section in ("environment", "settings")}
    return Measured(record.samples, run, cost, places, machine, ceilings, all_at_once, **around)


def _given(record: Record) -> dict[str, Metric]:
    """Return the metrics that are taken as recorded; of the core metrics these are `GIVEN`."""
    given = {name: dict(entry) for name, entry in record.metrics.items() if name in GIVEN or name not in UNITS}
    return {name: metrics.unknown(name, "not recorded") for name in GIVEN if name not in given} | given


def _version(record: Record, system: Mapping[str, Any]) -> int:
    """Return the method version of the record, or the first version if none is recorded."""
    version = record.provenance.get("method_version", system.get("method_version"))
    return version if isinstance(version, int) else 1


def _differences(record: Record, found: Mapping[str, Metric], version: int) -> Iterator[Difference]:
    """Yield the recorded metrics that do not follow from the samples; a null on either side contradicts nothing."""
    follows = {name: found[name]["value"] for name, since in SINCE.items() if since <= version and name in found}
    values = record.samples.get("values") or {}
    follows |= {name: values.get(name) for name in record.metrics if name not in UNITS}
    for name, value in follows.items():
        recorded = (record.metrics.get(name) or {}).get("value")
        if recorded is None or value is None:
            continue
        if not abs(recorded - value) <= TOLERANCE * max(abs(recorded), abs(value)):
            yield Difference(name, recorded, value)


def _diagnosis(record: Record, judged: Judged) -> dict[str, Any]:
    """Return today's diagnosis; recorded reasons to suspect the point stay if their telemetry was not kept."""
    recorded = (record.diagnosis or {}).get("suspect")
    kept = {"suspect": recorded} if recorded and not record.samples.get("telemetry") else {}
    return {**(judged.diagnosis or {}), **kept}


def _unusable(record: Record, found: Mapping[str, Metric], kind: str, why: str) -> Record:
    error = {"kind": kind, "message": why, "log_end": None}
    return replace(record, status="invalid", metrics=metrics.withheld(found, why), diagnosis=None, error=error)
