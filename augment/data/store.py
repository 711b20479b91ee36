"""Files of universes: their HDF5 layout, and reading it.

    /counts      int16    (samples, edge, edge, edge, redshifts)  particles in each voxel
    /labels      float32  (samples, labels)                       u in [-1, 1]: what a network predicts
    /parameters  float64  (samples, labels)                       the physical values of the same
    /universe    int32    (samples,)                              its samples share labels: split by it
    /crc32       uint32   (samples,)                              of a sample's bytes: locates damage

    root attributes: format, format_version, the fields of `Header`, checksum (SHA-256 of the header and
    of all arrays but the counts), and complete, which is written last.

All numbers are little-endian and nothing is compressed, so a read is a copy. Opening a file checks
everything but the counts; `verify` reads those too.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from augment.errors import DataError

FORMAT = "saih-universes"
FORMAT_VERSION = 1

_WHOLE_BYTES = 256 * 2**20  # a sample below this is one chunk
_BRICK_BYTES = 32 * 2**20  # a larger one is bricks of at most this
_BROKEN = (OSError, RuntimeError, KeyError, ValueError)  # what h5py raises for a damaged file; DataError too

Progress = Callable[[int, int], None]
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Header:
    """What a file says of all its samples: each field is a root attribute."""

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

    def small_arrays(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and type of every array but the counts."""
        one, all_labels = (self.samples,), (self.samples, len(self.label_names))
        return {
            "labels": (all_labels, "<f4"),
            "parameters": (all_labels, "<f8"),
            "universe": (one, "<i4"),
            "crc32": (one, "<u4"),
        }

    def checksum(self, arrays: Arrays) -> str:
        """SHA-256 of this header and these small arrays."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode())
        for name in self.small_arrays():
            digest.update(arrays[name].tobytes())
        return digest.hexdigest()


class UniverseFile:
    """A file of universes, open for reading. Raises DataError for one that cannot be trusted, and says why.

    labels float32 (samples, 4), parameters float64 (samples, 4) and universe int32 (samples,) are in memory;
    counts are read on demand. Open it in each process that reads: HDF5 handles do not survive a fork.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = _open(self.path)
        try:
            self.header = _read_header(self._file)
            arrays = _read_arrays(self._file, self.header)
        except _BROKEN as error:
            self._file.close()
            raise DataError(f"{self.path}: {_one_line(error)}") from error
        self.labels, self.parameters = arrays["labels"], arrays["parameters"]
        self.universe, self._crc32 = arrays["universe"], arrays["crc32"]
        self._counts = self._file["counts"].id
        self._space = self._counts.get_space()

    @property
    def samples(self) -> int:
        """How many samples the file holds."""
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
        """Digest of the recipe that the file was made from."""
        return self.header.digest

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample's counts."""
        return 2 * self.edge**3 * len(self.redshifts)

    def read(
        self, indices: Sequence[int] | NDArray[np.integer], out: NDArray[np.int16] | None = None
    ) -> NDArray[np.int16]:
        """Counts of these samples in this order, int16 (n, edge, edge, edge, redshifts), in `out` if given.

        Nothing is verified. Raises IndexError beyond the file, ValueError for an `out` that does not fit.
        """
        one = (1, *self.header.sample_shape)
        shape = (len(indices), *self.header.sample_shape)
        if out is None:
            out = np.empty(shape, np.int16)
        if out.shape != shape or out.dtype != np.int16 or not out.flags.c_contiguous:
            raise ValueError(f"out is {out.dtype} {out.shape}: must be contiguous int16 {shape}")
        # h5py's low-level call: half the time of a slice, which parses its selection anew for each sample.
        memory, space = h5py.h5s.create_simple(one), self._space.copy()  # a selection of this call's own
        for row, index in enumerate(indices):
            if not 0 <= index < self.samples:
                raise IndexError(f"{self.path}: no sample {index} among {self.samples}")
            space.select_hyperslab((int(index), 0, 0, 0, 0), one)
            self._counts.read(memory, space, out[row : row + 1])
        return out

    def verify(self, progress: Progress | None = None) -> None:
        """Reads every sample and compares its CRC-32; raises DataError that names the first damaged one.

        progress(done, total) is called after each sample.
        """
        counts = np.empty((1, *self.header.sample_shape), np.int16)
        for index, expected in enumerate(self._crc32):
            where = f"{self.path}: sample {index} (universe {self.universe[index]})"
            try:
                found = sample_crc32(self.read([index], counts))
            except _BROKEN as error:
                raise DataError(f"{where} cannot be read: {_one_line(error)}") from error
            if found != expected:
                raise DataError(f"{where} is damaged: its CRC-32 is {found:08x}, and was {expected:08x}")
            if progress:
                progress(index + 1, self.samples)

    def close(self) -> None:
        """Closes the file; the arrays in memory stay."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def chunk_shape(edge: int, redshifts: int) -> tuple[int, int, int, int, int]:
    """The HDF5 chunk of counts: one sample or, from 256 MiB on, a cubic brick of all its redshifts.

    Whole samples are what training reads. Bricks, of 32 MiB at most (the edge is halved until they are), let
    several readers share a large sample.
    """
    brick = edge
    if 2 * edge**3 * redshifts >= _WHOLE_BYTES:
        while 2 * brick**3 * redshifts > _BRICK_BYTES:
            brick = (brick + 1) // 2
    return (1, brick, brick, brick, redshifts)


def sample_crc32(counts: NDArray[np.int16]) -> int:
    """CRC-32 of contiguous counts as the file holds them, little-endian."""
    return zlib.crc32(counts.astype("<i2", copy=False).data)


def holds(path: Path, digest: str, otherwise: str) -> bool:
    """Whether `path` is a file of this content; False where there is none.

    Raises DataError, saying that it holds what `otherwise` names, where it is a file of another content.
    """
    if not path.exists():
        return False
    with UniverseFile(path) as file:
        if file.digest != digest:
            raise DataError(f"{path}: holds {otherwise} ({file.digest}, not {digest}); name another file")
    return True


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


def _open(path: Path) -> Any:
    # No lock: readers change nothing, and parallel file systems often refuse locks. No chunk cache: a
    # sample goes straight from the file to where it is wanted.
    try:
        return h5py.File(path, "r", locking=False, rdcc_nbytes=0)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: not a readable HDF5 file ({_one_line(error)})") from error


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
    _check_array(file, "counts", (header.samples, *header.sample_shape), "<i2")
    arrays: dict[str, NDArray[Any]] = {}
    for name, (shape, dtype) in header.small_arrays().items():
        _check_array(file, name, shape, dtype)
        arrays[name] = file[name][()]
    bad = np.flatnonzero(~np.isfinite(arrays["labels"]).all(axis=1))
    if len(bad):
        raise DataError(f"the labels of sample {bad[0]} are not finite")
    if _text(file.attrs.get("checksum")) != header.checksum(arrays):
        raise DataError("the header, labels, parameters, universe or crc32 were altered: wrong checksum")
    return arrays


def _check_array(file: Any, name: str, shape: tuple[int, ...], dtype: str) -> None:
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise DataError(f"the array {name!r} is missing")
    if found.shape != shape or found.dtype != np.dtype(dtype):
        raise DataError(f"{name!r} is {found.dtype} {found.shape}: must be {np.dtype(dtype)} {shape}")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
