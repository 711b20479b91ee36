"""A run's folder: what is kept where, whether a configuration may go on in it, and who writes to it.

config.yaml      the configuration in force, every key resolved
system.json      machine, software, ceilings, data sets, and why growth ended
points/<id>.json one record a point
unread/          what a resumed sweep could not read
logs/            what worker groups printed
report.html      and figures/
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saih import records
from saih.common import files, locks
from saih.config.schema import Config, differences, load
from saih.errors import InputError
from saih.measure.blocks import METHOD_VERSION
from saih.records.record import Record, Unread

LOCK = "lock"

BEFORE_CONFIG = ("logs", LOCK, "points", "unread")
"""Entries left by a run that was refused before it kept its configuration; another run may begin there."""

METHOD_KEYS = (
    "name",
    "app",
    "measure.target_percent",
    "measure.soak_s",
    "limits.memory_gib",
    "sweep.everywhere",
    "launch.launcher",
    "launch.device",
    "launch.mpiexec",
    "launch.wrapper",
    "emulate",
)
"""Keys that all points of a folder share. Sizes, executions, repeats and time may be added."""

MACHINE_KEYS = ("device", "device_kind", "devices", "cores", "architecture")
SOFTWARE_KEYS = (
    "torch", "cuda", "cudnn", "cublas", "nccl", "onednn", "mkl", "openmp", "cpu_capability", "driver", "mpi",
)  # fmt: skip
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "machine": MACHINE_KEYS,
    "software": SOFTWARE_KEYS,
    "settings": (
        "governor", "boost", "smt", "numa_balancing", "huge_pages", "huge_pages_defrag", "mig", "ecc",
        "persistence_mode", "compute_mode", "power_limit_w", "application_clock_mhz", "mps",
    ),
    "environment": (),
}  # fmt: skip
"""Sections of system.json -> keys that all points of a folder share; those that it does not hold are not asked for. Of
the environment every listed variable counts, set or not."""


@dataclass(frozen=True)
class Folder:
    """The folder of one run."""

    path: Path

    @property
    def points(self) -> Path:
        """Folder of the records."""
        return self.path / "points"

    @property
    def logs(self) -> Path:
        """Folder of the worker groups' logs."""
        return self.path / "logs"

    @property
    def system_path(self) -> Path:
        """The file about the machine."""
        return self.path / "system.json"

    def records(self) -> dict[str, Record]:
        """The records so far, by id; a file that is none counts for nothing."""
        return {record.id: record for record in records.read_all(self.points)}

    def system(self) -> dict[str, Any]:
        """Return the content of system.json; empty before the first point, and if it cannot be read."""
        return records.read_system(self.system_path)[0]

    def unread(self) -> list[Unread]:
        """The files here that should say something and cannot be read."""
        return [*records.read_system(self.system_path)[1], *records.read_each(self.points)[1]]

    def set_aside(self) -> list[Unread]:
        """Move what cannot be read to unread/, so that it is measured or written again; returns what and why.

        What cannot be moved, for want of rights, stays, and counts for nothing as before.
        """
        found = self.unread()
        for each in found:
            aside = self.path / "unread" / each.path.name
            while aside.exists():
                aside = aside.with_name(f"{aside.name}+")
            with contextlib.suppress(OSError):
                aside.parent.mkdir(exist_ok=True)
                each.path.rename(aside)
        return found

    def check_method(self, config: Config) -> None:
        """Raise InputError unless this folder is new or was measured by the method `config` asks for."""
        config_path = self.path / "config.yaml"
        if not config_path.exists():
            if self.path.exists() and not all(_is_left_over(entry) for entry in self.path.iterdir()):
                raise InputError(f"{self.path}: is neither empty nor the folder of a run; choose another with --out")
            return
        changed = differences(load(config_path).resolved(), config.resolved())
        for key in METHOD_KEYS:
            for found, (old, new) in changed.items():
                if found == key or found.startswith(f"{key}."):
                    raise self._other(f"{found} = {old}", f"the configuration says {new}")
        version = self._method_version()
        if version != METHOD_VERSION:
            raise self._other(f"method version {version}", f"this is version {METHOD_VERSION}")

    def _method_version(self) -> int:
        """The version that system.json or else a record names; this one's where none was kept."""
        told = self.system() or self._told_by_records()
        version = told.get("method_version")
        return METHOD_VERSION if version is None else int(version)

    def check_machine(self, described: Mapping[str, Any], app_version: str, cores_per_rank: int) -> None:
        """Raise InputError if the records here come from another machine, other libraries or another application."""
        known = self.system() or self._told_by_records()
        if not known:
            return
        if known.get("app_version", app_version) != app_version:
            raise self._other(f"application version {known['app_version']}", f"this is version {app_version}")
        if known.get("cores_per_rank", cores_per_rank) != cores_per_rank:
            then = f"{known['cores_per_rank']} cores a rank"
            raise self._other(then, f"now it is {cores_per_rank} (launch.cores_per_rank sets it)")
        for section, keys in SECTIONS.items():
            held, now = known.get(section), described.get(section) or {}
            if held is None:  # older versions did not record it
                continue
            for key in keys or sorted({*held, *now}):
                old, new = held.get(key), now.get(key)
                if old != new and (keys == () or key in held):
                    then = f"no {section}.{key}" if old is None else f"{section}.{key} = {old}"
                    raise self._other(then, f"this one has {'none' if new is None else new}")

    def _told_by_records(self) -> dict[str, Any]:
        """Return the part of system.json that records repeat, for a missing or damaged file; empty without records."""
        for record in records.read_all(self.points):
            if record.system.get("machine"):
                about = {key: record.provenance.get(key) for key in ("app_version", "method_version")}
                about |= {key: record.system.get(key) for key in SECTIONS}
                return {key: value for key, value in about.items() if value is not None}
        return {}

    def _other(self, then: str, now: str) -> InputError:
        return InputError(
            f"{self.path}: was measured with {then}, but {now}; --out DIR begins another folder, "
            "--fresh moves this one aside"
        )

    def write_config(self, config: Config) -> None:
        """Keep the resolved configuration."""
        files.write_text(self.path / "config.yaml", config.to_yaml())

    def write_system(self, content: Mapping[str, Any]) -> None:
        """Keep what is known of the machine."""
        records.write_json(self.system_path, content)

    def move_aside(self) -> Path | None:
        """Rename an existing folder so that a new run can take its name; returns where it went.

        Raises InputError where a driver is at work, which would go on in the folder of the new run.
        """
        if not self.path.exists():
            return None
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self.path.stat().st_mtime))
        aside = self.path.with_name(f"{self.path.name}.{stamp}")
        while aside.exists():
            aside = aside.with_name(f"{aside.name}+")
        with self.lock():
            self.path.rename(aside)
            (aside / LOCK).unlink()
        return aside

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only driver here. Raises InputError where another one is at work, or may be.

        Who holds the lock, and when it is taken over: saih/common/locks.py.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for path in (self.points, self.logs, self.path / "figures"):
            if path.is_symlink():  # told before anything is measured; writing refuses it anyway
                raise InputError(f"{path}: is a symbolic link, which is not followed; remove it")
        try:
            with locks.held(self.path / LOCK, "a sweep"):
                yield
        except locks.Refused as error:
            raise InputError(str(error)) from None


def _is_left_over(entry: Path) -> bool:
    return entry.name in BEFORE_CONFIG or (entry.name.startswith(".") and entry.name.endswith(".tmp"))
