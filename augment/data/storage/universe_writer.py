"""Writing a universe's HDF5 file, which has its final name only when it is whole.

Samples go to a temporary name in the same folder. When the last one is in, the checksums and the mark
`complete` are written, the bytes are forced to the disk, and only then does the file get its name. A
process that dies leaves at most a hidden temporary file behind (`.NAME.*.tmp`), which is safe to remove.
"""

from __future__ import annotations

import contextlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from augment.data.storage.checksum import sample_crc32c
from augment.data.storage.universe_file import FORMAT, FORMAT_VERSION, Header
from augment.errors import DataError
from saih.common.files import no_link, put_in_place, temporary_name

ALIGNMENT_BYTES = 4096  # what direct reads ask for on all common file systems
GZIP = "gzip"
COMPRESSIONS = (GZIP,)

_GZIP_LEVEL = 1
_LARGEST_CHUNK_BYTES = 2**32 - 1  # of HDF5's 1.10 format


class UniverseWriter:
    """Writes a file sample by sample; it appears, whole, when the `with` block ends without an error.

    `compression` is None or "gzip". Raises ValueError for a sample of another shape, or where fewer or more
    samples came than the header says; OSError where the file cannot be written.
    """

    def __init__(self, path: str | Path, header: Header, compression: str | None = None) -> None:
        check_compression(compression, header.sample_bytes)
        self.path, self.header, self._compression = Path(path), header, compression
        small = header.small_arrays().items()
        self._arrays = {name: np.zeros(shape, dtype) for name, (shape, dtype) in small}
        self._written = 0

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = temporary_name(self.path)
        # Since its 1.10 format HDF5 keeps checksums of its metadata; damage in older ones can hang a reader.
        self._output = _Output(self._temporary, "x+", opener=no_link)
        self._file = h5py.File(
            self._output,
            "w",
            libver=("v110", "v110"),
            rdcc_nbytes=0,
            alignment_threshold=ALIGNMENT_BYTES,
            alignment_interval=ALIGNMENT_BYTES,
        )
        attributes = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self.header)}
        for name, value in attributes.items():
            self._file.attrs[name] = _fixed_width(value)
        shape = (self.header.samples, *self.header.sample_shape)
        chunks = {"chunks": (1, *self.header.sample_shape), "compression": GZIP, "compression_opts": _GZIP_LEVEL}
        layout = chunks if self._compression else {}
        self._counts = self._file.create_dataset("counts", shape, "<i2", fill_time="never", **layout)
        return self

    def append(self, counts: NDArray[np.int16], labels: NDArray[Any], parameters: NDArray[Any], universe: int) -> None:
        """The next sample: counts (edge, edge, edge, redshifts), labels and parameters (labels,)."""
        if counts.shape != self.header.sample_shape or self._written == self.header.samples:
            raise ValueError(f"no room for a sample {counts.shape} in a file of {self.header}")
        row, counts = self._written, np.ascontiguousarray(counts, "<i2")
        if self._compression:
            # HDF5's own filter gives up on samples that do not shrink, and stores those plain.
            self._counts.id.write_direct_chunk((row, 0, 0, 0, 0), zlib.compress(counts.data, _GZIP_LEVEL))
        else:
            self._counts[row] = counts
        self._output.check()
        self._arrays["labels"][row] = labels
        self._arrays["parameters"][row] = parameters
        self._arrays["universe"][row] = universe
        self._arrays["crc32c"][row] = sample_crc32c(counts)
        self._written += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._output, self._file:
                if kind is None:
                    self._finish()
            if kind is None:
                self._output.check()
                put_in_place(self._temporary, self.path)
        finally:
            self._temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        if self._written != self.header.samples:
            raise ValueError(f"{self._written} samples written of {self.header.samples}")
        for name, values in self._arrays.items():
            self._file[name] = values
        self._file.attrs["checksum"] = _fixed_width(self.header.checksum(self._arrays))
        self._file.attrs["complete"] = True


class _Output(io.FileIO):
    """The file that HDF5 writes to. Where that fails, HDF5 is told that all is well, and `check` raises the reason.

    HDF5 itself writes on when it closes a file, and where that fails, too, the process may crash.
    """

    failure: OSError | None = None

    def check(self) -> None:
        """Raises what has gone wrong so far."""
        if self.failure:
            raise self.failure

    def write(self, data: Any) -> int:
        """All of `data`, in as many pieces as the system wants."""
        left = memoryview(data).cast("B")
        size = len(left)
        with self._remembered():
            while len(left) and not self.failure:
                left = left[super().write(left) :]
        return size

    def truncate(self, size: int | None = None) -> int:
        """The file's length."""
        with self._remembered():
            super().truncate(size)
        return self.tell() if size is None else size

    @contextlib.contextmanager
    def _remembered(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = self.failure or error


def check_compression(compression: str | None, sample_bytes: int) -> None:
    """Raises DataError for a compression that does not exist, or for samples that it cannot hold."""
    if compression is None:
        return
    if compression not in COMPRESSIONS:
        raise DataError(f"compression = {compression!r}: must be {' or '.join(COMPRESSIONS)}, or left out")
    if sample_bytes > _LARGEST_CHUNK_BYTES:
        raise DataError(f"compression = {compression!r}: a sample of {sample_bytes} bytes must be stored without")


def _fixed_width(value: Any) -> Any:
    # Strings of variable length would lie in HDF5's global heap, the one place without a checksum.
    text = isinstance(value, str) or (isinstance(value, tuple) and isinstance(value[0], str))
    return np.array(value, dtype="S") if text else value
