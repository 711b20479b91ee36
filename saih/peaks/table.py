"""The ceilings as text: a line each, then the methods. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Line = tuple[str, str, str]
"""Name, value, and further text."""

ARITHMETIC = "FLOPs of the best matrix product or convolution / time, a device, random data, all ranks at once"
SUSTAINED = "arithmetic and memory: the sustained rate, once clocks and power have settled, with its interval"
FASTEST = "all else: the fastest repeat; the median of the repeats is given beside it"
MOST_REASONS = 4
_STEPS = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0), ("m", 1e-3), ("u", 1e-6), ("n", 1e-9))
_SIZES = (("MiB", 2**20), ("KiB", 2**10), ("B", 1))


def lines(result: Mapping[str, Any]) -> list[str]:
    """Return the lines of `saih peaks` (docs/peaks.md), without the doubts."""
    rows = [*_arithmetic(result)]
    methods = [SUSTAINED, FASTEST, f"arithmetic: {ARITHMETIC}"]
    for ceiling in result["ceilings"]:
        for part, tell in _PARTS.items():
            rows += tell(ceiling[part])
            if method := ceiling[part].get("method"):
                methods.append(f"{part}: {method}")
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    table = [f"{what:{widths[0]}}  {value:>{widths[1]}}  {rest}".rstrip() for what, value, rest in rows]
    return [_machine(result), "", *table, "", *methods]


def quantity(value: float, unit: str) -> str:
    """Return a figure with a prefix: 12300000 B/s is 12.3 MB/s."""
    prefix, step = next((each for each in _STEPS if abs(value) >= each[1]), _STEPS[-1])
    return f"{value / step:.3g} {prefix}{unit}"


def size(bytes_: int) -> str:
    """Return a power of two in its usual form: 4 KiB."""
    unit, step = next(each for each in _SIZES if bytes_ >= each[1])
    return f"{bytes_ / step:g} {unit}"


def _machine(result: Mapping[str, Any]) -> str:
    machine, ranks = result["system"]["machine"], result["ceilings"][0]["ranks"]
    cores = result["cores_per_rank"]
    each = f"{cores} core{'' if cores == 1 else 's'} each" if machine["device_kind"] == "cpu" else "a device each"
    return f"{machine['device']}, {ranks} rank{'' if ranks == 1 else 's'}, {each}"


def _rate(found: Mapping[str, Any], name: str, unit: str) -> tuple[str, str]:
    """Return the fastest rate, and the median beside it."""
    return quantity(found[name], unit), f"median {quantity(found[f'median_{name}'], unit)}"


def _sustained(found: Mapping[str, Any], name: str, unit: str) -> tuple[str, str]:
    """Return the sustained rate, its interval and the fastest repeat; without a sustained rate, the short repeats."""
    if name not in found:
        return quantity(found[f"median_{name}"], unit), "median of short repeats: not among the best"
    low, high = (quantity(found[f"{name}_{end}"], unit) for end in ("low", "high"))
    return quantity(found[name], unit), f"{low} to {high}; a burst {quantity(found[f'fastest_{name}'], unit)}"


def _time(found: Mapping[str, Any]) -> tuple[str, str]:
    return quantity(found["seconds"], "s"), f"median {quantity(found['median_seconds'], 's')}"


def _unknown(what: str, why: str) -> Line:
    return what, "unknown", why


def _arithmetic(result: Mapping[str, Any]) -> Iterator[Line]:
    for peak in result["peaks"]:
        value, beside = _sustained(peak, "flop_per_s", "FLOP/s")
        yield f"arithmetic, {peak['precision']}", value, f"{beside}; {peak['best']}"
    for name, quoted in result["datasheet"].items():
        unit = "B/s" if name == "memory" else "FLOP/s"
        figure = quoted.get("memory_bytes_per_s" if name == "memory" else "flop_per_s")
        what = f"datasheet, {name}"
        yield _unknown(what, quoted["why"]) if figure is None else (what, quantity(figure, unit), quoted["source"])


def _memory(found: Mapping[str, Any]) -> Iterator[Line]:
    for entry in found["entries"]:
        yield (f"memory, {entry['name']}", *_sustained(entry, "memory_bytes_per_s", "B/s"))


def _copies(found: Mapping[str, Any]) -> Iterator[Line]:
    if not found["entries"]:
        yield _unknown("copies", found["why"])
    for entry in found["entries"]:
        kind = "pinned" if entry["pinned"] else "pageable"
        what = f"copies, {entry['direction']}, {kind}, {size(entry['bytes'])}"
        yield (what, *_rate(entry, "bytes_per_s", "B/s"))


def _launches(found: Mapping[str, Any]) -> Iterator[Line]:
    for entry in found["entries"]:
        yield (f"launch, {entry['name']}", *_time(entry))
    if "why" in found:
        yield _unknown("launch, round trip", found["why"])


def _allreduce(found: Mapping[str, Any]) -> Iterator[Line]:
    if not found["entries"]:
        yield _unknown("all-reduce", found["why"])
    for entry in found["entries"]:
        value, median = _rate(entry, "bus_bytes_per_s", "B/s")
        took = f"{quantity(entry['seconds'], 's')} each"
        yield f"all-reduce, {entry['ranks']} ranks, {size(entry['bytes'])}", value, f"{median}; {took}"


def _storage(found: Mapping[str, Any]) -> Iterator[Line]:
    if found["read_bytes_per_s"] is None:
        yield _unknown("storage, read", found["why"])
        return
    value, median = _rate(found, "read_bytes_per_s", "B/s")
    yield "storage, read by all ranks", value, f"{median}; {'direct' if found['direct'] else 'not direct'}"


_PARTS = {
    "memory": _memory,
    "copies": _copies,
    "launches": _launches,
    "allreduce": _allreduce,
    "storage": _storage,
}


def suspect(result: Mapping[str, Any]) -> list[str]:
    """Return the reasons why ceilings may not be representative, a line each."""
    named = [(f"arithmetic, {peak['precision']}", peak) for peak in result["peaks"]]
    named += [("memory", ceiling["memory"]) for ceiling in result["ceilings"]]
    lines_ = []
    for what, measured in named:
        reasons = [str(each["words"]) for each in measured.get("suspect") or []]
        lines_ += [f"suspect: {what}: {words}" for words in reasons[:MOST_REASONS]]
        if more := len(reasons) - MOST_REASONS:
            lines_ += [f"suspect: {what}: {more} reasons more (--out keeps them)"] if more > 0 else []
    return lines_


def doubtful(doubts: Sequence[str]) -> list[str]:
    """Return the ceilings that must not be believed, a line each."""
    return [f"must not be believed: {doubt}" for doubt in doubts]
