"""The state of a run in memory: its records and system.json. Read once, and written after each change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from saih import records
from saih.records.record import Record
from saih.records.run_folder import Folder


class State:
    """The state of one run, under the folder's lock: nobody else writes there meanwhile."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._records = folder.records()
        self._system: Mapping[str, Any] = folder.system()

    @property
    def records(self) -> Mapping[str, Record]:
        """All records, by id."""
        return self._records

    @property
    def system(self) -> Mapping[str, Any]:
        """The content of system.json; empty before the machine was looked at."""
        return self._system

    def decided(self, again: Collection[str] = ()) -> dict[str, Record]:
        """The records that stand: neither undecided nor of a status to be tried `again`."""
        not_yet = {*records.UNDECIDED, *again}
        return {id_: record for id_, record in self._records.items() if record.status not in not_yet}

    def keep(self, record: Record) -> None:
        """Keep a record. Raises OSError."""
        records.write(self.folder.points, record)
        self._records[record.id] = record

    def update_system(self, **sections: Any) -> None:
        """Replace sections of system.json. Raises OSError."""
        self.replace_system({**self._system, **sections})

    def replace_system(self, system: Mapping[str, Any]) -> None:
        """Replace system.json. Raises OSError."""
        self.folder.write_system(system)
        self._system = system
