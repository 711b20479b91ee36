"""Samples come as they were written, by every codec and every way of reading; damage is told, whatever it is."""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google_crc32c
import h5py
import numpy as np
import pytest

from augment.data.reading import direct_io, sample_reader
from augment.data.reading.direct_io import Memory, read_into
from augment.data.reading.open_files import OpenFiles
from augment.data.reading.sample_reader import SampleReader, empty_batch
from augment.data.storage import crc32c
from augment.data.storage.data_set import UniverseSet
from augment.data.storage.manifest import HDF5_UNIVERSE, RAW, TFRECORD_GZIP, SetFile, write_set
from augment.errors import DataError
from tests.sets import counts_of, header, labels_of, random_set

UNIVERSES, SAMPLES = 3, 4


def everything(universes: UniverseSet, direct: bool = False) -> np.ndarray:
    found, opened = empty_batch(universes.samples, universes.header.sample_shape), SampleReader(universes, direct)
    for sample in range(universes.samples):
        opened.read(sample, found[sample])
    opened.close()
    return found


def expected(edge: int) -> np.ndarray:
    return np.stack([counts_of(universe, row, edge) for universe in range(UNIVERSES) for row in range(SAMPLES)])


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("edge", [5, 8, 24])  # a sample is 1000 bytes, one block, 27 blocks
def test_samples_come_as_they_were_written(tmp_path, edge: int, compression: str | None, direct: bool) -> None:
    universes = random_set(tmp_path, UNIVERSES, SAMPLES, edge, compression)
    np.testing.assert_array_equal(everything(universes, direct), expected(edge))


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("shift", [0, 1, 13, 4096])
def test_samples_at_any_place_into_memory_at_any_place(tmp_path, shift: int, direct: bool) -> None:
    """As plain TFRecords have them: no place is a multiple of anything."""
    edge, counts = 12, expected(12)
    (tmp_path / "a.tfrecord").write_bytes(bytes(shift) + counts.tobytes())
    universes = linked(tmp_path, RAW, [tmp_path / "a.tfrecord"], counts, shift + np.arange(12) * counts[0].nbytes)
    opened = SampleReader(universes, direct)
    memory = empty_batch(1, (counts[0].size + 8,))[0]
    for sample in (0, 11, 5):
        for begin in (0, 1, 8):
            out = memory[begin : begin + counts[0].size].reshape(edge, edge, edge, 4)
            opened.read(sample, out)
            np.testing.assert_array_equal(out, counts[sample])
    opened.close()


def linked(folder: Path, codec: str, files: list[Path], counts: np.ndarray, offsets: np.ndarray) -> UniverseSet:
    """A set of files that are not ours; samples are divided evenly among them."""
    each = len(counts) // len(files)
    listed = [SetFile(str(path), each, path.stat().st_size, "crc32c:00000000") for path in files]
    index = {
        "labels": np.stack([labels_of(1)] * len(counts)),
        "parameters": np.ones((len(counts), 4)),
        "universe": np.arange(len(counts)),
        "crc32c": [google_crc32c.value(one.tobytes()) for one in counts],
        "file": np.arange(len(counts)) // each,
        "offset": offsets,
        "stored_bytes": np.full(len(counts), counts[0].nbytes),
    }
    write_set(folder, header(len(counts), counts.shape[1]), codec, listed, index)
    return UniverseSet(folder)


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("members", [1, 3])
def test_a_gzip_file_is_unpacked_to_where_the_sample_is(tmp_path, members: int, direct: bool) -> None:
    counts = expected(8)[:2]
    content = bytes(57) + counts[0].tobytes() + b"between" + counts[1].tobytes() + bytes(20)
    parts = [content[i * len(content) // members : (i + 1) * len(content) // members] for i in range(members)]
    (tmp_path / "a").write_bytes(b"".join(map(gzip.compress, parts)))
    universes = linked(tmp_path, TFRECORD_GZIP, [tmp_path / "a"], counts, np.array([57, 64 + counts[0].nbytes]))
    np.testing.assert_array_equal(everything(universes, direct), counts)


def test_cubes_of_an_original_universe(tmp_path) -> None:
    full = counts_of(0, 0, 16)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["full"] = full
    cubes = [full[x : x + 8, y : y + 8, z : z + 8] for x in (0, 8) for y in (0, 8) for z in (0, 8)]
    universes = linked(tmp_path, HDF5_UNIVERSE, [tmp_path / "a.hdf5"], np.stack(cubes), np.arange(8))
    np.testing.assert_array_equal(everything(universes, direct=True), np.stack(cubes))


def test_bytes_are_counted_by_the_way_they_came(tmp_path) -> None:
    universes = random_set(tmp_path, 2, 2)
    for direct in (False, True):
        opened = SampleReader(universes, direct)
        opened.read(1, empty_batch(1, universes.header.sample_shape)[0])
        assert opened.bytes_read.all == universes.sample_bytes
        assert opened.bytes_read.direct in ((0, universes.sample_bytes) if direct else (0,))
        assert opened.threads == {threading.get_native_id()}
        opened.close()


def test_many_threads_share_a_reader_and_few_open_files(tmp_path, monkeypatch) -> None:
    universes = random_set(tmp_path, 12, 1)
    monkeypatch.setattr(sample_reader, "OpenFiles", lambda paths, direct: OpenFiles(paths, direct, most_open=2))
    opened, most = SampleReader(universes), []

    def read(n: int) -> bool:
        out = np.empty(universes.header.sample_shape, np.int16)
        opened.read(n % 12, out)
        most.append(len(opened._files._open))
        return np.array_equal(out, counts_of(n % 12, 0))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, np.random.default_rng(1).integers(0, 1000, 500)))
    assert max(most) <= 2 + 8  # those in use stay open
    assert len(opened._files._open) <= 2
    opened.close()
    assert not opened._files._open
    with pytest.raises(ValueError, match="closed"):
        read(0)


