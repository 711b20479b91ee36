"""Files that are written whole, begun anew or read within a limit, and never through a link.

Whoever may write to a folder can plant a link at any name that can be known beforehand. So what is written goes to a
new file (O_EXCL) of a random name in the same folder, and takes its own name by a rename, which replaces a link and
does not follow it. A file that has its name is whole, after a crash too: its bytes reach the disk before it gets the
name, and the name, which is in the folder, right after. No hard links, which some file systems do not have.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE_BYTES = 2**20
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)
"""Errors of file systems that cannot force a folder to the disk."""


@contextlib.contextmanager
def whole(path: Path, linked_folder: bool = True) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` at the end of the block; until then the old one stays.

    Without `linked_folder` the folder must not be a link. Raises OSError, which names `path`; after any error
    nothing is left behind.
    """
    with _naming(path), _folder(path.parent, linked_folder) as folder:
        name = temporary_name(path).name
        try:
            with open(os.open(name, _NEW, 0o666, dir_fd=folder), "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            raise
        _sync_folder(folder)


def write_bytes(path: Path, content: bytes, linked_folder: bool = True) -> None:
    """Replace the content of `path` as a whole; create its folder if it is missing.

    Raises OSError as `whole` does.
    """
    with _naming(path):
        _make(path.parent)
        with whole(path, linked_folder) as file:
            file.write(content)


def write_text(path: Path, text: str, linked_folder: bool = True, errors: str = "strict") -> None:
    """`write_bytes` of `text` as UTF-8; `errors` is that of str.encode."""
    write_bytes(path, text.encode("utf-8", errors), linked_folder)


def create(path: Path, content: bytes) -> None:
    """Make the file `path`. Raises FileExistsError if there is anything of that name, which one caller wins."""
    with _naming(path):
        descriptor = os.open(path, _NEW, 0o666)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def begin_empty(path: Path) -> BinaryIO:
    """Replace `path` by an empty, unbuffered file; create its folder, which must not be a link."""
    with _naming(path):
        _make(path.parent)
        with _folder(path.parent, linked=False) as folder:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path.name, dir_fd=folder)
            return open(os.open(path.name, _NEW, 0o666, dir_fd=folder), "wb", buffering=0)


def no_link(path: str, flags: int) -> int:
    """An `opener` for open() that refuses a link at the end of the path."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def read_small(path: Path, most_bytes: int) -> tuple[bytes, int]:
    """Return the content of a regular file and the id of its owner; follow no link. Raise OSError as `read_bounded`."""
    try:
        return _read(path, most_bytes, os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "is a symbolic link", str(path)) from None
        raise


def open_regular(path: str | Path, flags: int = os.O_RDONLY) -> int:
    """Open a regular file and return its descriptor; follow links. Raise OSError for pipes, devices and folders.

    Opening never waits, as it would for somebody to write to a named pipe.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    return descriptor


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Return the content of a regular file; follow links. Raise OSError that says why, also if it is larger.

    All text that somebody else may have written is read by this function or, where no link may be followed and the
    owner counts, by `read_small`.
    """
    return _read(path, most_bytes, 0)[0]


def temporary_name(path: Path) -> Path:
    """A hidden name beside `path` that nobody can know beforehand."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


def put_in_place(temporary: Path, path: Path) -> None:
    """Force a finished file to the disk, and only then give it its name: for files that a library writes."""
    with open(temporary, "rb", opener=no_link) as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    with _folder(path.parent, linked=True) as folder:
        _sync_folder(folder)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors name the file that was asked for, not a temporary one."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def _read(path: Path, most_bytes: int, flags: int) -> tuple[bytes, int]:
    """Content and owner. Opening never waits for a pipe's writer; room is made for what is there, not for the limit."""
    with open(open_regular(path, os.O_RDONLY | flags), "rb") as file:
        about = os.fstat(file.fileno())
        content = file.read(about.st_size + 1) if about.st_size <= most_bytes else b""
        while content and len(content) <= most_bytes and (more := file.read(_PIECE_BYTES)):
            content += more  # it has grown meanwhile, or is one of /proc, whose files are 0 bytes long
    if max(about.st_size, len(content)) > most_bytes:
        raise OSError(errno.EFBIG, f"holds more than {most_bytes} bytes", str(path))
    return content, about.st_uid


def _make(folder: Path) -> None:
    with contextlib.suppress(FileExistsError):  # what is there but no folder is told by `_folder`
        folder.mkdir(parents=True)


@contextlib.contextmanager
def _folder(path: Path, linked: bool) -> Iterator[int]:
    """A descriptor of the folder, by which names in it are meant whatever becomes of the path."""
    if not linked and path.is_symlink():
        raise OSError(errno.ELOOP, f"{path.name} is a symbolic link, which is not followed", str(path))
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if linked else os.O_NOFOLLOW))
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sync_folder(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
