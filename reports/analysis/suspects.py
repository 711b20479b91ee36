"""Reasons why points may not be representative, by cause, from their records. Pure.

The harness names the disturbances of each replicate, in sentences with their numbers (a record's diagnosis, "suspect";
saih/diagnosis/suspect.py). Sentences that differ only in rank, host or number have the same cause.
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
"""The record's cause -> the reader's words, in the order of the report."""


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
"""Pattern of a sentence without rank and host -> the reader's words; method versions before 4 recorded sentences."""


WHOSE = re.compile(r"^(rank \d+ on )?\S+: ")


def cause(reason: Mapping[str, str] | str) -> str:
    """Return the reader's words for one of the record's reasons: {"cause", "words"}, or a sentence in older records."""
    if not isinstance(reason, str):
        return TOLD.get(reason["cause"], OTHER)
    text = WHOSE.sub("", reason)
    return next((words for pattern, words in OLDER if re.search(pattern, text)), OTHER)


def reasons(case: Case) -> list[tuple[str, str]]:
    """Return (the reader's words, the record's own words) of a case, each pair once, the largest share first."""
    suspicions = [entry for record in case.ok for entry in (record.diagnosis or {}).get("suspect") or []]
    pairs = dict.fromkeys(
        (cause(entry), entry if isinstance(entry, str) else str(entry["words"])) for entry in suspicions
    )
    return sorted(pairs, key=lambda entry: weight(entry[1]), reverse=True)


def weight(sentence: str) -> float:
    """Return the first percentage in a sentence, or 0."""
    match = re.search(r"(\d+(?:\.\d+)?) %", sentence)
    return float(match[1]) if match else 0.0


def by_cause(case: Case) -> dict[str, list[str]]:
    """Return the sentences of a case by cause, in the order of the report."""
    sentences: dict[str, list[str]] = {}
    for words, sentence in reasons(case):
        sentences.setdefault(words, []).append(sentence)
    order = dict.fromkeys([*TOLD.values(), *(words for _, words in OLDER), OTHER])
    return {words: sentences[words] for words in order if words in sentences}


def note(case: Case) -> str:
    """Return the case's causes in one line, or empty."""
    causes = by_cause(case)
    return f"suspect: {'; '.join(causes)}" if causes else ""
