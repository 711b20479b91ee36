"""Raw samples of a point -> its metrics, its diagnosis, and whether they can be believed. Pure; imports no torch.

One function for both who need it: the sweep, when a point has been measured, and the report, when a record is read
back. What a record says can therefore be derived again from its samples, by the rules of the day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from saih import metrics, peaks
from saih.app import Cost, Execution
from saih.diagnosis import diagnose
from saih.diagnosis.suspect import of_environment, of_settings, suspect
from saih.metrics import device_copies as everywhere
from saih.metrics.compute import Metric
from saih.metrics.soundness import completed, not_finite, reduced_precision, unsound

NO_DEVICE = "which device it was is not recorded"


@dataclass(frozen=True)
class Measured:
    """Measurement of a point, and the figures it is compared with.

    `samples` as in the record, of all copies; `places`: where each rank was, as in record.system["ranks"];
    `machine` and `ceilings` as in record.system.
    """

    samples: Mapping[str, Any]
    run: Execution
    cost: Cost
    places: Sequence[Mapping[str, Any]]
    machine: Mapping[str, Any]
    ceilings: Mapping[str, Any]
    everywhere: bool = False
    """True if the point was measured on every device or node at once."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The sweep's listed variables (saih/common/environment.py)."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the sweep's first host and GPU (saih/worker/host_settings.py)."""


@dataclass(frozen=True)
class Judged:
    """Verdict on samples. `doubt`: why they must not be believed; then there is no diagnosis."""

    metrics: Mapping[str, Metric]
    diagnosis: Mapping[str, Any] | None
    doubt: str | None


def judge(point: Measured) -> Judged:
    """The metrics and the diagnosis that follow from a point's samples, or why nothing does.

    Of several copies the one of median throughput gives the point's figures. Samples that cannot be give no metrics;
    those whose rate no machine could reach give metrics and a doubt.
    """
    samples, run, ranks = completed(point.samples), point.run, len(point.places)
    if ranks == 0 or ranks % run.ranks or (ranks != run.ranks and not point.everywhere):
        doubt: str | None = f"samples that cannot be: {ranks} ranks took part, but the point has {run.ranks}"
    else:
        doubt = unsound(samples, ranks) or reduced_precision(samples, run.precision)
    if doubt:
        return Judged(_costs(point.cost), None, doubt)
    one = everywhere.part(samples, everywhere.middle(samples, run, ranks // run.ranks), run.ranks)
    found = _metrics(one, point)
    if doubt := not_finite(found) or metrics.invalid_because(found, point.ceilings):
        return Judged(found, None, doubt)
    disturbed = suspect(samples["telemetry"], samples)
    disturbed += of_environment(point.environment, point.places) + of_settings(point.settings, point.places)
    told: dict[str, Any] = {"suspect": disturbed}
    if point.everywhere:
        told["everywhere"] = everywhere.compare(samples, run, point.places)
    kind = str(point.machine.get("device_kind"))
    return Judged(found, diagnose(found, one, point.ceilings, kind, asdict(run)) | told, None)


def _metrics(one: Mapping[str, Any], point: Measured) -> dict[str, Metric]:
    """The metrics of one copy, held against datasheet and ceilings."""
    device, memory_bytes = point.machine.get("device"), point.machine.get("device_memory_bytes")
    quoted, bandwidth = {"why": NO_DEVICE}, {"why": NO_DEVICE}
    if device:
        quoted = peaks.datasheet(device, point.run.precision, memory_bytes)
        bandwidth = peaks.bandwidth(device, memory_bytes)
    return metrics.compute(one, point.cost, point.run, quoted, point.ceilings, bandwidth)


def _costs(cost: Cost) -> dict[str, Metric]:
    """Return the metrics that are known without measuring."""
    known = {"flop_per_sample": cost.flop_per_sample, "parameters": cost.parameters}
    return {name: metrics.metric(name, value, "closed form") for name, value in known.items()}
