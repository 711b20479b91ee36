"""Looking through published files: what samples they hold, where, and with which checksums.

Every byte of every file is read and checked here, before anything is made of it. The findings are kept in small parts
beside the data set to be made, so that a survey which was killed goes on, and several processes share it.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment.data.foreign import named, published, tfrecord
from augment.data.making.build import Stage, Tick, not_written
from augment.data.recipe import REDSHIFTS
from augment.data.storage.checksum import file_crc32c, sample_crc32c
from augment.data.storage.manifest import CODECS, HDF5_UNIVERSE, TFRECORD_GZIP, SetFile, npz
from augment.data.storage.universe_file import RAW, Arrays, Header
from augment.data.universe.cosmology import LABEL_NAMES, Cosmology
from augment.errors import DataError
from saih.common.files import write_bytes

# Part of the digest: raise it with any change of what is taken from published files.
PUBLISHED_VERSION = 2
VOXEL_MPC_H = 1.0  # 512 voxels across some 512 Mpc/h; exact where H0 is 70 km/s/Mpc
SURVEYS = ".survey-"

_MOST_PARTS = 1024


@dataclass(frozen=True)
class Sources:
    """Published files in an order, and the edge of the cubes that they give. Raises DataError.

    `known_sizes`: the files' sizes, where they were asked for already.
    """

    paths: tuple[Path, ...]
    edge: int = published.EDGE
    known_sizes: tuple[int, ...] | None = field(default=None, compare=False)

    @classmethod
    def of(cls, words: Sequence[str | Path], edge: int = published.EDGE) -> Sources:
        """The files that the words mean (`augment.data.foreign.named`), each of which must exist and be given once."""
        if not words:
            raise DataError("no sources: name at least one published file, a folder of them or a list")
        published.check_edge(edge)
        paths, sizes = named.files(words)
        return cls(tuple(paths), edge, tuple(sizes))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of each file. Raises DataError for one that is not there."""
        return tuple(map(_size, self.paths)) if self.known_sizes is None else self.known_sizes

    def fingerprint(self) -> str:
        """Names these files at these sizes. Raises DataError for one that is not there."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        sizes = list(zip(map(str, self.paths), self.sizes, strict=True))
        return hashlib.sha256(json.dumps([PUBLISHED_VERSION, self.edge, sizes]).encode()).hexdigest()


@dataclass(frozen=True)
class Found:
    """The result of a survey: a set's index with a row a sample, its source files, and their codecs."""

    index: Arrays
    files: tuple[SetFile, ...]
    codecs: tuple[str, ...]


def survey(sources: Sources, folder: Path) -> tuple[Stage, list[Path]]:
    """The stage that looks through all sources, and the parts that it leaves in `folder` for `collect`."""
    home = folder / f"{SURVEYS}{sources.fingerprint()[:16]}"
    chunks = np.array_split(np.arange(len(sources.paths)), min(len(sources.paths), _MOST_PARTS))
    parts = [home / f"part-{number:04d}.npz" for number in range(len(chunks))]

    def make(number: int, tick: Tick) -> None:
        surveyed = [_survey_one(sources, int(source), tick) for source in chunks[number]]
        content = npz({name: np.concatenate([each[name] for each in surveyed]) for name in surveyed[0]})
        try:
            home.mkdir(exist_ok=True)
            write_bytes(parts[number], content)
        except OSError as error:
            raise not_written(parts[number], error) from error

    def size(number: int) -> int:
        return sum(sources.sizes[source] for source in chunks[number])

    return Stage("parts of the sources", parts, make, size), parts


