"""The manifest and the index of a data set: what they hold, reading them with distrust, writing them whole.

manifest.json is JSON: the fields of `Header`, codec, files, the SHA-256 of the index, and `checksum`, the SHA-256 of
all else in it. index.npz is NumPy's format, uncompressed: one row a sample of each array in `COLUMNS`.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from augment.data.storage.arrays import DEFLATE_RATIO
from augment.data.storage.universe_file import DEFLATE, RAW, Arrays, Header
from augment.errors import DataError
from saih.common.files import read_bounded, write_bytes
from saih.common.shapes import by_name, fault, fields, filled, flag, many, number, plain, positive, text, whole, word

MANIFEST, INDEX = "manifest.json", "index.npz"
FORMAT = "saih-universe-set"
FORMAT_VERSION = 1

TFRECORD_GZIP, HDF5_UNIVERSE = "tfrecord-gzip", "hdf5-universe"
CODECS = (RAW, DEFLATE, TFRECORD_GZIP, HDF5_UNIVERSE)
"""The forms of stored bytes: the counts themselves; a zlib stream; a part of a gzip file of TFRecords; the cube
with the number `offset` of an original universe in HDF5."""

MOST_BYTES = 2**31
"""Of a manifest or an index; those of 524,288 files hold some 100 MB."""

COLUMNS: dict[str, tuple[str, tuple[int, ...]]] = {
    "labels": ("<f4", (4,)),
    "parameters": ("<f8", (4,)),
    "universe": ("<i4", ()),
    "crc32c": ("<u4", ()),
    "file": ("<i4", ()),
    "offset": ("<i8", ()),
    "stored_bytes": ("<i8", ()),
}
"""The index: each array's type, and its axes besides the samples."""


_SHAPE = fields(
    {
        "samples": whole(0),
        "edge": whole(1),
        "redshifts": filled(number),
        "box_mpc_h": positive,
        "growth": text,
        "periodic": flag,
        "label_names": many(text),
        "digest": text,
        "provenance": by_name(plain),
        "codec": word(*CODECS),
        "files": many(fields({"path": text, "samples": whole(0), "bytes": whole(0), "checksum": text})),
        "index_sha256": text,
    }
)
"""A manifest, besides its format and its checksum."""


@dataclass(frozen=True)
class SetFile:
    """One file as the manifest lists it: `path` relative to the set's folder, or absolute where it is not ours.

    checksum: of our own files "sha256:" of header and small arrays (samples have theirs in the index); of others
    "crc32c:" of all bytes.
    """

    path: str
    samples: int
    bytes: int
    checksum: str


@dataclass(frozen=True)
class Manifest:
    """The content of manifest.json."""

    header: Header
    codec: str
    files: tuple[SetFile, ...]
    index_sha256: str


def read_set(path: Path) -> tuple[Manifest, Arrays]:
    """Manifest and index of a data set, checked against their checksums and each other. Raises DataError."""
    manifest = _read_manifest(path)
    return manifest, _read_index(path / INDEX, manifest)


def write_set(folder: Path, header: Header, codec: str, files: Sequence[SetFile], index: Arrays) -> None:
    """Writes index and, last, manifest: from then on the folder is a data set."""
    columns = {name: np.ascontiguousarray(index[name], dtype) for name, (dtype, _) in COLUMNS.items()}
    content = npz(columns)
    write_bytes(folder / INDEX, content)
    rest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **asdict(header),
        "provenance": json.loads(header.provenance),
        "codec": codec,
        "files": [asdict(file) for file in files],
        "index_sha256": hashlib.sha256(content).hexdigest(),
    }
    manifest = rest | {"checksum": _checksum(rest)}
    write_bytes(folder / MANIFEST, json.dumps(manifest, indent=1).encode())


def npz(arrays: Arrays) -> bytes:
    """Arrays as numpy.load reads them; equal arrays give equal bytes."""
    # Not numpy.savez: it takes no array called `file`, and stamps the time, so that equal indices would differ.
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, values in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)
    return content.getvalue()


