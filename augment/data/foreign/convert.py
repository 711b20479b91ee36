"""Published CosmoFlow files as data sets: trained on where they lie (`Link`), or written in our form (`Conversion`).

Labels are the published ones, and parameters follow from them: value = (1 + 0.1 u) * fiducial. Samples with
the same labels are taken for one universe: labels were drawn at random, and whatever the files are called, a
split by universe must never part samples that share them. Universes are numbered 0, 1, ... in the order in
which they first appear, and not by their names, so that `store.split` divides even a few of them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from augment.data.foreign.survey import (
    PUBLISHED_VERSION,
    SURVEYS,
    Found,
    Sources,
    collect,
    digest_of,
    header_of,
    survey,
)
from augment.data.making.build import Stage, Tick, not_written
from augment.data.making.job import Job, Row, check_only
from augment.data.reading.sample_reader import SampleReader
from augment.data.recipe import REDSHIFTS
from augment.data.storage.data_set import UniverseSet
from augment.data.storage.manifest import MANIFEST, Manifest, write_set
from augment.data.storage.universe_file import DEFLATE, RAW, Arrays, Header
from augment.errors import DataError

_LIBRARIES = ("numpy", "h5py", "google-crc32c")


@dataclass(frozen=True)
class Link:
    """A data set of published files that stay where they are, to be read directly: a `build.Plan`.

    Only index and manifest are made. All files must be of one kind: plain TFRecords, gzip TFRecords or HDF5.
    """

    folder: Path
    sources: Sources

    def is_whole(self) -> bool:
        """True if the folder links these very sources already. Raises DataError where it is another data set."""
        return _is_whole(self.folder, self.sources, "link") is not None

    def stages(self) -> Iterator[Stage]:
        """One: looking through the sources."""
        if self.folder.is_dir():
            check_only(self.folder, set())
        yield survey(self.sources, self.folder)[0]

    def finish(self) -> None:
        """Index and manifest."""
        found = collect(self.sources, survey(self.sources, self.folder)[1])
        codec = found.codecs[0]
        for path, other in zip(self.sources.paths, found.codecs, strict=True):
            if other != codec:
                raise DataError(f"{path}: is {other}, files before it are {codec}; link them apart, or convert them")
        header = header_of(found.index, self.sources, _provenance("link", self.sources, found))
        try:
            write_set(self.folder, header, codec, found.files, found.index)
            _forget_surveys(self.folder)
        except OSError as error:
            raise not_written(self.folder, error) from error


@dataclass(frozen=True)
class Conversion:
    """The samples of published files in our form, a file a universe: a `build.Plan`.

    Samples of one universe follow each other in the order of the sources.
    """

    folder: Path
    sources: Sources
    compression: str | None = None

    def is_whole(self) -> bool:
        """True if the folder holds these very sources already. Raises DataError where it is another data set."""
        found = _is_whole(self.folder, self.sources, "convert")
        codec = DEFLATE if self.compression else RAW
        if found and found.codec != codec:
            raise DataError(f"{self.folder}: its samples are stored as {found.codec}, not {codec}; name another folder")
        return found is not None

    def stages(self) -> Iterator[Stage]:
        """First looking through all sources, so that nothing is written if anything is wrong; then the universes."""
        yield survey(self.sources, self.folder)[0]
        yield from self._job.stages()

    def finish(self) -> None:
        """Index and manifest."""
        self._job.finish()
        for reader in self._readers.values():
            reader.close()
        _forget_surveys(self.folder)

    # What follows is asked for only when the survey has ended.

    @cached_property
    def _found(self) -> Found:
        return collect(self.sources, survey(self.sources, self.folder)[1])

    @cached_property
    def _readers(self) -> dict[str, SampleReader]:
        """For each way of storing a reader of the samples stored so; the sets that they read are never written."""
        header = header_of(self._found.index, self.sources, {})
        readers = {}
        for codec in sorted(set(self._found.codecs)):
            manifest = Manifest(header, codec, self._found.files, "")
            readers[codec] = SampleReader(UniverseSet.of(self.folder, manifest, self._found.index))
        return readers

    @cached_property
    def _job(self) -> Job:
        found = self._found
        numbers, samples = np.unique(found.index["universe"], return_counts=True)
        order = np.argsort(found.index["universe"], kind="stable")
        written = {name: values[order] for name, values in found.index.items()}
        header = header_of(written, self.sources, _provenance("convert", self.sources, found))

        def header_of_universe(universe: int) -> Header:
            return replace(header, samples=int(samples[universe]))

        digest = digest_of(written, self.sources.edge)
        return Job(self.folder, digest, numbers.tolist(), header_of_universe, self._rows, self.compression)

    def _rows(self, universe: int, tick: Tick) -> Iterator[Row]:
        found, edge = self._found, self.sources.edge
        counts = np.empty((edge, edge, edge, len(REDSHIFTS)), np.int16)
        for sample in map(int, np.flatnonzero(found.index["universe"] == universe)):
            codec = found.codecs[found.index["file"][sample]]
            self._readers[codec].read(sample, counts)
            yield counts, found.index["labels"][sample], found.index["parameters"][sample]
            tick()


def _is_whole(folder: Path, sources: Sources, operation: str) -> UniverseSet | None:
    if not (folder / MANIFEST).exists():
        return None
    found = UniverseSet(folder)
    made = json.loads(found.header.provenance)
    if (made.get("operation"), made.get("sources_sha256")) != (operation, sources.fingerprint()):
        raise DataError(f"{folder}: holds another data set ({found.digest}); name another folder")
    return found


def _provenance(operation: str, sources: Sources, found: Found) -> dict[str, Any]:
    return {
        "operation": operation,
        "published": "CosmoFlow",
        "published_version": PUBLISHED_VERSION,
        "sources": len(sources.paths),
        "sources_sha256": sources.fingerprint(),
        "first_source": sources.paths[0].name,
        "last_source": sources.paths[-1].name,
        "universes": _universes(found.index),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _universes(index: Arrays) -> int:
    return len(np.unique(index["universe"]))


def _forget_surveys(folder: Path) -> None:
    for path in folder.glob(f"{SURVEYS}*"):
        shutil.rmtree(path, ignore_errors=True)
