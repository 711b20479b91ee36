"""A data set: a folder of universe files with an index of all samples and a manifest that vouches for both.

    SET/manifest.json       what the samples are, which files hold them, checksums; written last
    SET/index.npz           one row a sample: labels, parameters, universe, crc32c, file, offset, stored_bytes
    SET/universe-00000.h5   one file a universe (augment.data.storage.universe_file); a linked set has published files
    instead

A folder without a manifest is no data set: whoever was writing it has not finished, and can go on. Opening a set
reads the manifest and the index, never the counts, so it takes as long for a terabyte as for a megabyte.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from augment.data.storage.manifest import Manifest, SetFile, read_set, write_set
from augment.data.storage.universe_file import Arrays, Header, UniverseFile
from augment.errors import DataError

_NAME = re.compile(r"universe-(\d{5,})\.h5")


class UniverseSet:
    """A data set, open for reading. Raises DataError for one that cannot be trusted, and says why.

    header and codec; per sample, as arrays in memory, labels float32 (samples, 4), parameters float64 (samples, 4),
    universe and file int32, crc32c uint32, offset and stored_bytes int64 (samples,); files, absolute paths.
    `augment.data.reading.sample_reader.SampleReader` reads the counts. `asks_files`: whether each file is asked for
    its size; of half a million files once is enough, and one that was changed since is found when it is read.
    """

    def __init__(self, path: str | Path, asks_files: bool = True) -> None:
        path = Path(path)
        manifest, index = read_set(path)
        for number, file in enumerate(manifest.files if asks_files else ()):
            if fault := file_fault(path, file):
                raise DataError(f"{path / file.path}: {fault} (file {number} of the data set {path})")
        self._fill(path, manifest, index)

    @classmethod
    def of(cls, path: Path, manifest: Manifest, index: Arrays) -> Self:
        """The set that a manifest and an index describe, though neither has been written."""
        universes = cls.__new__(cls)
        universes._fill(path, manifest, index)
        return universes

    def _fill(self, path: Path, manifest: Manifest, index: Arrays) -> None:
        self.path = path
        self.header, self.codec = manifest.header, manifest.codec
        self.files = tuple((self.path / file.path).absolute() for file in manifest.files)
        self.labels, self.parameters = index["labels"], index["parameters"]
        self.universe, self.crc32c = index["universe"], index["crc32c"]
        self.file, self.offset, self.stored_bytes = index["file"], index["offset"], index["stored_bytes"]

    @property
    def samples(self) -> int:
        """How many samples the set holds."""
        return self.header.samples

    @property
    def edge(self) -> int:
        """Voxels a side of a sample."""
        return self.header.edge

    @property
    def redshifts(self) -> tuple[float, ...]:
        """The redshift of each channel."""
        return self.header.redshifts

    @property
    def digest(self) -> str:
        """Names the content: equal for equal samples in the same order."""
        return self.header.digest

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample's counts, uncompressed."""
        return self.header.sample_bytes


def file_fault(folder: Path, file: SetFile) -> str | None:
    """Why a file of a set cannot be what the manifest lists, going by its size alone; None if it may be."""
    try:
        status = (folder / file.path).stat()
    except FileNotFoundError:
        return "no such file"
    except (OSError, ValueError) as error:
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file"
    size = status.st_size
    return None if size == file.bytes else f"is {size} bytes long, and was {file.bytes}"


def name_of(universe: int) -> str:
    """The name of a universe's file."""
    return f"universe-{universe:05d}.h5"


def universes_in(folder: Path) -> dict[int, Path]:
    """The finished universe files of a folder by their number, in its order."""
    found = {int(match[1]): path for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))}
    return dict(sorted(found.items()))


def seal(folder: str | Path, provenance: Mapping[str, Any] | None = None) -> UniverseSet:
    """Makes a data set of the universe files that lie in a folder: checks each, writes index and manifest.

    `provenance` None: that of the first file. Raises DataError for a file that is damaged, that belongs to another
    data set, or whose samples are of another universe than its name says.
    """
    folder = Path(folder)
    files = [UniverseFile(path) for path in universes_in(folder).values()]
    if not files:
        raise DataError(f"{folder}: holds no universe files")
    for file in files:
        check_belongs(file, files[0].header, files[0].codec)
    first = files[0].header
    text = first.provenance if provenance is None else json.dumps(provenance)
    header = replace(first, samples=sum(file.header.samples for file in files), provenance=text)
    listed = [
        SetFile(file.path.name, file.header.samples, file.path.stat().st_size, f"sha256:{file.checksum}")
        for file in files
    ]
    write_set(folder, header, files[0].codec, listed, _index_of(files))
    return UniverseSet(folder)


def check_belongs(file: UniverseFile, like: Header, codec: str) -> None:
    """Raises DataError unless the file may lie in one set with a header `like` this, under the name it has."""
    header = replace(file.header, samples=like.samples, provenance=like.provenance)
    if header != like:
        raise DataError(f"{file.path}: belongs to another data set ({header.digest}, not {like.digest})")
    if file.codec != codec:
        raise DataError(f"{file.path}: its samples are stored as {file.codec}, those of the data set as {codec}")
    match = _NAME.fullmatch(file.path.name)
    if match is None or (file.universe != int(match[1])).any():
        raise DataError(f"{file.path}: holds samples of universe {file.universe[0]}, which its name denies")


def _index_of(files: Sequence[UniverseFile]) -> Arrays:
    columns = ("labels", "parameters", "universe", "crc32c", "offset", "stored_bytes")
    index = {name: np.concatenate([getattr(file, name) for file in files]) for name in columns}
    samples = [file.header.samples for file in files]
    return index | {"file": np.repeat(np.arange(len(files)), samples)}
