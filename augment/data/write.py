"""Writing files of universes, so that a file with the final name is always whole.

Samples go to a temporary name in the same folder. When the last one is in, the checksums and the mark
`complete` are written, the bytes are forced to the disk, and only then does the file get its name. A
process that dies leaves at most a hidden temporary file behind (`.NAME.*.tmp`), which is safe to remove.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from augment.data.store import FORMAT, FORMAT_VERSION, Header, chunk_shape, sample_crc32


class UniverseWriter:
    """Writes a file sample by sample; it appears, whole, when the `with` block ends without an error.

    Raises ValueError for a sample of another shape, or where fewer or more samples came than the header says.
    """

    def __init__(self, path: str | Path, header: Header) -> None:
        self.path, self.header = Path(path), header
        self._temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.tmp")
        small = header.small_arrays().items()
        self._arrays = {name: np.zeros(shape, dtype) for name, (shape, dtype) in small}
        self._written = 0

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Since its 1.10 format HDF5 keeps checksums of its metadata; damage in older ones can hang a reader.
        self._file = h5py.File(self._temporary, "w", libver=("v110", "v110"), rdcc_nbytes=0)
        attributes = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self.header)}
        for name, value in attributes.items():
            self._file.attrs[name] = _fixed_width(value)
        shape = (self.header.samples, *self.header.sample_shape)
        chunks = chunk_shape(self.header.edge, len(self.header.redshifts))
        self._counts = self._file.create_dataset("counts", shape, "<i2", chunks=chunks)
        return self

    def append(self, counts: NDArray[np.int16], labels: NDArray[Any], parameters: NDArray[Any], universe: int) -> None:
        """The next sample: counts (edge, edge, edge, redshifts), labels and parameters (labels,)."""
        if counts.shape != self.header.sample_shape or self._written == self.header.samples:
            raise ValueError(f"no room for a sample {counts.shape} in a file of {self.header}")
        row, counts = self._written, np.ascontiguousarray(counts, np.int16)
        self._counts[row] = counts
        self._arrays["labels"][row] = labels
        self._arrays["parameters"][row] = parameters
        self._arrays["universe"][row] = universe
        self._arrays["crc32"][row] = sample_crc32(counts)
        self._written += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._file:
                if kind is None:
                    self._finish()
            if kind is None:
                _sync(self._temporary)
                self._temporary.replace(self.path)
                _sync(self.path.parent)  # the name is in the folder, not in the file
        finally:
            self._temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        if self._written != self.header.samples:
            raise ValueError(f"{self._written} samples written of {self.header.samples}")
        for name, values in self._arrays.items():
            self._file[name] = values
        self._file.attrs["checksum"] = _fixed_width(self.header.checksum(self._arrays))
        self._file.attrs["complete"] = True


def _fixed_width(value: Any) -> Any:
    # Strings of variable length would lie in HDF5's global heap, the one place without a checksum.
    text = isinstance(value, str) or (isinstance(value, tuple) and isinstance(value[0], str))
    return np.array(value, dtype="S") if text else value


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