def broken(universes: UniverseSet, sample: int, direct: bool = False) -> str:
    opened = SampleReader(universes, direct)
    with pytest.raises(DataError) as caught:
        opened.read(sample, empty_batch(1, universes.header.sample_shape)[0])
    opened.close()
    message = str(caught.value)
    assert message.startswith(f"{universes.files[universes.file[sample]]}: sample {sample} (universe ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_any_flipped_bit_of_a_sample_is_found(tmp_path, compression: str | None, direct: bool) -> None:
    universes = random_set(tmp_path, 2, 2, compression=compression)
    path, random = universes.files[1], np.random.default_rng(1)
    original = path.read_bytes()
    for place in random.integers(0, 8 * universes.stored_bytes[3], 25):
        content = bytearray(original)
        content[universes.offset[3] + place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        opened = SampleReader(universes, direct)
        out = empty_batch(1, universes.header.sample_shape)[0]
        try:  # a bit of a zlib stream's header may mean nothing: then the sample is still right
            opened.read(3, out)
            assert compression
            np.testing.assert_array_equal(out, counts_of(1, 1))
        except DataError as error:
            assert f"{path}: sample 3 (universe 1): " in str(error)  # noqa: PT017
        opened.close()


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_file_cut_short(tmp_path, compression: str | None, direct: bool) -> None:
    universes = random_set(tmp_path, 2, 2, 24, compression=compression)
    os.truncate(universes.files[0], int(universes.offset[1]) + 5000)
    assert "the file ends at byte" in broken(universes, 1, direct)


def test_a_file_that_is_gone_or_replaced(tmp_path) -> None:
    universes = random_set(tmp_path, 3, 1)
    universes.files[0].unlink()
    assert broken(universes, 0).endswith("the file is gone")
    opened, out = SampleReader(universes), np.empty(universes.header.sample_shape, np.int16)
    opened.read(1, out)
    opened.read(2, out)
    shutil.copy(universes.files[1], tmp_path / "copy")
    (tmp_path / "copy").replace(universes.files[1])
    universes.files[2].unlink()
    for file in opened._files._open.values():
        file.looked_s -= 10
    for sample in (1, 2):
        with pytest.raises(DataError, match=rf"sample {sample} .*removed or replaced while it was in use"):
            opened.read(sample, out)
    opened.close()


def test_a_device_that_fails(tmp_path) -> None:
    """Linux answers EIO where a process reads its own memory at address 0."""
    universes = random_set(tmp_path, 2, 1)
    universes.files[0].unlink()
    universes.files[0].symlink_to("/proc/self/mem")
    universes.offset[0] = 0
    assert broken(universes, 0).endswith("cannot be read: Input/output error")


def test_a_file_system_without_direct_reads() -> None:
    files = OpenFiles([Path("/proc/version")], direct=True)
    memory = Memory(bytearray(8))
    with files.borrow(0) as file:
        assert not file.direct
        read_into(file, memory, 0, 5, 0)
    files.close()
    assert bytes(memory.bytes[:5]) == b"Linux"


def test_a_direct_read_that_is_refused_when_it_is_made_goes_through_the_cache(tmp_path, monkeypatch) -> None:
    """As on devices of larger blocks than ours: here the buffer lies where the system says EINVAL."""
    content = np.random.default_rng(1).bytes(3 * 4096)
    (tmp_path / "a").write_bytes(content)
    monkeypatch.setattr(direct_io, "BLOCK_BYTES", 1)
    files, memory = OpenFiles([tmp_path / "a"], direct=True), Memory(empty_batch(1, (4096,)))
    with files.borrow(0) as file:
        read_into(file, memory, 1, 4097, 1)
        assert not file.direct
    files.close()
    assert bytes(memory.bytes[1:4097]) == content[1:4097]


def test_an_array_that_does_not_fit(tmp_path) -> None:
    opened = SampleReader(random_set(tmp_path, 2, 1))
    with pytest.raises(ValueError, match="must be contiguous int16"):
        opened.read(0, np.empty((8, 8, 8, 3), np.int16))
    with pytest.raises(ValueError, match="must be contiguous int16"):
        opened.read(0, np.empty((4, 8, 8, 8), np.int16).transpose(1, 2, 3, 0))
    with pytest.raises(IndexError, match="no sample 2 among 2"):
        opened.read(2, np.empty((8, 8, 8, 4), np.int16))
    opened.close()


def test_the_checksum_is_the_standard_one_either_way() -> None:
    memory = Memory(bytearray(b"123456789"))
    for extend in (crc32c.extend, crc32c._by_copy):
        assert extend(0, memory.address, 9) == 0xE3069283
        assert extend(extend(0, memory.address, 4), memory.address + 4, 5) == 0xE3069283
