"""Why points may not be representative, by cause, from their records. Pure.

The harness says of each replicate, in sentences with their numbers, what disturbed it (a record's diagnosis,
"suspect"; saih/diagnosis/suspect.py). A rank more, another host or another number makes no other cause.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from reports.analysis.cases import Case

SLOWER = "steps grew slower"


OTHER = "another reason"


TOLD = {
    "memory": "memory was nearly used up",
    "throttled": "GPUs throttled",
    "clocks": "clocks fell",
    "gpu shared": "others used the GPUs",
    "cores shared": "others used the ranks' cores",
    "cores throttled": "cores throttled for heat",
    "quota": "a CPU quota held ranks back",
    "slower": SLOWER,
    "environment": "environment variables slow ranks down, or are not the sweep's",
    "settings": "a host or GPU is set otherwise than the sweep's first",
}
"""The record's cause -> what the reader is told, in the order of the report."""


OLDER = (
    (r"the allocator emptied its cache", "memory was nearly used up"),
    (r"^the GPU (was slowed down|lowered its clocks|was held back)", "GPUs throttled"),
    (r"^the GPU was at its power limit", "GPUs were at their power limit"),
    (r" clock fell by", "clocks fell"),
    (r"other process(es)? used the GPU", "others used the GPUs"),
    (r"^others kept .* busy", "others used the ranks' cores"),
    (r" cores? throttled for heat", "cores throttled for heat"),
    (r"^steps grew .* slower", SLOWER),
)
"""Records of method versions before 4 hold sentences only: what one holds, without rank and host -> what is told."""


WHOSE = re.compile(r"^(rank \d+ on )?\S+: ")


def cause(reason: Mapping[str, str] | str) -> str:
    """What the reader is told of one of the record's reasons: {"cause", "words"}, or a sentence in older records."""
    if not isinstance(reason, str):
        return TOLD.get(reason["cause"], OTHER)
    text = WHOSE.sub("", reason)
    return next((told for pattern, told in OLDER if re.search(pattern, text)), OTHER)


def reasons(case: Case) -> list[tuple[str, str]]:
    """(what is told, the record's own words) of a case, each once, the largest share first."""
    found = [each for record in case.ok for each in (record.diagnosis or {}).get("suspect") or []]
    told = dict.fromkeys((cause(each), each if isinstance(each, str) else str(each["words"])) for each in found)
    return sorted(told, key=lambda each: weight(each[1]), reverse=True)


def weight(sentence: str) -> float:
    """The first percentage in a sentence."""
    found = re.search(r"(\d+(?:\.\d+)?) %", sentence)
    return float(found[1]) if found else 0.0


def by_cause(case: Case) -> dict[str, list[str]]:
    """The sentences of a case by cause, in the order of `TOLD`."""
    found: dict[str, list[str]] = {}
    for told, sentence in reasons(case):
        found.setdefault(told, []).append(sentence)
    order = dict.fromkeys([*TOLD.values(), *(told for _, told in OLDER), OTHER])
    return {told: found[told] for told in order if told in found}


def note(case: Case) -> str:
    """Its causes in one line, or empty."""
    told = by_cause(case)
    return f"suspect: {'; '.join(told)}" if told else ""
