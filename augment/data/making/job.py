"""A data set made universe by universe, each in a file of its own: the `Plan` of all data sets that we write."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment.data.making.build import Stage, Tick, not_written
from augment.data.storage.data_set import UniverseSet, check_belongs, name_of, seal, universes_in
from augment.data.storage.folder_lock import LOCK
from augment.data.storage.manifest import INDEX, MANIFEST
from augment.data.storage.universe_file import DEFLATE, RAW, Header, UniverseFile
from augment.data.storage.universe_writer import UniverseWriter, check_compression
from augment.errors import DataError

Row = tuple[NDArray[np.int16], NDArray[Any], NDArray[Any]]
"""A new sample: counts (edge, edge, edge, redshifts), labels and parameters (4,)."""


@dataclass(frozen=True)
class Job:
    """A data set to be made in `folder` of universes with these numbers.

    header(universe): that of one universe's file; rows(universe, tick): its samples, one after the other.
    """

    folder: Path
    digest: str
    universes: Sequence[int]
    header: Callable[[int], Header]
    rows: Callable[[int, Tick], Iterator[Row]]
    compression: str | None = None

    @property
    def codec(self) -> str:
        """The codec of the samples in the files."""
        return DEFLATE if self.compression else RAW

    @property
    def samples(self) -> int:
        """Samples of the whole set."""
        return sum(self.header(universe).samples for universe in self.universes)

    @property
    def bytes(self) -> int:
        """Bytes of all samples, uncompressed."""
        return self.samples * self.header(self.universes[0]).sample_bytes

    def is_whole(self) -> bool:
        """True if the folder is the data set already. Raises DataError if it is another one."""
        return holds(self.folder, self.digest, self.codec)

    def stages(self) -> Iterator[Stage]:
        """Yield one stage: the universes' files. Existing files are kept, if they are of this data set."""
        check_compression(self.compression, self.header(self.universes[0]).sample_bytes)
        self._check_contents()
        self._check_space()
        outputs = [self.folder / name_of(universe) for universe in self.universes]
        yield Stage("universes", outputs, self._write, lambda number: outputs[number].stat().st_size)

    def finish(self) -> None:
        """Write index and manifest. Raises DataError if a file is missing or they cannot be written."""
        paths = universes_in(self.folder)
        for universe in self.universes:
            if universe not in paths:
                raise DataError(f"{self.folder / name_of(universe)}: no such file; the same command makes it again")
        try:
            seal(self.folder)
        except OSError as error:
            raise not_written(self.folder, error) from error

    def _write(self, number: int, tick: Tick) -> None:
        universe = self.universes[number]
        path = self.folder / name_of(universe)
        try:
            with UniverseWriter(path, self.header(universe), self.compression) as writer:
                for counts, labels, parameters in self.rows(universe, tick):
                    writer.append(counts, labels, parameters, universe)
                    tick()
        except OSError as error:
            raise not_written(path, error) from error

    def _check_contents(self) -> None:
        """Raise DataError for a folder with files that this job would not have made."""
        paths, expected = universes_in(self.folder), set(self.universes)
        check_only(self.folder, {path.name for path in paths.values()})
        for universe, path in paths.items():
            if universe not in expected:
                raise DataError(f"{path}: this data set has no universe {universe}; name another folder")
            check_belongs(UniverseFile(path), self.header(universe), self.codec)

    def _check_space(self) -> None:
        """Raise DataError if uncompressed samples do not fit; compressed ones may need less than their bytes."""
        done = universes_in(self.folder)
        headers = [self.header(universe) for universe in self.universes if universe not in done]
        needed = sum(header.samples * header.sample_bytes for header in headers)
        free = free_bytes(self.folder)
        if needed > free and not self.compression:
            raise DataError(f"{self.folder}: {gigabytes(needed)} are to be written, and {gigabytes(free)} are free")


def holds(folder: Path, digest: str, codec: str) -> bool:
    """True if a folder is this data set, whole. Raises DataError if it is another one, or stored otherwise."""
    if not (folder / MANIFEST).exists():
        if folder.exists() and not folder.is_dir():
            raise DataError(f"{folder}: is a file; a data set is a folder")
        return False
    universes = UniverseSet(folder)
    if universes.digest != digest:
        raise DataError(f"{folder}: holds another data set ({universes.digest}, not {digest}); name another folder")
    if universes.codec != codec:
        raise DataError(f"{folder}: its samples are stored as {universes.codec}, not {codec}; name another folder")
    return True


def check_only(folder: Path, names: set[str]) -> None:
    """Raise DataError for a folder with files from elsewhere; ours are `names`, and hidden ones."""
    for path in folder.iterdir():
        if not path.name.startswith(".") and path.name not in names | {LOCK, INDEX, MANIFEST}:
            raise DataError(f"{folder}: holds {path.name}, which is no part of this data set; name another folder")


def free_bytes(folder: Path) -> int:
    """Return the bytes that can still be written in `folder`, existing or not."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def gigabytes(count: float) -> str:
    """Return bytes for people: 12.3 GB (10^9 bytes), 4.56 MB below one."""
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"
