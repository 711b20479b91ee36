"""A data set copied to a faster place, such as a node's own disk: whole or not at all, and reused if it exists.

The copy is in FOLDER/universes-<digest>-<codec> and is a data set of its own, whose manifest names files beside it,
whatever its source. It gets its name after every sample of it has been read back and compared with its CRC-32C, and
after its bytes have reached the disk, so that no writing goes on while others measure.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from augment.data.reading.sample_reader import SampleReader, empty_batch
from augment.data.storage.data_set import UniverseSet
from augment.data.storage.manifest import read_set, write_set
from augment.errors import DataError
from saih.common.files import no_link

Progress = Callable[[str, int, int], None]


def stage(universes: UniverseSet, folder: Path, threads: int = 4, progress: Progress | None = None) -> UniverseSet:
    """Return the data set's copy in `folder`, made unless it exists; progress(what, done, total) is called regularly.

    Raises DataError if it does not fit, cannot be written, or the existing folder is not this data set.
    """
    target = folder / f"universes-{universes.digest}-{universes.codec}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(target):
            if not target.exists():
                _copy(universes, target, threads, progress)
    except OSError as error:
        raise DataError(f"{target}: cannot be written: {error.strerror or error}") from error
    return _opened(universes, target)


def _opened(universes: UniverseSet, target: Path) -> UniverseSet:
    try:
        copy = UniverseSet(target)
        if not np.array_equal(copy.crc32c, universes.crc32c):
            raise DataError(f"{target}: is not a copy of {universes.path}")
    except DataError as error:
        raise DataError(f"{error}; delete {target} to have it copied again") from error
    return copy


@contextmanager
def _one_at_a_time(target: Path) -> Iterator[None]:
    """Wait for another process with the same copy, and remove the left-over files of dead ones."""
    with open(target.with_name(f".{target.name}.lock"), "a", opener=no_link) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in target.parent.glob(f".{target.name}.*.tmp"):
            shutil.rmtree(left)
        yield


def _copy(universes: UniverseSet, target: Path, threads: int, progress: Progress | None) -> None:
    needed, free = sum(path.stat().st_size for path in universes.files), shutil.disk_usage(target.parent).free
    if needed > free:
        raise DataError(
            f"{target.parent}: {needed / 1e9:.3g} GB are to be copied here, and {free / 1e9:.3g} GB are free"
        )
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    temporary.mkdir()
    try:
        names = [f"{number:06d}-{path.name}" for number, path in enumerate(universes.files)]
        with ThreadPoolExecutor(threads) as pool:
            copies = pool.map(_copy_file, universes.files, [temporary / name for name in names])
            for done, _ in enumerate(copies, 1):
                if progress:
                    progress("copying", done, len(names))
        manifest, index = read_set(universes.path)
        files = [replace(file, path=name) for file, name in zip(manifest.files, names, strict=True)]
        write_set(temporary, manifest.header, manifest.codec, files, index)
        _check(UniverseSet(temporary), threads, progress)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _copy_file(source: Path, copy: Path) -> None:
    shutil.copyfile(source, copy)
    with open(copy, "rb") as file:
        os.fsync(file.fileno())


def _check(universes: UniverseSet, threads: int, progress: Progress | None) -> None:
    reader = SampleReader(universes)

    def check(begin: int) -> None:
        counts = empty_batch(1, universes.header.sample_shape)[0]
        for sample in range(begin, universes.samples, threads):
            reader.read(sample, counts)
            if progress and begin == 0:
                progress("checking", sample, universes.samples)

    try:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(check, range(threads)))
    finally:
        reader.close()
