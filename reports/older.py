"""Records of older method versions in today's words, as far as words go. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from saih.records import Record

_WORK = ("compute", "memory", "kernels")


def in_todays_words(record: Record) -> Record:
    """The record with its diagnosis in today's words: up to method version 7 the host's part was called "launch"."""
    told = record.diagnosis or {}
    found: dict[str, Any] = {}
    shares = told.get("shares") or {}
    if "launch" in shares:
        known = any(shares.get(part) is not None for part in _WORK)
        found["shares"] = {_word(name): share for name, share in shares.items()} | {"cache": 0.0 if known else None}
    if told.get("causes"):
        words = ("cause", "verdict")
        found["causes"] = [
            cause | {key: _word(cause[key]) for key in words if key in cause} for cause in told["causes"]
        ]
    if "verdict" in told:
        found["verdict"] = _word(told["verdict"])
    return replace(record, diagnosis={**told, **found}) if found else record


def _word(words: str) -> str:
    return words.replace("launch-bound", "host-bound") if "-bound" in words else {"launch": "host"}.get(words, words)
