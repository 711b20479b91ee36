"""Finding damage: every byte of a data set that matters is read and compared with a checksum.

Manifest and index have SHA-256 sums, and so have the header and the small arrays of a universe's file. Each sample has
a CRC-32C, in the index and, of our own files, in the file too. Of a linked file the CRC-32C of all bytes is known. What
no checksum covers holds no data: padding, and HDF5's structure, which has checksums of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np

from augment.data.reading.sample_reader import SampleReader
from augment.data.storage.checksum import file_crc32c
from augment.data.storage.data_set import UniverseSet, file_fault
from augment.data.storage.manifest import Manifest, SetFile, read_set
from augment.data.storage.universe_file import Arrays, Progress, UniverseFile
from augment.errors import DataError

THREADS = 4


def verify(
    folder: str | Path, progress: Progress | None = None, shard: tuple[int, int] = (0, 1), threads: int = THREADS
) -> list[str]:
    """What is damaged: a line for each file that is not as it was written and for each sample that cannot be read.

    Empty if all is well. Of several processes, shard = (rank, size), each looks at its part. progress(done, total) is
    called after each sample. Raises DataError where manifest or index are damaged, so that nothing is known.
    """
    folder, (rank, size) = Path(folder), shard
    manifest, index = read_set(folder)
    faults = {number: fault for number, file in enumerate(manifest.files) if (fault := file_fault(folder, file))}
    found = _miscounted(manifest, index) if rank == 0 else []
    for number, file in enumerate(manifest.files[rank::size]):
        found += _file_faults(folder, rank + number * size, file, index)
    readable = [sample for sample in range(manifest.header.samples) if int(index["file"][sample]) not in faults]
    return found + _sample_faults(UniverseSet.of(folder, manifest, index), readable[rank::size], progress, threads)


def _miscounted(manifest: Manifest, index: Arrays) -> list[str]:
    """Files of which manifest and index count samples differently: a fault of whoever wrote both."""
    counted = np.bincount(index["file"], minlength=len(manifest.files))
    return [
        f"{file.path}: holds {file.samples} samples by the manifest, {count} by the index"
        for file, count in zip(manifest.files, counted, strict=True)
        if file.samples != count
    ]


def _file_faults(folder: Path, number: int, file: SetFile, index: Arrays) -> Iterator[str]:
    """What a file says of itself, against what the set says of it."""
    path = folder / file.path
    if fault := file_fault(folder, file):
        yield f"{path}: {fault}"
        return
    kind, _, checksum = file.checksum.partition(":")
    try:
        if kind == "crc32c":
            if (found := f"{file_crc32c(path):08x}") != checksum:
                yield f"{path}: was altered: its CRC-32C is {found}, and was {checksum}"
            return
        own = UniverseFile(path)
    except DataError as error:
        yield str(error)
        return
    except OSError as error:
        yield f"{path}: cannot be read ({error.strerror})"
        return
    if own.checksum != checksum:
        yield f"{path}: was altered, or is another file: its checksum is not the one in the manifest"
    rows = index["file"] == number
    for name in ("labels", "parameters", "universe", "crc32c", "offset", "stored_bytes"):
        if not np.array_equal(getattr(own, name), index[name][rows]):
            yield f"{path}: its {name} are not those of the index"


def _sample_faults(universes: UniverseSet, wanted: Sequence[int], progress: Progress | None, threads: int) -> list[str]:
    """Reads these samples; each thread holds one."""
    mine, lock, done = threading.local(), threading.Lock(), 0

    def check(sample: int) -> str | None:
        nonlocal done
        if not hasattr(mine, "counts"):
            mine.counts = np.empty(universes.header.sample_shape, np.int16)
        try:
            reader.read(sample, mine.counts)
            fault = None
        except DataError as error:
            fault = str(error)
        with lock:
            done += 1
            if progress:
                progress(done, len(wanted))
        return fault

    with closing(SampleReader(universes)) as reader, ThreadPoolExecutor(threads) as pool:
        return [fault for fault in pool.map(check, wanted) if fault]
