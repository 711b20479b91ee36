"""Run folders -> runs. The folders that a sweep's array tasks wrote become one run; all others stay separate.

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

from reports.analysis.judged_anew import anew
from saih import records
from saih.common.shapes import anything, by_name, fault, fields, number, optional, scalar
from saih.config import yaml_values
from saih.errors import InputError
from saih.records.json_files import read_text
from saih.records.record import Record, Unread

NOT_THE_MACHINE = (
    "cores", "devices", "memory_bytes", "memory_limited_by", "rank_memory_bytes", "rank_memory_limited_by",
    "rank_base_bytes", "cpu_quota_cores",
)  # fmt: skip
"""Keys that depend on the allocation, so that array tasks on machines of one kind may differ in them."""


@dataclass(frozen=True)
class Folder:
    """The content of one run folder; `config` and `system` are empty if their files are missing or damaged."""

    path: Path
    config: Mapping[str, Any]
    config_text: str
    system: Mapping[str, Any]
    records: tuple[Record, ...]
    unread: tuple[Unread, ...] = ()
    """Files that should hold data and cannot be read."""

    @property
    def name(self) -> str:
        """The sweep's name, or the folder's if no configuration has one."""
        return str(self.config.get("name") or self.path.resolve().name)


@dataclass(frozen=True)
class Run:
    """One sweep on one machine, with a label that is unique in the report and the folders of the sweep."""

    label: str
    folders: tuple[Folder, ...]

    @property
    def first(self) -> Folder:
        """The folder that represents all of them."""
        return self.folders[0]

    @property
    def records(self) -> list[Record]:
        """The records of all folders."""
        return [record for folder in self.folders for record in folder.records]

    @property
    def unread(self) -> list[Unread]:
        """The files of all folders that should hold data and cannot be read."""
        return [file for folder in self.folders for file in folder.unread]


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """Return the runs in these folders, in the order given.

    Raises InputError for a folder that is not a run's.
    """
    if not paths:
        raise InputError("report: name at least one run folder")
    unique = list({path.resolve(): path for path in paths}.values())
    return merge([read_folder(path) for path in unique])


def read_folder(path: Path) -> Folder:
    """Return one run folder, with its records judged by today's rules.

    A damaged file affects only itself: it is left out, and named in `Folder.unread`. Raises InputError if the folder is
    missing or holds no record.
    """
    if not path.is_dir():
        raise InputError(f"{path}: there is no such folder")
    recorded, unread = records.read_each(path / "points")
    if not recorded:
        why = f": {unread[0].path.name}: {unread[0].why}" if unread else "; is it the folder of a run?"
        raise InputError(f"{path}: holds no records (points/*.json){why}")
    system, no_system = records.read_system(path / "system.json")
    text, config, no_config = _config(path / "config.yaml")
    everywhere = bool((config.get("sweep") or {}).get("everywhere"))
    judged = tuple(anew(record, system, everywhere) for record in recorded)
    return Folder(path, config, text, system, judged, (*unread, *no_system, *no_config))


def merge(folders: Sequence[Folder]) -> list[Run]:
    """Join the folders of one sweep's array tasks, and give every run a label of its own."""
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
    """Return the sweeps' names if they are unique, else the folders' names, or their whole paths."""
    choices = [[group[0].name, group[0].path.resolve().name, str(group[0].path)] for group in groups]
    for level in range(3):
        labels = [choice[level] for choice in choices]
        if max(Counter(labels).values()) == 1:
            return labels
    return [f"{choice[2]} ({i})" for i, choice in enumerate(choices, 1)]


CONFIG = fields(
    {},
    {
        "name": scalar,
        "measure": optional(fields({}, {"target_percent": optional(number)})),
        "sweep": optional(fields({}, {"everywhere": scalar})),
    },
)
"""Keys of a configuration that a report uses."""


def _config(path: Path) -> tuple[str, dict[str, Any], list[Unread]]:
    """Return the configuration as text and as data, and the reason if it is damaged.

    Both are empty if there is no configuration.
    """
    if not path.exists():
        return "", {}, []
    try:
        text = read_text(path, yaml_values.MOST_BYTES)
    except (OSError, ValueError, InputError) as error:
        return "", {}, [Unread(path, str(error).removeprefix(f"{path}: "))]
    try:
        content = yaml_values.parse(text)
    except InputError as error:
        return text, {}, [Unread(path, str(error))]
    why = fault(by_name(anything), content) or fault(CONFIG, content)
    return text, {} if why else content, [Unread(path, why)] if why else []
