"""Reading TFRecord files of tf.train.Example messages, without TensorFlow.

A TFRecord file is a row of records (tensorflow.org/tutorials/load_data/tfrecord), all little-endian:

    uint64  length          bytes of data
    uint32  masked CRC-32C  of the eight bytes of length
    byte    data[length]
    uint32  masked CRC-32C  of data

    masked = (crc rotated right by 15 bits) + 0xa282ead8, modulo 2^32

so that data which holds checksums itself does not end in a constant. A compressed file is the same bytes
through gzip. The data are a protobuf message (protobuf.dev/programming-guides/encoding):

    Example   { Features features = 1; }
    Features  { map<string, Feature> feature = 1; }     an entry is a message: key = 1, value = 2
    Feature   { BytesList bytes_list = 1; or FloatList float_list = 2; or Int64List int64_list = 3; }
    BytesList { repeated bytes value = 1; }
    FloatList { repeated float value = 1; }             packed into one field, or a field each

A message is a row of fields. Each begins with the varint 8 * number + wire type, and the wire type says how
long it is: 0 a varint, 1 eight bytes, 2 a varint length and that many bytes, 5 four bytes. A varint holds
seven bits a byte, lowest first; the high bit says that more follow.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self, cast

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from augment.errors import DataError
from saih.common.files import open_regular

_GZIP = b"\x1f\x8b"
_HEAD_BYTES, _CRC_BYTES = 12, 4
_PIECE_BYTES = 2**20
_LARGEST_RECORD_BYTES = 2**31
"""No protobuf message may be larger."""
_MOST_FIELDS = 32
"""Of one message. Ours have a handful; messages lie in messages, three deep, and 256 in each took half a minute."""
_VARINT, _DELIMITED = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}  # by wire type
_FLOAT = 5
_VARINT_BYTES = 10  # 64 bits at seven a byte


class Source:
    """A file of records, open to be read once from its beginning to its end, with a checksum of all its bytes.

    `compressed`: by gzip. Raises DataError where it cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._file = open(open_regular(path), "rb")  # noqa: SIM115  closed with the source
            head = self._file.peek(_HEAD_BYTES)[:_HEAD_BYTES]
        except FileNotFoundError as error:
            raise DataError(f"{path}: no such file") from error
        except OSError as error:
            raise DataError(f"{path}: cannot be opened ({error.strerror})") from error
        self.head = head
        # A plain record of the right length also begins with gzip's mark, but gzip never with a right checksum.
        self.compressed = head.startswith(_GZIP) and not _matches(head[:8], head[8:])
        self._crc32c = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int = -1) -> bytes:
        """The next bytes as they are stored."""
        piece = self._file.read(size)
        self._crc32c = google_crc32c.extend(self._crc32c, piece)
        return piece

    def unpacked(self) -> BinaryIO:
        """The bytes as they are unpacked, from the beginning."""
        return cast(BinaryIO, gzip.GzipFile(fileobj=cast(BinaryIO, self)) if self.compressed else self)

    def crc32c(self) -> int:
        """CRC-32C of all stored bytes; those that nobody has read are read for it. Raises OSError."""
        while self.read(_PIECE_BYTES):
            pass
        return self._crc32c


def records(source: Source, largest_bytes: int = _LARGEST_RECORD_BYTES) -> Iterator[tuple[int, bytes]]:
    """Yield the offset and the data of each record, checked by both checksums.

    The place is counted in the bytes of the file once decompressed. No record may be larger than `largest_bytes`.
    Raises DataError that names the file and the record, counted from 0, for any damage, and for a file without records.
    """
    number, at = 0, 0
    file = source.unpacked()
    while (record := _checked_record(file, f"{source.path}: record {number}", largest_bytes)) is not None:
        yield at + _HEAD_BYTES, record
        number, at = number + 1, at + _HEAD_BYTES + len(record) + _CRC_BYTES
    if not number:
        raise DataError(f"{source.path}: empty: holds no record")


