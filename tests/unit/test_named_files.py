"""Folders, patterns and lists wherever published files are taken, as many as there are."""

import os
import time

import numpy as np
import pytest

from augment.data.foreign.convert import Link
from augment.data.foreign.named import files
from augment.data.foreign.survey import Sources
from augment.data.making.build import build
from augment.data.reading.sample_reader import SampleReader
from augment.data.storage.data_set import UniverseSet
from augment.errors import DataError
from tests.unit.test_published import cosmoflow, counts_of, framed

pytestmark = pytest.mark.slow


@pytest.fixture
def train(tmp_path, monkeypatch):
    """train/0.tfrecord ... train/4.tfrecord, beside what is no published file."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "train"
    folder.mkdir()
    for n in (3, 1, 0, 4, 2):
        (folder / f"{n}.tfrecord").write_bytes(framed(cosmoflow(counts_of(2, n), np.float32([n / 8, 0, 0, 0]))))
    (folder / "README.md").touch()
    (folder / ".hidden.tfrecord").touch()
    (folder / "_SUCCESS").touch()
    return folder


def names(words):
    return [path.name for path in files(words)[0]]


ALL = [f"{n}.tfrecord" for n in range(5)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train"], ALL),
        (["train/"], ALL),
        (["train/*.tfrecord"], ALL),
        (["train/[13].tfrecord", "train/0.tfrecord"], ["1.tfrecord", "3.tfrecord", "0.tfrecord"]),
        (["**/*.tfrecord"], ALL),
        (["tra*"], ALL),
        (["files.txt"], ["4.tfrecord", "0.tfrecord"]),
        (["@anything"], ["4.tfrecord", "0.tfrecord"]),
        (["mixed.list", "train/3.tfrecord"], ["1.tfrecord", "0.tfrecord", "2.tfrecord", "3.tfrecord"]),
    ],
)
def test_a_word_may_mean_many_files(train, words, expected):
    (train.parent / "files.txt").write_text("# the first\n\ntrain/4.tfrecord\r\n  train/0.tfrecord  \n")
    (train.parent / "anything").write_text("train/4.tfrecord\ntrain/0.tfrecord")
    (train.parent / "mixed.list").write_text("train/1.tfrecord\ntrain/[02].tfrecord\n")
    assert names(words) == expected


def test_a_name_that_looks_like_a_pattern_is_itself_where_it_exists(train):
    (train / "[a].tfrecord").write_bytes(b"x")
    assert names(["train/[a].tfrecord"]) == ["[a].tfrecord"]


def test_sizes_come_with_the_files(train):
    paths, sizes = files(["train"])
    assert sizes == [path.stat().st_size for path in paths]
    assert all(path.is_absolute() for path in paths)
    sources = Sources.of(["train"], 2)
    for path in paths:
        path.unlink()
    assert sources.fingerprint() == sources.fingerprint()  # nothing is asked for again


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["none.tfrecord"], r"^none\.tfrecord: no such file"),
        (["train/*.hdf5"], r"train/\*\.hdf5: matches no file"),
        (["empty"], r"^empty: holds no published file \(\*\.tfrecord, \*\.hdf5, \*\.h5\)$"),
        (["outer"], r"^outer: holds no published file .*; it holds train, validation$"),
        (["train", "train/1.tfrecord"], r"train/1\.tfrecord: given twice"),
        (["train/1.tfrecord", "./train/../train/1.tfrecord"], "given twice"),
        (["train/1.tfrecord", "link.tfrecord"], "link.tfrecord: given twice"),
        (["pipe.tfrecord"], r"pipe\.tfrecord: is no regular file"),
        (["lists.txt"], r"lists\.txt: gone\.tfrecord: no such file"),
        (["@none"], "^none: no such file"),
        (["void.txt"], "void.txt: lists no file"),
        (["@train/1.tfrecord"], "is no list of files"),
        (["a\0b"], "cannot be read"),
    ],
)
def test_what_means_no_file_is_named(train, words, says):
    for name in ("empty", "outer/train", "outer/validation"):
        (train.parent / name).mkdir(parents=True)
    (train.parent / "link.tfrecord").symlink_to("train/1.tfrecord")
    os.mkfifo(train.parent / "pipe.tfrecord")
    (train.parent / "lists.txt").write_text("train/0.tfrecord\ngone.tfrecord\n")
    (train.parent / "void.txt").write_text("# nothing\n")
    with pytest.raises(DataError, match=says) as raised:
        files(words)
    assert "\n" not in str(raised.value)


def test_hard_links_are_two_files(train):
    os.link(train / "1.tfrecord", train / "9.tfrecord")
    assert names(["train"])[-1] == "9.tfrecord"


def test_a_folder_a_pattern_and_a_list_make_the_same_set_on_the_command_line(saih):
    folder = saih.folder / "train"
    folder.mkdir()
    for n in range(4):
        (folder / f"{n}.tfrecord").write_bytes(framed(cosmoflow(counts_of(2, n), np.float32([n / 4, 0, 0, 0]))))
    (saih.folder / "all.txt").write_text("".join(f"train/{n}.tfrecord\n" for n in range(4)))
    digests = set()
    for number, word in enumerate(("train", "train/*.tfrecord", "all.txt", "@all.txt")):
        saih("augment", "data", "link", word, "--edge", "2", "--out", f"set{number}", "--verify")
        digests.add(UniverseSet(saih.folder / f"set{number}").digest)
    saih("augment", "data", "convert", "train", "--edge", "2", "--out", "ours")
    assert len(digests) == 1
    assert (
        saih("augment", "data", "link", "validation", "--out", "x", status=2).stderr
        == "saih: validation: no such file\n"
    )


def test_time_grows_with_the_files_and_not_with_their_square(tmp_path):
    """4,000 files may take 4 times as long as 1,000, and some noise; 16 times would be their square."""
    body = [framed(cosmoflow(counts_of(1, n), np.float32([n / 8, 0, 0, 0]))) for n in range(8)]
    folder = tmp_path / "many"
    folder.mkdir()
    took_s = {}
    for count in (1000, 4000):
        for n in range(count):
            (folder / f"{n:04d}.tfrecord").write_bytes(body[n % 8])
        begin_s = time.process_time()
        found = build(Link(tmp_path / f"linked{count}", Sources.of([folder], 1)))
        took_s[count] = time.process_time() - begin_s
        assert found.samples == count
    assert took_s[4000] < 9 * took_s[1000]


def test_opening_without_asking_finds_a_changed_file_when_it_is_read(train):
    found = build(Link(train.parent / "linked", Sources.of(["train"], 2)))
    (train / "2.tfrecord").unlink()
    with pytest.raises(DataError, match=r"2\.tfrecord: no such file"):
        UniverseSet(found.path)
    reader = SampleReader(UniverseSet(found.path, asks_files=False))
    out = np.empty((2, 2, 2, 4), np.int16)
    reader.read(1, out)
    with pytest.raises(DataError, match=r"2\.tfrecord: sample 2 .*: the file is gone"):
        reader.read(2, out)
    reader.close()
