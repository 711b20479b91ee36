"""Run folders -> runs. The folders that a sweep's array tasks wrote become one run; all others stay apart.

Two folders are parts of one run if the same sweep (name and application) was measured by the same method on the same
kind of machine with the same software, and no point is in both. The same point twice means two measurements that a
reader wants to compare, so those folders stay two runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reports.older import in_todays_words
from saih import records
from saih.errors import InputError
from saih.records import Record

NOT_THE_MACHINE = ("cores", "devices", "memory_bytes")
"""What an allocation decides, so that array tasks on machines of one kind may differ in it."""


@dataclass(frozen=True)
class Folder:
    """What one run folder holds. ``config`` and ``system`` are empty where their files are missing."""

    path: Path
    config: Mapping[str, Any]
    config_text: str
    system: Mapping[str, Any]
    records: tuple[Record, ...]

    @property
    def name(self) -> str:
        """The sweep's name, or the folder's where no configuration says it."""
        return str(self.config.get("name") or self.path.resolve().name)


@dataclass(frozen=True)
class Run:
    """One sweep on one machine: a label that is unique in the report, and the folders it came from."""

    label: str
    folders: tuple[Folder, ...]

    @property
    def first(self) -> Folder:
        """The folder that speaks for all of them."""
        return self.folders[0]

    @property
    def records(self) -> list[Record]:
        """The records of all folders."""
        return [record for folder in self.folders for record in folder.records]


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """The runs in these folders, in the order given. Raises InputError for a folder that is none."""
    if not paths:
        raise InputError("report: name at least one run folder")
    unique = list({path.resolve(): path for path in paths}.values())
    return merge([read_folder(path) for path in unique])


def read_folder(path: Path) -> Folder:
    """One run folder. Raises InputError where it is missing, holds no records, or holds a damaged one."""
    if not path.is_dir():
        raise InputError(f"{path}: there is no such folder")
    found = [in_todays_words(record) for record in records.read_all(path / "points")]
    if not found:
        raise InputError(f"{path}: holds no records (points/*.json); is it the folder of a run?")
    text = _text(path / "config.yaml")
    system = path / "system.json"
    return Folder(path, _mapping(text), text, records.read_json(system) if system.exists() else {}, tuple(found))


def merge(folders: Sequence[Folder]) -> list[Run]:
    """Folders of one sweep's array tasks joined, and every run given a label of its own."""
    groups: list[list[Folder]] = []
    for folder in folders:
        home = next((group for group in groups if _belongs(folder, group)), None)
        if home is None:
            groups.append([folder])
        else:
            home.append(folder)
    return [Run(label, tuple(group)) for label, group in zip(_labels(groups), groups, strict=True)]


def _belongs(folder: Folder, group: Sequence[Folder]) -> bool:
    ids = {record.id for other in group for record in other.records}
    return _kind(folder) == _kind(group[0]) and ids.isdisjoint(record.id for record in folder.records)


def _kind(folder: Folder) -> tuple[Any, ...]:
    machine = dict(folder.system.get("machine") or {})
    for key in NOT_THE_MACHINE:
        machine.pop(key, None)
    apps = sorted({str(record.point.get("app")) for record in folder.records})
    return folder.name, apps, folder.config.get("measure"), machine, folder.system.get("software")


def _labels(groups: Sequence[Sequence[Folder]]) -> list[str]:
    """The sweep's name where it is enough; else the folder's name, or its whole path."""
    choices = [[group[0].name, group[0].path.resolve().name, str(group[0].path)] for group in groups]
    for level in range(3):
        labels = [choice[level] for choice in choices]
        if max(Counter(labels).values()) == 1:
            return labels
    return [f"{choice[2]} ({i})" for i, choice in enumerate(choices, 1)]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _mapping(text: str) -> dict[str, Any]:
    """The configuration as data; empty where it is no YAML mapping, since the report can do without."""
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
