"""Reading the published CosmoFlow data sets: what MLPerf HPC trains on, and what that was cut from.

    TFRecord  MLPerf HPC: one cube a file, plain or gzip; x is its int16 counts, little-endian, y its labels
    HDF5      the original: one universe a file; `full` int16 (512, 512, 512, 4), `unitPar` (4,)

The cubes of a universe are cut as MLPerf HPC's prepare.py (github.com/mlcommons/hpc, cosmoflow) cuts them:
along the first axis slowest, along the third fastest. Labels are u in [-1, 1] of Omega_m, sigma8, ns, H0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment.data.foreign.tfrecord import Source, byte_strings, features, floats, records
from augment.data.storage import arrays
from augment.data.storage.hdf5 import one_line, open_file
from augment.errors import DataError

EDGE, REDSHIFTS, LABELS = 128, 4, 4

_MORE_BYTES = 2**16
"""Allowed size of a record besides its counts."""
_HDF5 = b"\x89HDF\r\n\x1a\n"
"""The first bytes of an HDF5 file without a user block (HDF5 File Format Specification, version 3.0, II.A)."""
_HDF5_NAMES = (".hdf5", ".h5")
_BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError)  # what h5py raises for a damaged file
_NUMBER = re.compile(r"_a(\d{1,18})(?:_\d+)?(?:\.|$)")


@dataclass(frozen=True, eq=False)
class Sample:
    """One cube, and where it came from.

    counts:   int16 (edge, edge, edge, redshifts), particles in each voxel
    labels:   float32 (4,), u of Omega_m, sigma8, ns, H0
    universe: the number in the file's name, if there is one: univ_ics_2019-03_a10000668_012.tfrecord is of
              universe 10000668
    source:   file and record or cube, for messages
    offset:   where the counts' bytes begin in a TFRecord file, once decompressed; of HDF5, the cube's number
    """

    counts: NDArray[np.int16]
    labels: NDArray[np.float32]
    universe: int | None
    source: str
    offset: int


def read(path: str | Path, edge: int = EDGE, redshifts: int = REDSHIFTS) -> Iterator[Sample]:
    """Yield the samples of one published file of either kind, which its name or its first bytes show.

    A TFRecord must hold cubes of this edge; a universe is cut into them. Raises DataError, one line that
    names the file and the record or cube, where either cannot be trusted.
    """
    if is_named_hdf5(path):
        yield from read_hdf5(path, edge, redshifts)
        return
    with Source(path) as source:
        if not holds_hdf5(source):
            yield from read_tfrecord(source, edge, redshifts)
            return
    yield from read_hdf5(path, edge, redshifts)


def is_named_hdf5(path: str | Path) -> bool:
    """True if a published file is an original universe by its name."""
    return Path(path).suffix in _HDF5_NAMES


def holds_hdf5(source: Source) -> bool:
    """True if an open file is an original universe by its first bytes."""
    return source.head.startswith(_HDF5)


def read_tfrecord(source: Source, edge: int = EDGE, redshifts: int = REDSHIFTS) -> Iterator[Sample]:
    """The samples of an MLPerf HPC TFRecord file; one is the rule, more are allowed."""
    check_edge(edge)
    universe, largest_bytes = universe_number(source.path), 2 * edge**3 * redshifts + _MORE_BYTES
    for number, (begin, record) in enumerate(records(source, largest_bytes)):
        place = f"{source.path}: record {number}"
        try:
            counts, labels, within = _decoded(record, (edge, edge, edge, redshifts))
        except DataError as error:
            raise DataError(f"{place}: {error}") from error
        yield Sample(counts, labels, universe, place, begin + within)


def read_hdf5(path: str | Path, edge: int = EDGE, redshifts: int = REDSHIFTS) -> Iterator[Sample]:
    """The cubes of an original universe, (width / edge)^3 of them; each is read when its turn comes."""
    check_edge(edge)
    with open_file(Path(path)) as file:
        try:
            full, labels = _checked_universe(file, edge, redshifts)
        except _BROKEN as error:
            raise DataError(f"{path}: {one_line(error)}") from error
        for number, corner in enumerate(product(range(0, full.shape[0], edge), repeat=3)):
            source = f"{path}: cube {number}"
            try:
                counts = _not_negative(full[tuple(slice(low, low + edge) for low in corner)])
            except _BROKEN as error:
                raise DataError(f"{source}: {one_line(error)}") from error
            yield Sample(counts, labels, universe_number(path), source, number)


def universe_number(path: str | Path) -> int | None:
    """Return the universe's number in a published file's name, or None."""
    match = _NUMBER.search(Path(path).name)
    return int(match[1]) if match else None


def _decoded(record: bytes, shape: tuple[int, int, int, int]) -> tuple[NDArray[np.int16], NDArray[np.float32], int]:
    """Counts, labels, and at which byte of the record the counts begin."""
    values_of = features(record)
    for name in ("x", "y"):
        if name not in values_of:
            raise DataError(f"the feature {name!r} is missing")
    values, needed = byte_strings(values_of["x"]), 2 * int(np.prod(shape))
    sizes = [len(value) for value in values]
    if sizes != [needed]:
        raise DataError(f"the feature 'x' has byte strings of {sizes} bytes: must be one of {needed}, int16 {shape}")
    # A copy, because a number's place within a message may be odd.
    counts = np.frombuffer(values[0], "<i2").reshape(shape).astype(np.int16)
    within = np.frombuffer(values[0], np.uint8).ctypes.data - np.frombuffer(record, np.uint8).ctypes.data
    return _not_negative(counts), _checked_labels(floats(values_of["y"]), "the feature 'y'"), within


def _checked_universe(file: Any, edge: int, redshifts: int) -> tuple[Any, NDArray[np.float32]]:
    full = arrays.universe(file, redshifts)
    if not full.shape[0] or full.shape[0] % edge:
        raise DataError(f"'full' is {full.shape[0]} voxels wide: must be a multiple of edge = {edge}")
    labels = arrays.small_array(file, "unitPar", (LABELS,), f"{LABELS} floats", lambda dtype: dtype.kind == "f")
    return full, _checked_labels(labels, "'unitPar'")


def _checked_labels(given: Any, what: str) -> NDArray[np.float32]:
    given = np.asarray(given)
    if given.shape != (LABELS,) or given.dtype.kind != "f":
        raise DataError(f"{what} is {given.dtype} {given.shape}: must be {LABELS} floats")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
        labels: NDArray[np.float32] = given.astype(np.float32)
    if not np.isfinite(labels).all():
        raise DataError(f"{what} is {given.tolist()}: must be finite numbers")
    return labels


def _not_negative(counts: NDArray[np.int16]) -> NDArray[np.int16]:
    if counts.min() < 0:
        raise DataError(f"a voxel holds {counts.min()} particles: must be at least 0")
    return counts


def check_edge(edge: int) -> None:
    """Raises DataError unless `edge` is an integer of at least 1."""
    if isinstance(edge, bool) or not isinstance(edge, int) or edge < 1:
        raise DataError(f"edge = {edge!r}: must be an integer of at least 1")
