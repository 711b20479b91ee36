"""The origin of the numbers, in paragraphs: the harness's protocol, with this report's own counts from the records.

The glossary quotes the records on each metric's method; this section has the protocol around the methods.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from reports.analysis import diagnosis
from reports.analysis.cases import Case
from reports.analysis.device_copies import find_everywhere
from reports.analysis.hockney import MIN_SIZES, WORST_MISFIT
from reports.analysis.overview import Overview
from reports.analysis.runs import Run
from reports.analysis.suspects import note
from reports.analysis.trend import FLAT
from reports.sections.form import Definitions, Section
from reports.words.text import listed, scalar, span
from saih.diagnosis import NAMED_SHARE
from saih.metrics.work_groups import BEYOND, NEAR
from saih.records.record import Record

SIZE = (
    "The work of one device in one step: floating-point operations of a sample (FLOP, a multiply-add counted as two) x "
    "samples a rank and step. It is the work the algorithm asks for, in closed form for the plain variant, whatever "
    "variant ran, so it orders problems whichever dials grow."
)
CEILING = (
    "The measured ceiling is the sustained rate of the best of a set of matrix products and 3D convolutions, in the "
    "precision of the point, on random data, with as many ranks running at once: all operations over all time of the "
    "repeats that come once clocks and power have settled. The share's interval joins those of rate and ceiling, which "
    "were measured apart, in quadrature. The datasheet peak is the vendor's dense figure for the datapath used, at the "
    "boost clock that the vendor computes with. A device is a GPU or, on CPUs, the cores of one rank. What can exceed "
    "what: a burst on a rested device exceeds the sustained ceiling, and so may a layer alone, which is one; kernels "
    "better than those of the set may exceed it for good. Then the ceiling does not hold for that work, which is "
    "said. A device at its power limit stays below the datasheet's clock; one with little to do may exceed it. Nothing "
    "can exceed what all units do at the highest clock (the datasheet peak x 1.16; on CPUs cores x highest clock x "
    "operations a cycle): a point that does is invalid. Where the measured ceilings of points differ by more than "
    "their intervals, points are compared by FLOP/s a device, and each share is one of its own ceiling."
)
OLDER_CEILING = (
    " Before method version 8 no sustained rate was measured: the highest median of short repeats stands for it, "
    "without an interval."
)
DIFFERENCES = (
    "Blocks of the full step take turns with blocks of the same step without input and without communication, so that "
    "a drift of the machine hits all alike. What a part costs is the median difference of neighbouring blocks, per "
    "step: what is exposed, not what hides behind computing. Noise can make a small difference negative; it is shown "
    "so."
)
DERIVED = (
    "Scaling efficiency: samples/s per rank over samples/s per rank at the fewest ranks, all else equal. Weak scaling: "
    "the batch of a rank stays, so that the problem grows with the ranks. Strong scaling: the batch of all ranks "
    "together stays, so that a rank's part of the same step gets smaller. Last gain: the relative change along a "
    f"series between its two largest sizes, with the worst ends of both intervals; below {100 * FLAT:.0f} % it counts "
    f"as flat, and where its interval holds both zero and more than {100 * FLAT:.0f} % it is not resolved. Effect of a "
    "change: the ratio between points equal in all else, at its highest and lowest value; the median over such pairs."
)
FIGURES = (
    "Hockney's form, time(n) = (n + n½) / r∞ with n the work of one device in one step, is fitted to each growth path: "
    "r∞ is the rate that growing problems approach, n½ the problem that reaches half of it. The squares of the "
    "logarithms of measured over fitted time are least, so that every size counts alike. Intervals are profile "
    "intervals (95 %) from the scatter of the sizes about the form, or from the rates' own intervals where those are "
    "wider; r∞ is no lower than the highest measured rate. The worst misfit says how well two numbers describe the "
    f"path. There is no figure where there are fewer than {MIN_SIZES} sizes, the last gain says that the rate still "
    "rises, the largest size reaches less than half of r∞, the rate falls again, or a size is off by more than a "
    f"factor of {1 + WORST_MISFIT:g}. Nor where another form fits: (n½/n) with an exponent of its own "
    "or a rate that goes on rising or falls again, if it lowers the misfit beyond chance (F-test); a power law that "
    "never levels off, if it fits about as well. Time a sample is 1 / throughput."
)


BACKGROUND = (
    "While a point with background reading is measured, a process on each host reads the data set's own files at "
    "random places, past the page cache, at a set rate: it plays the other users of the storage. Figures take the rate "
    "that was achieved. Where throughput falls to 95 % of the undisturbed is interpolated on a straight line between "
    "two points."
)


EVERYWHERE = (
    "Where a point was asked for on every device or node at once, equal copies run at the same time, each for itself, "
    "so that power and cooling are shared as in production. A copy is odd at a point where its throughput is farther "
    "from the median of the copies than 3 %, and than three standard deviations, which are told from the median "
    "distance; that takes three copies. The point's own figures are those of the copy of median throughput."
)
SUSPECT = (
    "A point is suspect where telemetry saw a device throttle, clocks fall or others at work on its devices and cores, "
    "or where its steps grew slower throughout. It was measured rightly and keeps its figures, but may not repeat."
)


PROFILE = (
    "After the blocks, a few more steps run under PyTorch's profiler; on a CPU those without input, where there are "
    "such, for threads at work on it share the cores. They are never among the timed ones: what the profiler costs is "
    "in no step time and no rate, though it may lengthen busy times. Operations belong to the phase "
    "and to the layer that handed them out; a backward operation to the layer of its forward one. On a GPU, busy time "
    "is that in which kernels run, and host gaps are the step that waits for neither input nor communication less "
    "the busy time: differences between passes, which may be negative. With them the parts of a GPU's step add up to "
    "it by construction, so that its unexplained rest checks nothing. On CPUs host gaps are an estimate: operations "
    "x the measured time of calling a tiny one. Every layer is also timed alone, on random data of the same shapes, "
    "types and layout, with the same kernels: the fastest repeat, a burst, counts."
)
ROOFLINE = (
    "Intensity is operations over bytes: operations by the closed form, bytes the least that the operations, as they "
    "ran, must move between memory and arithmetic, each input and output once. The layers' are the application's "
    "closed form; what ran outside them comes on top, so that a step whose activations are no part of other kernels "
    "has more than the network needs (saih augment model). Kernels move more, so that true intensity is lower, unless "
    "a cache keeps what one layer hands to the next. Roofs are the measured ceilings of arithmetic and of memory "
    "bandwidth, sustained, with all ranks at work; a layer is short and may stand above them. The datasheet's is the "
    "vendor's dense peak. Layers alone is the sum of what the same kernels take, each layer run alone, and of the "
    "least traffic of everything else at the measured bandwidth: no bound, for other kernels may be faster."
)


CHECKS = (
    "On a GPU the parts of a step add up by construction: its gaps are what the profiled busy time leaves of the timed "
    "step, so that the unexplained rest cannot show a mistake. What can show one is whether instruments that know "
    "nothing of one another agree: the step under the profiler, which is longer where the host sets the pace; busy "
    "time, hardware counters and energy. Where a value is beyond its limits, a variant takes clearly longer than the "
    "full step, or a part is less than nothing or more than the step, the point's data contradict one another: the "
    "verdict is undetermined, and nothing of its step is shown."
)
ANEW = (
    "Metrics and diagnoses here are computed anew, by the rules of this version, from the raw samples, the counts of "
    "operations and the ceilings that the records hold: older records are judged by today's rules, and may say "
    "otherwise of themselves. What a record lacks for a metric is null with the reason. A record is left out, and "
    "named, where its samples cannot be (no finite numbers, no blocks, missing ranks), or where a metric whose "
    "definition has not changed since does not follow from them."
)


def section(overview: Overview) -> Section:
    """Return the section with the paragraphs that apply to these runs."""
    entries = tuple(method(overview.runs, overview.cases))
    return Section("method", "How it was measured", "Method", (Definitions(entries),))


def method(runs: Sequence[Run], cases: Sequence[Case]) -> list[tuple[str, str]]:
    """Return the paragraphs: (title, text)."""
    records = [record for case in cases for record in case.ok]
    background = [("Background reading", BACKGROUND)] if any(case.disturbed for case in cases) else []
    return [
        ("Problem size", SIZE),
        ("Warm-up", _warm_up(records)),
        ("Timing", _timing(records)),
        ("Share of a peak", CEILING + (OLDER_CEILING if _older(runs) else "")),
        ("Differences", DIFFERENCES),
        *background,
        *([("Every device at once", EVERYWHERE)] if find_everywhere(runs, cases) else []),
        *([("Suspect points", SUSPECT)] if any(note(case) for case in cases) else []),
        *([("Profiled pass", PROFILE)] if any(diagnosis.profile(case) for case in cases) else []),
        ("Diagnosis", _diagnosis(cases)),
        *([("Checks", CHECKS)] if any(diagnosis.checks(case) for case in cases) else []),
        *([("Roofline", ROOFLINE)] if any(diagnosis.roofline(case) for case in cases) else []),
        ("Intervals", _intervals(runs, cases)),
        ("Derived in this report", DERIVED),
        ("Trend figures", FIGURES),
        ("Judged anew", ANEW),
        ("Version of the method", _versions(runs)),
    ]


def _older(runs: Sequence[Run]) -> bool:
    """True if any ceiling comes from short repeats only."""
    peaks = [peak for run in runs for folder in run.folders for peak in folder.system.get("peaks") or []]
    return any("repeats" not in peak for peak in peaks)


def _span(records: Sequence[Record], read: Callable[[Record], Any], unit: str) -> str:
    found = [value for record in records if isinstance(value := read(record), int | float)]
    return span(found, unit) if found else ""


def _warm_up(records: Sequence[Record]) -> str:
    steps = _span(records, lambda record: record.samples.get("warmup_steps"), "1")
    seconds = _span(records, lambda record: record.samples.get("warmup_s"), "s")
    took = f" ({seconds} a point)" if seconds else ""
    here = f"Here {steps} steps{took}." if steps else "How many is not recorded."
    soaks = _span(records, lambda record: (record.samples.get("soak") or {}).get("seconds"), "s")
    soaked = f" Then full steps ran for {soaks} before any counted." if soaks else ""
    return f"Single steps come first, until they get no faster; they are not counted. {here}{soaked}"


def _timing(records: Sequence[Record]) -> str:
    steps = _span(records, lambda record: record.samples.get("block_steps"), "1")
    blocks = _span(records, lambda record: len((record.samples.get("block_s") or {}).get("full") or []) or None, "1")
    here = f"here {blocks} blocks of {steps} steps" if blocks and steps else "how many is not recorded"
    return (
        f"Steps are timed in blocks with one wait for the device at each end; {here}. "
        "All ranks begin a block together, and the slowest rank's time is the block's. Step time is the median over "
        "blocks; throughput is all samples over all time, never an average of rates."
    )


def _diagnosis(cases: Sequence[Case]) -> str:
    told = (
        f"The harness names a part as what bounds a point where it takes {100 * NAMED_SHARE:.0f} % of the step or more "
        "and is no noise: enough pairs of blocks show it, or its interval excludes zero where it has one; where there "
        "is none, the verdict is undetermined."
    )
    profiled = [case for case in cases if diagnosis.profile(case)]
    if not profiled:
        return f"{told} Computing, host gaps and memory traffic are not told apart: no point was profiled."
    return (
        f"{told} Work counts as memory-bound or compute-bound where at that ceiling it would take {100 * NEAR:.0f} % "
        "of its time or more. Work that would take more than "
        f"{BEYOND:g} times its time at the memory bandwidth runs from caches, and is never named, for no ceiling of "
        "caches is measured. All other work comes near neither ceiling (kernel-bound). Gaps of a GPU for want of work "
        "from its host are host-bound: launches, where operations x the measured cost of launching one explain half of "
        "them, else the framework's own work. What removing a cause would gain is predicted from the same figures, for "
        "each cause alone; its interval is that of the part, or of the ceilings and the step. Work of the one profiled "
        "pass has none otherwise."
    )


def _intervals(runs: Sequence[Run], cases: Sequence[Case]) -> str:
    names = ("step_s", "exposed_comm_s", "exposed_input_s")
    found = [case.quantity(name).interval for case in cases if case.ok for name in names]
    kinds = listed(_kinds(found))
    targets = [(run.first.config.get("measure") or {}).get("target_percent") for run in runs]
    asked = listed(dict.fromkeys(f"\u00b1 {scalar(each)} %" for each in targets if each is not None))
    told = [
        f"Kinds in this report: {kinds}." if kinds else "No interval is recorded.",
        f"A point was measured until the interval of its rate was {asked} or its time was spent." if asked else "",
        "Rates, FLOP/s and shares are totals over total time and have the interval of the mean block; step times have "
        "that of the median. Both average over how far neighbouring blocks correlate, so that few blocks have wide "
        "intervals. Differences of neighbouring blocks have the interval of the signed-rank test, by which a part is "
        "more than noise where chance alone does as much in at most 1 of 200 cases.",
        "An interval within a run holds the noise inside one process; another process, day or node can differ by more. "
        "Replicates run in processes of their own, so that an interval over them holds that as well; below six, order "
        "statistics have less than 95 % confidence, and the replicates' own intervals are joined to their range. "
        "Shares of a step and of its causes are means over replicates; a cause is named where at least half of them "
        "name it. "
        "Outliers are blocks beyond 3.5 robust standard deviations of the median; drift is Theil and Sen's slope over "
        "all blocks, clear where correlated blocks without a trend move as much with a chance below 1 %. Both are "
        "reported, and no block is left out.",
    ]
    return " ".join(part for part in told if part)


def _kinds(found: Sequence[str]) -> list[str]:
    """Return the records' own names of intervals; those that differ only in their confidence are one."""
    groups: dict[str, list[int]] = {}
    for kind in sorted(dict.fromkeys(found)):
        match = re.fullmatch(r"(.*\D)(\d+) %", kind)
        groups.setdefault(match[1] if match else kind, []).extend([int(match[2])] if match else [])
    named = {name: f"{name}{span(levels, '%')}" if levels else name for name, levels in groups.items()}
    return [f"\u201c{name}\u201d" for name in named.values() if name]


def _versions(runs: Sequence[Run]) -> str:
    found = dict.fromkeys(scalar(run.first.system.get("method_version")) for run in runs)
    return f"Method version {listed(found)}. Figures of different versions are not to be compared."
