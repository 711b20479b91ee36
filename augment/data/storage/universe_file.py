"""One file of a data set: the universe's HDF5 layout, and opening it.

    /counts      int16    (samples, edge, edge, edge, redshifts)  particles in each voxel
    /labels      float32  (samples, labels)                       u in [-1, 1]: what a network predicts
    /parameters  float64  (samples, labels)                       the physical values of the same
    /universe    int32    (samples,)                              its samples share labels: split by it
    /crc32c      uint32   (samples,)                              of a sample's bytes: locates damage

    root attributes: format, format_version, the fields of `Header`, checksum (SHA-256 of the header and
    of all arrays but the counts), and complete, which is written last.

All numbers are little-endian. Counts lie in one piece, at a multiple of 4096 bytes, so that a sample is a range
of bytes which any thread can read without HDF5. Compressed counts are one chunk a sample, each a zlib stream
(HDF5's gzip filter). Opening a file checks everything but the counts; `augment.data.reading.verify` reads those too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment.data.storage.arrays import array, check_room, small_array
from augment.data.storage.hdf5 import one_line, open_file
from augment.errors import DataError

FORMAT = "saih-universes"
FORMAT_VERSION = 2
RAW, DEFLATE = "raw", "deflate"

_BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError)  # what h5py raises for a damaged file; DataError too

Progress = Callable[[int, int], None]
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Header:
    """The properties shared by all samples of a file or a set: each field is a root attribute."""

    samples: int
    edge: int
    redshifts: tuple[float, ...]
    box_mpc_h: float
    growth: str
    periodic: bool
    label_names: tuple[str, ...]
    digest: str
    provenance: str

    @property
    def sample_shape(self) -> tuple[int, int, int, int]:
        """(edge, edge, edge, redshifts)."""
        return (self.edge, self.edge, self.edge, len(self.redshifts))

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample's int16 counts."""
        return 2 * self.edge**3 * len(self.redshifts)

    def small_arrays(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and type of every array but the counts."""
        one, all_labels = (self.samples,), (self.samples, len(self.label_names))
        return {
            "labels": (all_labels, "<f4"),
            "parameters": (all_labels, "<f8"),
            "universe": (one, "<i4"),
            "crc32c": (one, "<u4"),
        }

    def checksum(self, arrays: Arrays) -> str:
        """SHA-256 of this header and these small arrays."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode())
        for name in self.small_arrays():
            digest.update(arrays[name].tobytes())
        return digest.hexdigest()


class UniverseFile:
    """The description of one file, in memory; nothing stays open. Raises DataError for a file not to be trusted.

    header, checksum; labels float32 (samples, 4), parameters float64 (samples, 4), universe int32 (samples,),
    crc32c uint32 (samples,). Where the samples lie: codec "raw" or "deflate", offset and stored_bytes int64
    (samples,), the range of bytes in the file. `augment.data.reading.sample_reader` reads them.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with open_file(self.path) as file:
            try:
                self.header = _read_header(file)
                arrays = _read_arrays(file, self.header)
                self.codec, self.offset, self.stored_bytes = _layout(file["counts"], self.header)
            except _BROKEN as error:
                raise DataError(f"{self.path}: {one_line(error)}") from error
        self.labels, self.parameters = arrays["labels"], arrays["parameters"]
        self.universe, self.crc32c = arrays["universe"], arrays["crc32c"]
        self.checksum = self.header.checksum(arrays)


def split(
    universe: NDArray[np.integer], validation_fraction: float = 0.2
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the training and of the validation samples; no universe has samples in both.

    universe: (samples,), each sample's universe number. The number alone decides, so universes keep their
    side when a data set is extended: 0 trains, 1 validates, and so on evenly. Raises DataError where a
    side would be empty.
    """
    if not 0 < validation_fraction < 1:
        raise DataError(f"validation_fraction = {validation_fraction}: must lie between 0 and 1")
    validates = np.ceil(universe * validation_fraction) > np.ceil((universe - 1) * validation_fraction)
    train, validation = np.flatnonzero(~validates), np.flatnonzero(validates)
    if not len(train) or not len(validation):
        raise DataError(f"universes {np.unique(universe).tolist()}: too few to keep some for validation")
    return train, validation


def _read_header(file: Any) -> Header:
    attributes = {name: _text(value) for name, value in file.attrs.items()}
    if attributes.get("format") != FORMAT:
        raise DataError(f"not a file of universes: the attribute 'format' is not {FORMAT!r}")
    if attributes.get("format_version") != FORMAT_VERSION:
        version = attributes.get("format_version")
        raise DataError(f"format_version is {version}: this program reads version {FORMAT_VERSION}")
    if not attributes.get("complete", False):
        raise DataError("incomplete: it was not written to its end")
    return Header(**{name: _attribute(attributes, name) for name in _FROM_HDF5})


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


# How each field of the header comes back from its attribute.
_FROM_HDF5: dict[str, Callable[[Any], Any]] = {
    "samples": int,
    "edge": int,
    "redshifts": lambda values: tuple(float(z) for z in values),
    "box_mpc_h": float,
    "growth": str,
    "periodic": bool,
    "label_names": lambda values: tuple(_text(name) for name in values),
    "digest": str,
    "provenance": str,
}


def _attribute(attributes: Mapping[str, Any], name: str) -> Any:
    if name not in attributes:
        raise DataError(f"the attribute {name!r} is missing")
    try:
        return _FROM_HDF5[name](attributes[name])
    except (TypeError, ValueError):
        raise DataError(f"the attribute {name!r} is {attributes[name]!r}") from None


def _read_arrays(file: Any, header: Header) -> dict[str, NDArray[Any]]:
    _check_counts(file, (header.samples, *header.sample_shape))
    arrays = {
        name: small_array(file, name, shape, f"{np.dtype(dtype)} {shape}", np.dtype(dtype).__eq__)
        for name, (shape, dtype) in header.small_arrays().items()
    }
    bad = np.flatnonzero(~np.isfinite(arrays["labels"]).all(axis=1))
    if len(bad):
        raise DataError(f"the labels of sample {bad[0]} are not finite")
    if _text(file.attrs.get("checksum")) != header.checksum(arrays):
        raise DataError("the header, labels, parameters, universe or crc32c were altered: wrong checksum")
    return arrays


def _check_counts(file: Any, shape: tuple[int, ...]) -> None:
    found = array(file, "counts")
    if found.shape != shape or found.dtype != np.dtype("<i2"):
        raise DataError(f"'counts' is {found.dtype} {found.shape}: must be int16 {shape}")
    check_room(found, "counts", compressed=found.chunks is not None)


def _layout(counts: Any, header: Header) -> tuple[str, NDArray[np.int64], NDArray[np.int64]]:
    """The codec, and where each sample's stored bytes begin and how many they are."""
    if counts.chunks is None:
        begin = counts.id.get_offset()
        if begin is None:
            raise DataError("'counts' does not lie in this file in one piece")
        offset = begin + header.sample_bytes * np.arange(header.samples, dtype=np.int64)
        return RAW, offset, np.full(header.samples, header.sample_bytes, np.int64)
    pipeline = counts.id.get_create_plist()
    if counts.chunks != (1, *header.sample_shape) or counts.compression != "gzip" or pipeline.get_nfilters() != 1:
        raise DataError("'counts' has another layout: must be one piece, or a gzip-compressed chunk a sample")
    if counts.id.get_num_chunks() != header.samples:
        raise DataError("'counts' lacks a sample's chunk")
    chunks = [counts.id.get_chunk_info_by_coord((row, 0, 0, 0, 0)) for row in range(header.samples)]
    if any(chunk.byte_offset is None or chunk.filter_mask for chunk in chunks):
        raise DataError("'counts' lacks a sample's chunk")
    offsets, sizes = [chunk.byte_offset for chunk in chunks], [chunk.size for chunk in chunks]
    return DEFLATE, np.array(offsets, np.int64), np.array(sizes, np.int64)
