"""From one data set to another: an operation applied to every sample, out of core, a sample at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from augment.data.making.build import Tick
from augment.data.making.job import Job, Row
from augment.data.making.operations import Operation
from augment.data.reading.sample_reader import SampleReader
from augment.data.storage.data_set import UniverseSet
from augment.data.storage.universe_file import Header
from augment.errors import DataError

# Part of the digest: raise it with any change of an operation's results.
OPERATIONS_VERSION = 1

_LIBRARIES = ("numpy", "h5py")


def derive(source: UniverseSet, operation: Operation, folder: Path, compression: str | None = None) -> Job:
    """Return the job of applying an operation to a data set. Raises DataError if it is not valid for that set."""
    header = replace(
        operation.header(source.header),
        digest=digest_of(source.digest, operation.name, dict(operation.arguments)),
        provenance=json.dumps(_provenance(source, operation)),
    )
    numbers, samples = np.unique(source.universe, return_counts=True)
    samples_of = dict(zip(numbers.tolist(), samples.tolist(), strict=True))

    def header_of(universe: int) -> Header:
        return replace(header, samples=samples_of[universe] * operation.per_sample)

    def rows(universe: int, tick: Tick) -> Iterator[Row]:
        return _rows(source, operation, universe, tick)

    return Job(folder, header.digest, list(samples_of), header_of, rows, compression)


def memory_bytes(source: UniverseSet, job: Job) -> int:
    """Return an estimate of a process's memory beyond its libraries: a sample, its results, and intermediate arrays."""
    made = job.header(job.universes[0]).sample_bytes
    return source.sample_bytes + 5 * made if made < source.sample_bytes else 2 * source.sample_bytes + 2 * made


def digest_of(source: str, operation: str, arguments: dict[str, Any]) -> str:
    """Return 16 hex digits that identify the result of an operation on a data set with the digest `source`."""
    content = {"version": OPERATIONS_VERSION, "source": source, "operation": operation, "arguments": arguments}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _rows(source: UniverseSet, operation: Operation, universe: int, tick: Tick) -> Iterator[Row]:
    counts = np.empty(source.header.sample_shape, np.int16)
    with closing(SampleReader(source)) as reader:
        for sample in map(int, np.flatnonzero(source.universe == universe)):
            reader.read(sample, counts)
            try:
                for view in operation.views(source.header, sample, counts):
                    yield view, source.labels[sample], source.parameters[sample]
            except DataError as error:
                file = source.files[source.file[sample]]
                raise DataError(f"{file}: sample {sample} (universe {universe}): {error}") from error
            tick()


def _provenance(source: UniverseSet, operation: Operation) -> dict[str, Any]:
    return {
        "operation": operation.name,
        "arguments": dict(operation.arguments),
        "source": {"digest": source.digest, "provenance": json.loads(source.header.provenance)},
        "libraries": {name: version(name) for name in _LIBRARIES},
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
