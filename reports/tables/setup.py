"""The tables about the run itself: machine, software, data. Facts that a file lacks are "not recorded". Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.analysis.cases import BACKGROUND, Case
from reports.analysis.runs import Run
from reports.tables.form import Cell, Head, Notes, Table, words
from reports.words.text import DASH, count, listed, quantity, scalar
from saih.records.record import STATUSES, Record

NOT_RECORDED = "not recorded"
CORE_LIMIT = "core_limit"
LABELS = {
    "device_kind": "kind of device",
    "devices": "devices on the host",
    "device_memory_bytes": "memory of a device",
    "cores": "cores of the host",
    CORE_LIMIT: "a core can do",
    "memory_bytes": "memory of the host",
    "memory_limited_by": "that memory is limited by",
    "rank_base_bytes": "memory of a rank before its first point",
    "rank_memory_bytes": "memory that resource limits leave a rank",
    "rank_memory_limited_by": "that limit",
    "cpu_quota_cores": "CPU quota in cores",
    "torch": "PyTorch",
    "python": "Python",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "mpi": "MPI",
    "os": "operating system",
    "saih": "SAIH",
    "cublas": "cuBLAS",
    "nccl": "NCCL",
    "onednn": "oneDNN",
    "mkl": "MKL",
    "openmp": "OpenMP runtime",
    "cpu_capability": "instructions that torch uses",
    "governor": "CPU frequency governor",
    "boost": "CPU boost",
    "smt": "SMT",
    "numa_balancing": "NUMA balancing",
    "huge_pages": "transparent huge pages",
    "huge_pages_defrag": "defragmentation for huge pages",
    "mig": "MIG",
    "ecc": "ECC",
    "persistence_mode": "persistence mode",
    "compute_mode": "compute mode",
    "power_limit_w": "power limit (W)",
    "default_power_limit_w": "default power limit (W)",
    "application_clock_mhz": "application clock (MHz)",
    "mps": "MPS",
}


def facts(runs: Sequence[Run], cases: Sequence[Case]) -> Table:
    """Return the table of runs and their machines: a row a fact, a column a run; differing facts are marked."""
    columns = [run_facts(run, [case for case in cases if case.run == run.label]) for run in runs]
    names = dict.fromkeys(name for column in columns for name in column)
    head = (Head("", number=False), *(Head(run.label, number=False) for run in runs))
    rows = []
    for name in names:
        values = [column.get(name, NOT_RECORDED) for column in columns]
        differs = len(set(values)) > 1
        rows.append((words(name, "differs" if differs else ""), *(words(value) for value in values)))
    return Table("facts", "What was run on which machine", head, tuple(rows))


def run_facts(run: Run, cases: Sequence[Case]) -> dict[str, str]:
    """Return the facts of one run in words."""
    system = run.first.system
    found = {
        "application": listed(dict.fromkeys(_application(record) for record in run.records)),
        "points": status_counts(cases),
        "same in all points": constants(cases),
    }
    for section, first in (("machine", "device"), ("software", "saih"), ("settings", "governor")):
        content = system.get(section) or {}
        if section == "settings" and not content:  # older versions recorded no settings
            continue
        keys = [first, *(key for key in content if key != first)]
        found |= {LABELS.get(key, key): _fact(key, content) for key in keys}
    if "environment" in system:
        variables = [f"{name}={value}" for name, value in system["environment"].items()]
        found["environment variables"] = "; ".join(variables) or "none of those that change figures"
    return found | {"hosts": _hosts(run), "measured": _times(run), "SAIH's commit": _commit(system)}


def _application(record: Record) -> str:
    return f"{scalar(record.point.get('app'))}, version {record.provenance.get('app_version', NOT_RECORDED)}"


def status_counts(cases: Sequence[Case]) -> str:
    """Return the counts as "12: 8 ok, 1 oom"; replicates are not counted."""
    statuses = [case.status for case in cases]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in STATUSES if status in statuses)
    return f"{len(cases)}: {counts}" if cases else "none"


def constants(cases: Sequence[Case]) -> str:
    """Return the values that all points of a run share, as "depth=1, batch=4"."""
    if not cases:
        return DASH
    shared = [
        key
        for key, value in cases[0].keys.items()
        if key not in ("run", "app")
        and all(case.keys.get(key) == value for case in cases)
        and not (key == BACKGROUND and not value)
    ]
    dials = [key for key in cases[0].size if key in shared]
    return cases[0].label([*dials, *(key for key in shared if key not in dials)]) or "nothing"


def _fact(key: str, content: Mapping[str, Any]) -> str:
    """Return a fact in words.

    Null means that the machine has no such thing; a missing key means that the harness did not look for it.
    """
    if key not in content:
        return NOT_RECORDED
    value = content[key]
    if value is None:
        return "none"
    if key == CORE_LIMIT:
        return _core_limit(value)
    return quantity(value, "B") if key.endswith("bytes") and isinstance(value, int | float) else scalar(value)


def _core_limit(core: Mapping[str, Any]) -> str:
    """Return the upper limit of a core, which no rate can exceed (saih/peaks/processor.py), or why it is unknown."""
    per_cycle = core.get("flop_per_cycle") or {}
    why = dict.fromkeys(str(reason) for reason in (core.get("why") or {}).values())
    if not per_cycle:
        return f"not known: {listed(why)}"
    counts = listed(f"{precision} {count}" for precision, count in per_cycle.items())
    clock = f"{quantity(core['clock_hz'], 'Hz')} ({core['clock_source']})"
    return f"FLOP a cycle: {counts} ({listed(core['extensions'])}); at most {clock}"


def _hosts(run: Run) -> str:
    ranks = [rank for record in run.records for rank in record.system.get("ranks") or []]
    hosts = [str(rank["host"]) for rank in ranks if rank.get("host")]
    drivers = [str(folder.system["host"]) for folder in run.folders if folder.system.get("host")]
    return listed(dict.fromkeys(hosts or drivers), 8) or NOT_RECORDED


def _times(run: Run) -> str:
    """Return the first and the last start of a point."""
    started = sorted(str(record.provenance["started"]) for record in run.records if record.provenance.get("started"))
    created = sorted(str(folder.system["created"]) for folder in run.folders if folder.system.get("created"))
    ends = dict.fromkeys(_time(text) for text in (started or created)[:: max(1, len(started or created) - 1)])
    return " to ".join(ends) or NOT_RECORDED


def _time(text: str) -> str:
    """Return an ISO time to the minute, for people, and other text unchanged."""
    if len(text) < 16 or text[10] != "T":
        return text
    zone = " UTC" if text.endswith(("Z", "+00:00")) else text[19:]
    return f"{text[:10]} {text[11:16]}{zone}"


def _commit(system: Mapping[str, Any]) -> str:
    if "git" not in system:
        return NOT_RECORDED
    git = system["git"]
    if not git:
        return "installed, not from a checkout"
    dirty = ", with changes that are not committed" if git.get("dirty") else ""
    return f"{git.get('commit', NOT_RECORDED)}{dirty}"


def data_sets(runs: Sequence[Run]) -> Table | None:
    """Return the table of the application's own facts about its data."""
    facts_of: dict[tuple[str, str], Mapping[str, Any]] = {}
    for run in runs:
        for folder in run.folders:
            for key, value in (folder.system.get("data") or {}).items():
                facts_of[run.label, str(key)] = value if isinstance(value, Mapping) else {"value": value}
    if not facts_of:
        return None
    columns = list(dict.fromkeys(name for value in facts_of.values() for name in value))
    several = len(runs) > 1
    head = (
        *((Head("run", number=False),) if several else ()),
        Head("data set", number=False),
        *(Head(name, number=False) for name in columns),
    )
    notes = Notes()
    rows = tuple(
        (*((words(label),) if several else ()), words(key), *(_data(value, name, notes) for name in columns))
        for (label, key), value in facts_of.items()
    )
    return Table("data", "Data sets, as the application describes them", head, rows, notes.listed())


def _data(value: Mapping[str, Any], name: str, notes: Notes) -> Cell:
    if value.get(name) is None:
        return Cell(DASH, note=notes.mark(NOT_RECORDED), number=False)
    if name.endswith("bytes") and isinstance(value[name], int | float):
        return words(quantity(value[name], "B"))
    return words(scalar(value[name]))


def summary(runs: Sequence[Run], cases: Sequence[Case]) -> str:
    """Return the line below the title: devices, application, number of points."""
    devices = dict.fromkeys(_fact("device", run.first.system.get("machine") or {}) for run in runs)
    apps = dict.fromkeys(scalar(record.point.get("app")) for run in runs for record in run.records)
    device = listed(devices) if list(devices) != [NOT_RECORDED] else "device not recorded"
    return f"{listed(apps)} on {device}; {count(len(cases), 'point')}"