def collect(sources: Sources, parts: Sequence[Path]) -> Found:
    """Join the parts of a survey. Universes are numbered in the order in which their labels first appear."""
    read = [_read_part(part) for part in parts]
    columns = {name: np.concatenate([part[name] for part in read]) for name in read[0]}
    sizes, checksums = columns.pop("source_bytes"), columns.pop("source_crc32c")
    codecs = tuple(CODECS[number] for number in columns.pop("source_codec"))
    samples = np.bincount(columns["file"], minlength=len(sources.paths))
    files = tuple(
        SetFile(str(path), int(count), int(size), f"crc32c:{checksum:08x}")
        for path, count, size, checksum in zip(sources.paths, samples, sizes, checksums, strict=True)
    )
    return Found(columns | {"universe": _universe_numbers(columns["labels"])}, files, codecs)


def digest_of(index: Arrays, edge: int) -> str:
    """16 hex digits that name the content: equal for equal samples in the same order, whatever file held them."""
    digest = hashlib.sha256(json.dumps({"published_version": PUBLISHED_VERSION, "edge": edge}).encode())
    for name in ("labels", "crc32c"):
        digest.update(np.ascontiguousarray(index[name]).tobytes())
    return digest.hexdigest()[:16]


def header_of(index: Arrays, sources: Sources, provenance: dict[str, Any]) -> Header:
    """The header of a set of these samples."""
    return Header(
        samples=len(index["file"]),
        edge=sources.edge,
        redshifts=REDSHIFTS,
        box_mpc_h=VOXEL_MPC_H * sources.edge,
        growth="fixed_voxel",  # cut to another edge, a cube shows the same voxels in another box
        periodic=False,  # true of cubes; of a whole universe it promises less than there is
        label_names=LABEL_NAMES,
        digest=digest_of(index, sources.edge),
        provenance=json.dumps(provenance),
    )


def _survey_one(sources: Sources, number: int, tick: Tick) -> Arrays:
    path = sources.paths[number]
    original = published.is_named_hdf5(path)
    if not original:
        with tfrecord.Source(path) as source:  # opened and read once: half a million of them are terabytes
            original = published.holds_hdf5(source)
            if not original:
                rows = _rows(published.read_tfrecord(source, sources.edge), tick)
                codec, checksum = TFRECORD_GZIP if source.compressed else RAW, _checked(path, source.crc32c)
    if original:
        rows, codec = _rows(published.read_hdf5(path, sources.edge), tick), HDF5_UNIVERSE
        checksum = _checked(path, lambda: file_crc32c(path))
    labels, parameters, checksums, offsets, sizes = zip(*rows, strict=True)
    return {
        "labels": np.array(labels, np.float32),
        "parameters": np.array(parameters, np.float64),
        "crc32c": np.array(checksums, np.uint32),
        "offset": np.array(offsets, np.int64),
        "stored_bytes": np.array(sizes, np.int64),
        "file": np.full(len(rows), number, np.int32),
        "source_bytes": np.array([_size(path)], np.int64),
        "source_crc32c": np.array([checksum], np.uint32),
        "source_codec": np.array([CODECS.index(codec)], np.int8),
    }


def _rows(samples: Iterable[published.Sample], tick: Tick) -> list[tuple[Any, ...]]:
    """Labels, parameters, CRC-32C, offset and bytes of each sample."""
    rows = []
    for sample in samples:
        labels = sample.labels + np.float32(0)  # the two zeros are one label
        rows.append((labels, _parameters(sample), sample_crc32c(sample.counts), sample.offset, sample.counts.nbytes))
        tick()
    return rows


def _checked(path: Path, checksum: Callable[[], int]) -> int:
    try:
        return checksum()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _parameters(sample: published.Sample) -> NDArray[np.float64]:
    try:
        return Cosmology.from_labels(sample.labels).values()
    except DataError as error:
        raise DataError(f"{sample.source}: labels {sample.labels.tolist()}: {error}") from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise DataError(f"{path}: {reason}") from error


def _read_part(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: damaged ({error}); delete it, and the same command makes it again") from error


def _universe_numbers(labels: NDArray[np.float32]) -> NDArray[np.int32]:
    rows = [row.tobytes() for row in labels]
    numbers = {row: number for number, row in enumerate(dict.fromkeys(rows))}
    return np.array([numbers[row] for row in rows], np.int32)
