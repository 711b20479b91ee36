"""Which published files are meant: by files, folders, patterns and lists of them.

A command line holds some 100,000 names at most (getconf ARG_MAX), and the published set has five times as many. So a
folder stands for the published files in it, `'train/*.tfrecord'` in quotes for what it matches, and a text file
(`.txt`, `.lst`, `.list`, or any file as `@NAME`) for the files, folders and patterns on its lines.

Each file is asked for its size once, here: on a parallel file system each question travels.
"""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from augment.errors import DataError
from saih.common.files import read_bounded

NAMES = (".tfrecord", ".hdf5", ".h5")
"""What the name of a published file in a folder ends in, or holds before .gz or a number."""
LISTS = (".txt", ".lst", ".list")
MOST_LIST_BYTES = 2**28

Found = tuple[str, os.stat_result]


def files(words: Sequence[str | Path]) -> tuple[list[Path], list[int]]:
    """The files that the words mean, in their order, folders and patterns by name; and each one's size.

    Raises DataError for a word that means no file, and for a file that is meant twice or is no regular one.
    """
    paths, sizes = [], []
    seen: dict[tuple[int, int], str] = {}
    for word in words:
        for path, status in _meant(os.fspath(word), lists=True):
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{path}: is no regular file")
            other = seen.setdefault((status.st_dev, status.st_ino), path)
            if other is not path and os.path.realpath(other) == os.path.realpath(path):
                raise DataError(f"{path}: given twice")
            paths.append(Path(path).absolute())
            sizes.append(status.st_size)
    return paths, sizes


def _meant(word: str, lists: bool) -> Iterator[Found]:
    if lists and word.startswith("@"):
        yield from _listed(word[1:])
        return
    status = _status(word)
    if status is None:
        yield from _matching(word)
    elif stat.S_ISDIR(status.st_mode):
        yield from _within(word)
    elif lists and word.endswith(LISTS):
        yield from _listed(word)
    else:
        yield word, status


def _status(word: str) -> os.stat_result | None:
    try:
        return os.stat(word)  # noqa: PTH116  half a million of them
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{word}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _within(folder: str) -> Iterator[Found]:
    """The published files of a folder; those of folders in it are not meant."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from error
    chosen = [name for name in names if _is_published(name)]
    if not chosen:
        others = f"; it holds {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}" if names else ""
        raise DataError(f"{folder}: holds no published file (*{', *'.join(NAMES)}){others}")
    for name in chosen:
        path = os.path.join(folder, name)  # noqa: PTH118  half a million of them
        yield path, _known(path)


def _is_published(name: str) -> bool:
    return not name.startswith(".") and any(name.endswith(end) or f"{end}." in name for end in NAMES)


def _matching(word: str) -> Iterator[Found]:
    if not glob.has_magic(word):
        raise DataError(f"{word}: no such file")
    matches = sorted(glob.iglob(word, recursive=True))  # noqa: PTH207  a pattern may be absolute
    if not matches:
        raise DataError(f"{word}: matches no file")
    for path in matches:
        status = _known(path)
        if stat.S_ISDIR(status.st_mode):
            yield from _within(path)
        else:
            yield path, status


def _listed(path: str) -> Iterator[Found]:
    try:
        content = read_bounded(Path(path), MOST_LIST_BYTES)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise DataError(f"{path}: is no list of files: must be text, a path a line, of at most 256 MiB") from error
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise DataError(f"{path}: {reason}") from error
    if b"\0" in content:
        raise DataError(f"{path}: is no list of files: must be text, a path a line, of at most 256 MiB")
    lines = [line for raw in content.split(b"\n") if (line := os.fsdecode(raw.strip())) and not line.startswith("#")]
    if not lines:
        raise DataError(f"{path}: lists no file")
    for line in lines:
        try:
            yield from _meant(line, lists=False)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error


def _known(path: str) -> os.stat_result:
    status = _status(path)
    if status is None:
        raise DataError(f"{path}: no such file")
    return status
