"""The record of a point and the folder of a run, on disk."""

from saih.records.record import (
    SCHEMA,
    STATUSES,
    UNDECIDED,
    Record,
    Unread,
    read,
    read_all,
    read_each,
    read_json,
    read_system,
    write,
    write_json,
)

__all__ = [
    "SCHEMA",
    "STATUSES",
    "UNDECIDED",
    "Record",
    "Unread",
    "read",
    "read_all",
    "read_each",
    "read_json",
    "read_system",
    "write",
    "write_json",
]
