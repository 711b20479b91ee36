"""Published files, built here byte by byte: read as they are, and distrusted as soon as one bit is wrong.

The writer below shares nothing with the reader: its CRC-32C goes bit by bit, its messages are put together by hand.
"""

import gzip
import os
import resource
import struct
import time
import zlib
from itertools import product

import h5py
import numpy as np
import pytest

from augment.data.foreign.published import read, read_hdf5, read_tfrecord, universe_number
from augment.data.foreign.tfrecord import Source, byte_strings, features, floats, records
from augment.errors import DataError

LABELS = np.array([0.25, -0.5, 1.0, -1.0], np.float32)


def crc32c(data):
    """Castagnoli's polynomial, reflected, one bit at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) % 2**32 + 0xA282EAD8) % 2**32)


def framed(data):
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def varint(value):
    low, rest = value % 128, value // 128
    return bytes([low + 128]) + varint(rest) if rest else bytes([low])


def message(number, content):
    return varint(8 * number + 2) + varint(len(content)) + content


def entry(name, feature):
    return message(1, message(1, name) + message(2, feature))


def bytes_feature(*values):
    return message(1, b"".join(message(1, value) for value in values))


def floats_feature(values):
    return message(2, message(1, np.asarray(values, "<f4").tobytes()))


def example(x, y):
    return message(1, entry(b"x", x) + entry(b"y", y))


def counts_of(edge, seed=0):
    return np.random.default_rng(seed).poisson(1.0, (edge, edge, edge, 4)).astype("<i2")


def cosmoflow(counts, labels=LABELS):
    return example(bytes_feature(counts.tobytes()), floats_feature(labels))


def written(folder, content, name="univ_ics_2019-03_a10000668_012.tfrecord"):
    path = folder / name
    path.write_bytes(content)
    return path


def refused(path, message, edge=1, where=": record 0: "):
    with pytest.raises(DataError, match=message) as caught:
        list(read(path, edge))
    assert str(caught.value).startswith(f"{path}{where}")
    assert "\n" not in str(caught.value)


def test_the_reference_checksum_is_the_standard_one():
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_record_is_one_sample(tmp_path, pack):
    path = written(tmp_path, pack(framed(cosmoflow(counts_of(8)))))
    (sample,) = read(path, 8)
    np.testing.assert_array_equal(sample.counts, counts_of(8))
    np.testing.assert_array_equal(sample.labels, LABELS)
    assert (sample.counts.dtype, sample.labels.dtype) == (np.int16, np.float32)
    assert sample.counts.flags.aligned
    assert sample.counts.flags.writeable
    assert (sample.universe, sample.source) == (10000668, f"{path}: record 0")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_may_hold_several(tmp_path, pack):
    content = b"".join(framed(cosmoflow(counts_of(3, seed), LABELS * seed)) for seed in range(3))
    samples = list(read(written(tmp_path, pack(content)), 3))
    assert [sample.source[-8:] for sample in samples] == ["record 0", "record 1", "record 2"]
    for seed, sample in enumerate(samples):
        np.testing.assert_array_equal(sample.counts, counts_of(3, seed))
        np.testing.assert_array_equal(sample.labels, LABELS * seed)


def test_a_plain_record_as_long_as_gzips_mark_is_plain(tmp_path):
    data = bytes(0x8B1F)
    assert framed(data).startswith(b"\x1f\x8b")
    with Source(written(tmp_path, framed(data))) as source:
        assert list(records(source)) == [(12, data)]
        assert source.crc32c() == crc32c(framed(data))


def test_members_of_gzip_follow_one_another(tmp_path):
    content = framed(cosmoflow(counts_of(2)))
    path = written(tmp_path, gzip.compress(content[:30]) + gzip.compress(content[30:]))
    np.testing.assert_array_equal(next(read(path, 2)).counts, counts_of(2))


def test_every_flipped_bit_is_found(tmp_path):
    content = framed(cosmoflow(counts_of(1)))
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        refused(written(tmp_path, flipped), "checksum|cut off")


def test_a_flipped_bit_in_gzip_is_found_or_harmless(tmp_path):
    # Harmless are the date in gzip's header, the bits that fill up the last byte, and a copy of the same bytes
    # from another place.
    content, harmless = gzip.compress(framed(cosmoflow(counts_of(1))), mtime=0), 0
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            (sample,) = read(written(tmp_path, flipped), 1)
        except DataError:
            continue
        harmless += 1
        np.testing.assert_array_equal(sample.counts, counts_of(1))
    assert harmless < len(content)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_every_truncation_is_found(tmp_path, pack):
    content = pack(framed(cosmoflow(counts_of(1))))
    refused(written(tmp_path, b""), "empty: holds no record", where="")
    for size in range(1, len(content)):
        with pytest.raises(DataError, match=r"record \d: .*(cut off|checksum)"):
            list(read(written(tmp_path, content[:size]), 1))


def test_damage_names_its_record(tmp_path):
    content = bytearray(framed(cosmoflow(counts_of(2))) * 3)
    content[-10] ^= 1
    samples = read(written(tmp_path, content), 2)
    assert next(samples).source.endswith("record 0")
    assert next(samples).source.endswith("record 1")
    with pytest.raises(DataError, match="record 2: its data do not match their checksum"):
        next(samples)


def test_what_is_no_tfrecord_is_refused(tmp_path):
    refused(written(tmp_path, b"not a record of any kind"), "damaged, or no TFRecord file")
    refused(written(tmp_path, b"\x1f\x8b\x08 nor a gzip file"), "cannot be read, damaged or cut off")
    refused(written(tmp_path, gzip.compress(b"nor this inside of one")), "damaged, or no TFRecord file")
    content = gzip.compress(framed(cosmoflow(counts_of(1))))
    refused(written(tmp_path, content + b"and more"), "Not a gzipped file", where=": record 1: ")
    length = struct.pack("<Q", 2**40)
    refused(written(tmp_path, length + masked(length)), "1099511627776 bytes long: must be at most 65544")
    refused(tmp_path / "none.tfrecord", "no such file", where="")
    refused(tmp_path, "is no regular file", where="")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    length = struct.pack("<Q", 2**30)
    bomb = gzip.compress(length + masked(length) + bytes(2**26))
    refused(written(tmp_path, bomb), "1073741824 bytes long: must be at most")


def test_a_record_of_countless_fields_is_refused_at_once(tmp_path):
    tiny = message(1, b"") * 2**20
    begun_s = time.monotonic()
    refused(written(tmp_path, framed_fast(tiny)), "bytes long: must be at most", edge=1)
    with pytest.raises(DataError, match="a message of more than 32 fields"):
        features(tiny)
    assert time.monotonic() - begun_s < 5


def framed_fast(data):
    """As `framed`, with a quick checksum: of a megabyte the slow one takes a minute."""
    import google_crc32c

    def mask(content):
        crc = google_crc32c.value(content)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(data))
    return length + mask(length) + data + mask(data)


@pytest.mark.parametrize("name", ["x.tfrecord", "x.hdf5"])
def test_a_pipe_and_a_device_are_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    refused(tmp_path / name, "is no regular file", where="")
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    refused(tmp_path / name, "is no regular file", where="")


@pytest.mark.parametrize("width", [32768, 2**21])
def test_a_universe_that_claims_what_its_file_cannot_hold(tmp_path, width):
    path = tmp_path / "claims.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("full", (width, width, width, 4), "<i2", chunks=(2, 2, 2, 4))
        file["unitPar"] = LABELS
    refused(path, "and the file holds 0 of it", edge=2, where=": ")


def test_labels_of_any_size_are_refused_unread(tmp_path):
    path = tmp_path / "labels.hdf5"
    with h5py.File(path, "w") as file:
        file["full"] = np.zeros((2, 2, 2, 4), "<i2")
        file.create_dataset("unitPar", (2**34,), "<f4", chunks=(1024,))
    refused(path, "'unitPar' is float32 .*: must be 4 floats", edge=2, where=": ")


def chunk_of_zeros(file, name, chunk, values):
    """An array in one packed chunk that is larger than the array: some KB that HDF5 unpacks to ``chunk``."""
    space = h5py.h5s.create_simple(values.shape, (h5py.h5s.UNLIMITED,) * values.ndim)
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk(chunk)
    plan.set_deflate(9)
    found = h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(values.dtype), space, plan)
    packer, size = zlib.compressobj(9), int(np.prod(chunk)) * values.itemsize
    packed = packer.compress(values.tobytes())
    for _ in range(0, size, 2**24):
        packed += packer.compress(bytes(2**24))
    found.write_direct_chunk((0,) * values.ndim, packed + packer.flush())


@pytest.mark.parametrize("claims", ["its chunk", "nothing of what it unpacks to"])
def test_labels_that_unpack_to_a_gigabyte_are_refused_before_that(tmp_path, claims):
    path = tmp_path / "bomb.hdf5"
    with h5py.File(path, "w") as file:
        file["full"] = np.zeros((2, 2, 2, 4), "<i2")
        if claims == "its chunk":
            chunk_of_zeros(file, "unitPar", (2**27,), LABELS)
        else:
            labels = file.create_dataset("unitPar", (4,), "<f4", chunks=(4,), compression="gzip")
            labels.id.write_direct_chunk((0,), zlib.compress(bytes(2**27), 9))
    assert path.stat().st_size < 2**20
    before = peak_kib()
    refused(path, "'unitPar' (has chunks|is .* bytes packed)", edge=2, where=": ")
    assert peak_kib() - before < 2**16


def test_a_universe_in_a_chunk_of_a_gigabyte_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.hdf5"
    with h5py.File(path, "w") as file:
        chunk_of_zeros(file, "full", (512, 512, 256, 4), np.zeros((2, 2, 2, 4), "<i2"))
        file["unitPar"] = LABELS
    before = peak_kib()
    refused(path, "'full' has chunks of .*: must be at most 65536 bytes each", edge=2, where=": ")
    assert peak_kib() - before < 2**16


def test_small_labels_may_be_packed(tmp_path):
    path = tmp_path / "packed.hdf5"
    with h5py.File(path, "w") as file:
        file["full"] = counts_of(2)
        file.create_dataset("unitPar", data=LABELS, chunks=(4,), maxshape=(None,), compression="gzip")
    (sample,) = read(path, 2)
    np.testing.assert_array_equal(sample.labels, LABELS)


def peak_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


X, Y = bytes_feature(counts_of(1).tobytes()), floats_feature(LABELS)


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        (message(1, entry(b"y", Y)), "the feature 'x' is missing"),
        (message(1, entry(b"x", X)), "the feature 'y' is missing"),
        (b"", "the feature 'x' is missing"),
        (example(bytes_feature(bytes(7)), Y), r"byte strings of \[7\] bytes: must be one of 8, int16 \(1, 1, 1, 4\)"),
        (example(bytes_feature(bytes(9)), Y), r"\[9\] bytes"),
        (example(bytes_feature(bytes(8), bytes(8)), Y), r"\[8, 8\] bytes"),
        (example(bytes_feature(), Y), r"of \[\] bytes"),
        (example(Y, Y), r"of \[\] bytes"),
        (example(b"", Y), r"of \[\] bytes"),
        (example(bytes_feature(np.int16([1, -1, 0, 0]).tobytes()), Y), "a voxel holds -1 particles"),
        (example(X, floats_feature(LABELS[:3])), r"'y' is float32 \(3,\): must be 4 floats"),
        (example(X, X), r"'y' is float32 \(0,\)"),
        (example(X, floats_feature([0, 0, np.nan, 0])), "must be finite numbers"),
        (example(X, floats_feature([0, 0, 0, np.inf])), "must be finite numbers"),
        (example(X, message(2, message(1, bytes(15)))), "a list of floats is not whole"),
        (b"\x0a\x05abc", "field 1 has 5 bytes and 3 are left"),
        (b"\x0b", "field 1 has the wire type 3"),
        (b"\x0d\x00\x00", "field 1 has 4 bytes and 2 are left"),
        (b"\x02\x00", "field 0"),
        (b"\x0a", "a varint does not end"),
        (b"\x80" * 11, "a varint does not end"),
    ],
)
def test_a_whole_record_of_wrong_content_is_refused(tmp_path, record, complaint):
    refused(written(tmp_path, framed(record)), complaint)


def test_whatever_bytes_a_record_holds_only_data_errors_come_of_it(tmp_path):
    record = cosmoflow(counts_of(1))
    random = np.random.default_rng(1)
    broken = [record[:size] for size in range(len(record))]
    for bit in range(8 * len(record)):
        flipped = bytearray(record)
        flipped[bit // 8] ^= 1 << bit % 8
        broken.append(bytes(flipped))
    broken += [random.bytes(int(random.integers(1, 60))) for _ in range(500)]
    for data in broken:
        try:
            found = features(data)
            for feature in found.values():
                byte_strings(feature), floats(feature)
        except DataError:
            continue


def test_messages_are_read_as_protobuf_allows():
    unpacked = message(2, b"".join(b"\x0d" + struct.pack("<f", value) for value in LABELS))
    unknown = b"\x78\xac\x02" + b"\x79" + bytes(8) + b"\x7d" + bytes(4) + message(15, b"later versions")
    swapped = message(1, message(2, unpacked) + unknown + message(1, b"y"))
    found = features(message(1, entry(b"y", X)) + unknown + message(1, swapped + entry(b"", b"")))
    assert sorted(found) == ["", "y"]
    np.testing.assert_array_equal(floats(found["y"]), LABELS)
    assert byte_strings(found["y"]) == []


def test_the_name_tells_the_universe():
    assert universe_number("train/univ_ics_2019-03_a10000668_012.tfrecord") == 10000668
    assert universe_number("21688988/univ_ics_2019-03_a10177483.hdf5") == 10177483
    assert universe_number("validation/sample_000.tfrecord") is None


def universe(path, full, labels=LABELS, **options):
    with h5py.File(path, "w") as file:
        if full is not None:
            file.create_dataset("full", data=full, **options)
        if labels is not None:
            file["unitPar"] = labels
    return path


@pytest.mark.parametrize("options", [{}, {"chunks": (4, 8, 8, 1), "compression": "gzip"}], ids=["plain", "chunked"])
def test_a_universe_is_cut_into_cubes(tmp_path, options):
    full = counts_of(8)
    path = universe(tmp_path / "univ_ics_2019-03_a10177483.hdf5", full, LABELS.astype(np.float64), **options)
    samples = list(read(path, 4))
    assert len(samples) == 8
    for number, (x, y, z) in enumerate(product((0, 4), repeat=3)):
        np.testing.assert_array_equal(samples[number].counts, full[x : x + 4, y : y + 4, z : z + 4])
        np.testing.assert_array_equal(samples[number].labels, LABELS)
        assert samples[number].labels.dtype == np.float32
        assert (samples[number].universe, samples[number].source) == (10177483, f"{path}: cube {number}")
    (whole,) = read(path, 8)
    np.testing.assert_array_equal(whole.counts, full)


def test_only_the_cube_at_hand_is_read(tmp_path, monkeypatch):
    path, read_shapes = universe(tmp_path / "universe.hdf5", counts_of(8)), []
    original = h5py.Dataset.__getitem__

    def watched(self, where):
        found = original(self, where)
        read_shapes.append(np.shape(found))
        return found

    monkeypatch.setattr(h5py.Dataset, "__getitem__", watched)
    samples = read_hdf5(path, 2)
    next(samples)
    next(samples)
    assert read_shapes == [(4,), (2, 2, 2, 4), (2, 2, 2, 4)]
    samples.close()


@pytest.mark.parametrize(
    ("full", "labels", "complaint"),
    [
        (None, LABELS, "the array 'full' is missing"),
        (counts_of(4), None, "the array 'unitPar' is missing"),
        (counts_of(4)[:, :2], LABELS, r"'full' is int16 \(4, 2, 4, 4\): must be int16 \(width, width, width, 4\)"),
        (counts_of(4)[..., :3], LABELS, r"int16 \(4, 4, 4, 3\)"),
        (counts_of(4)[..., 0], LABELS, r"int16 \(4, 4, 4\)"),
        (counts_of(4).astype(np.float32), LABELS, "'full' is float32"),
        (counts_of(3), LABELS, "'full' is 3 voxels wide: must be a multiple of edge = 2"),
        (counts_of(0), LABELS, "'full' is 0 voxels wide"),
        (counts_of(4), LABELS[:2], r"'unitPar' is float32 \(2,\): must be 4 floats"),
        (counts_of(4), [1, 2, 3, 4], "'unitPar' is int64"),
        (counts_of(4), "text", "'unitPar' is "),
        (counts_of(4), [0.0, np.nan, 0.0, 0.0], "must be finite"),
        (counts_of(4), [0.0, 1e300, 0.0, 0.0], "must be finite"),
        (h5py.Empty("<i2"), LABELS, r"'full' is int16 \(\)"),
    ],
)
def test_a_wrong_universe_is_refused(tmp_path, full, labels, complaint):
    refused(universe(tmp_path / "universe.h5", full, labels), complaint, edge=2, where=": ")


def test_a_damaged_universe_is_refused(tmp_path):
    full = counts_of(4)
    full[3, 0, 0, 2] = -7
    refused(universe(tmp_path / "negative.h5", full), "holds -7 particles", edge=2, where=": cube 4: ")
    path = universe(tmp_path / "whole.h5", counts_of(4), chunks=(2, 2, 2, 4), fletcher32=True)
    with h5py.File(path) as file:
        at = file["full"].id.get_chunk_info(5).byte_offset
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    refused(written(tmp_path, content, "flipped.h5"), "filter returned failure", edge=2, where=": cube 5: ")
    refused(written(tmp_path, content[:100], "cut.h5"), "not a readable HDF5 file", edge=2, where=": ")
    refused(tmp_path / "none.h5", "no such file", edge=2, where=": ")


@pytest.mark.parametrize("edge", [0, -1, 2.0, True, "2"])
@pytest.mark.parametrize("reader", [read_hdf5, read_tfrecord])
def test_the_edge_must_be_an_edge(tmp_path, reader, edge):
    with pytest.raises(DataError, match=r"edge = .*: must be an integer of at least 1"):
        next(reader(tmp_path / "any", edge))


def nested(depth, width=32):
    """A message of messages, each of so many."""
    message = b""
    for _ in range(depth):
        body = b"\x0a" + varint(len(message)) + message
        message = body * width
    return message


def test_messages_within_messages_take_no_time_worth_mentioning():
    """32 in each of 32 in each of 32; with 256 it was half a minute."""
    started = time.process_time()
    with pytest.raises(DataError, match="more than 32 fields"):
        features(nested(3, 33))
    features(nested(3))
    assert time.process_time() - started < 5