def _checksum(rest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        given = json.loads(read_bounded(path, MOST_BYTES))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{folder}: {_why_no_set(folder)}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: damaged: is not JSON ({error})") from error
    try:
        return _checked_manifest(given)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: damaged: {type(error).__name__} {error}") from error


def _arrays(path: Path, content: bytes, samples: int) -> dict[str, NDArray[Any]]:
    """The columns in an index; each one's own header is looked at before room is made for what it claims."""
    index: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name, (dtype, axes) in COLUMNS.items():
                with archive.open(f"{name}.npy") as member:
                    header = _array_header(member)
                if header != (shape := (samples, *axes), np.dtype(dtype)):
                    raise DataError(f"{path}: {name!r} must be {np.dtype(dtype)} {shape}")
                with archive.open(f"{name}.npy") as member:
                    index[name] = np.lib.format.read_array(member, allow_pickle=False)
    except (KeyError, ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged ({' '.join(str(error).split())})") from error
    return index


def _array_header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array in NumPy's format."""
    version = np.lib.format.read_magic(member)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"version {version} of NumPy's format")
    shape, _, dtype = read(member)
    return shape, dtype


def _why_no_set(folder: Path) -> str:
    if not folder.exists():
        return "no such data set"
    if not folder.is_dir():
        return "is a file; a data set is a folder"
    return (
        f"not a whole data set: it has no {MANIFEST}. If it was being made, the same command (`saih augment data ...`, "
        "`saih sweep ...`) goes on with it"
    )


def _checked_manifest(given: Any) -> Manifest:
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        raise DataError(f"not a data set: 'format' is not {FORMAT!r}")
    if given.get("format_version") != FORMAT_VERSION:
        version = given.get("format_version")
        raise DataError(f"format_version is {version}: this program reads version {FORMAT_VERSION}")
    rest = {key: value for key, value in given.items() if key != "checksum"}
    if given.get("checksum") != _checksum(rest):
        raise DataError("was altered: wrong checksum")
    if wrong := fault(_SHAPE, rest):
        raise DataError(wrong)
    names = [name for name in Header.__dataclass_fields__ if name not in ("redshifts", "label_names", "provenance")]
    header = Header(
        **{name: given[name] for name in names},
        redshifts=tuple(given["redshifts"]),
        label_names=tuple(given["label_names"]),
        provenance=json.dumps(given["provenance"]),
    )
    keys = SetFile.__dataclass_fields__
    files = tuple(SetFile(**{key: file[key] for key in keys}) for file in given["files"])
    return Manifest(header, given["codec"], files, given["index_sha256"])


def _read_index(path: Path, manifest: Manifest) -> dict[str, NDArray[Any]]:
    try:
        content = read_bounded(path, MOST_BYTES)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != manifest.index_sha256:
        raise DataError(f"{path}: was altered: wrong checksum")
    index = _arrays(path, content, manifest.header.samples)
    bad = np.flatnonzero(~np.isfinite(index["labels"]).all(axis=1))
    if len(bad):
        raise DataError(f"{path}: the labels of sample {bad[0]} are not finite")
    if len(index["file"]) and not 0 <= index["file"].min() <= index["file"].max() < len(manifest.files):
        raise DataError(f"{path}: names files that the manifest does not list")
    if len(outside := np.flatnonzero(~_within_files(manifest, index))):
        raise DataError(f"{path}: the bytes of sample {outside[0]} do not fit its file, or its edge")
    return index


def _within_files(manifest: Manifest, index: Arrays) -> NDArray[np.bool_]:
    """True where a sample's bytes lie in its file and may be those of its counts: room is made for no others."""
    offset, stored = index["offset"].astype(float), index["stored_bytes"].astype(float)
    held = np.array([float(file.bytes) for file in manifest.files])[index["file"]]
    sample_bytes = float(manifest.header.sample_bytes)
    if manifest.codec == DEFLATE:
        fits = (offset + stored <= held) & (sample_bytes <= DEFLATE_RATIO * stored)
    elif manifest.codec == RAW:
        fits = (offset + stored <= held) & (stored == sample_bytes)
    else:
        end = offset + stored if manifest.codec == TFRECORD_GZIP else stored  # of HDF5 the offset is a number
        fits = (end <= DEFLATE_RATIO * held) & (stored == sample_bytes)
    return np.asarray(fits & (offset >= 0) & (stored > 0))