def features(record: bytes) -> dict[str, memoryview]:
    """The features of one tf.train.Example, by name: encoded Feature messages.

    Pass them to `byte_strings` or `floats`. Raises DataError for bytes that are no such message.
    """
    return {
        str(_last(entry, 1), "utf-8", "replace"): _last(entry, 2)
        for group in _messages(memoryview(record), 1)
        for entry in _messages(group, 1)
    }


def byte_strings(feature: memoryview) -> list[memoryview]:
    """The values of a feature that is a list of byte strings; none for a feature of another kind."""
    return [value for each in _messages(feature, 1) for value in _messages(each, 1)]


def floats(feature: memoryview) -> NDArray[np.float32]:
    """The values of a feature that is a list of floats, shape (n,); none for a feature of another kind."""
    values = [
        value
        for each in _messages(feature, 2)
        for number, wire_type, value in _fields(each)
        if number == 1 and wire_type in (_DELIMITED, _FLOAT)
    ]
    if any(len(value) % 4 for value in values):
        raise DataError("a list of floats is not whole: its length is no multiple of 4 bytes")
    return np.frombuffer(b"".join(values), "<f4").astype(np.float32)


def _checked_record(file: BinaryIO, where: str, largest_bytes: int) -> bytes | None:
    try:
        return _next_record(file, largest_bytes)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{where}: cannot be read, damaged or cut off ({error})") from error


def _next_record(file: BinaryIO, largest_bytes: int) -> bytes | None:
    head = file.read(_HEAD_BYTES)
    if not head:
        return None
    if len(head) < _HEAD_BYTES:
        raise DataError(f"cut off: {len(head)} bytes are left of a header of {_HEAD_BYTES}")
    if not _matches(head[:8], head[8:]):
        raise DataError("its length does not match its checksum: damaged, or no TFRecord file")
    length = struct.unpack("<Q", head[:8])[0]
    if length > largest_bytes:
        raise DataError(f"{length} bytes long: must be at most {largest_bytes}")
    data, checksum = file.read(length), file.read(_CRC_BYTES)
    if len(data) + len(checksum) < length + _CRC_BYTES:
        raise DataError(f"cut off: {len(data) + len(checksum)} bytes are left of {length + _CRC_BYTES}")
    if not _matches(data, checksum):
        raise DataError("its data do not match their checksum: damaged")
    return data


def _matches(data: bytes, masked: bytes) -> bool:
    crc = google_crc32c.value(data)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return masked == struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


def _messages(message: memoryview, number: int) -> Iterator[memoryview]:
    """The bytes of each length-delimited field with this number: a message, a string or packed values."""
    for field_number, wire_type, value in _fields(message):
        if field_number == number and wire_type == _DELIMITED:
            yield value


def _last(message: memoryview, number: int) -> memoryview:
    """The last such field, which is the one that counts; one that is absent is empty."""
    *_, value = (memoryview(b""), *_messages(message, number))
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Number, wire type and encoded value of each field of a message."""
    at = count = 0
    while at < len(message):
        count += 1
        if count > _MOST_FIELDS:
            raise DataError(f"a message of more than {_MOST_FIELDS} fields")
        key, at = _varint(message, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == _DELIMITED:
            size, at = _varint(message, at)
        elif wire_type == _VARINT:
            size = _varint(message, at)[1] - at
        elif wire_type in _FIXED_BYTES:
            size = _FIXED_BYTES[wire_type]
        else:
            raise DataError(f"no protobuf message: field {number} has the wire type {wire_type}")
        if size > len(message) - at or number == 0:
            raise DataError(f"no protobuf message: field {number} has {size} bytes and {len(message) - at} are left")
        yield number, wire_type, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The varint that begins at this byte, and where it ends."""
    value = 0
    for place, byte in enumerate(message[at : at + _VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise DataError("no protobuf message: a varint does not end")
