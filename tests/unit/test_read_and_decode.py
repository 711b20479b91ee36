"""The time of threads that read, divided: waiting for storage, and what is done with what was read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from apps.cosmoflow.input.batches import Batches, Choice
from apps.cosmoflow.input.loader import Loader
from apps.cosmoflow.input.prefetch import Shape
from apps.cosmoflow.input.sample_order import Order
from apps.cosmoflow.input.timers import Spent
from augment.data.reading import direct_io, wait_clock
from augment.data.reading.sample_reader import SampleReader
from augment.data.storage.data_set import UniverseSet
from augment.data.volumes.views import View
from saih.emulate import Settings, storage
from tests.conftest import ROOT
from tests.sets import random_set
from tests.unit.test_emulate import throttles

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]

BATCHES = 8
CPU = torch.device("cpu")


def spent(universes: UniverseSet, direct: bool = False, threads: int = 2, view: Choice | None = None) -> Spent:
    """What reading some batches of two took, in all threads."""
    reader = SampleReader(universes, direct)
    order = Order(np.arange(universes.samples), 2, 0, 1, seed=1)
    shape = Shape(2, universes.header.sample_shape)
    batches = Batches(reader.read, order, universes.labels, shape, threads, CPU, view)
    loader = Loader(batches, threads, batches.depth, reader.close)
    with loader.reading():
        for _ in range(BATCHES):
            loader.next()
    found = loader.collect().spent
    assert loader.collect().spent == Spent()
    loader.close()
    return found


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> dict[str | None, UniverseSet]:
    """The same samples of 1 MB, as they are and compressed; just written, so that the page cache holds them."""
    folders = {kind: tmp_path_factory.mktemp(str(kind)) for kind in (None, "gzip")}
    return {kind: random_set(folder, 2, 4, edge=50, compression=kind) for kind, folder in folders.items()}


def test_compressed_samples_take_longer_to_decode_than_to_read_from_the_page_cache(sets) -> None:
    packed, plain = spent(sets["gzip"]), spent(sets[None])
    assert packed.decode_s > 3 * packed.read_s > 0
    assert packed.decode_s > 3 * plain.decode_s > 0


def test_views_are_decoding(sets) -> None:
    turned = spent(sets[None], view=lambda sample, epoch: View(7, (1, 2, 3)))
    assert turned.decode_s > 2 * spent(sets[None]).decode_s


def test_a_thread_counts_its_own_waiting_and_no_other_time(sets, monkeypatch) -> None:
    """As on a slow device: each read sleeps, in whichever thread."""
    reads, real = [], os.preadv

    def slow(*words: object) -> int:
        reads.append(threading.get_native_id())
        time.sleep(0.02)
        return real(*words)

    monkeypatch.setattr(direct_io.os, "preadv", slow)
    found = spent(sets[None])
    assert found.read_s >= 0.02 * len(reads) > 0
    assert len(set(reads)) == 2  # threads, whose times are summed
    assert found.decode_s < found.read_s
    before = wait_clock.read_s()
    time.sleep(0.01)
    assert wait_clock.read_s() == before


def as_reader(folder: Path) -> None:
    found = spent(UniverseSet(folder), direct=True)
    print(json.dumps(vars(found)))


@throttles
def test_throttled_storage_takes_longer_to_read_and_no_longer_to_decode() -> None:
    """The kernel lets 20 MB/s through; two threads wait for 8 batches of 2 MB at the least."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))  # pytest's own folder may lie in memory
    try:
        universes = random_set(folder, 2, 4, edge=50)
        os.sync()
        storage.require_disks(20.0, [str(folder)])
        words = [sys.executable, "-m", "tests.unit.test_read_and_decode", str(folder)]
        fast, slow = vars(spent(universes, direct=True)), run(Settings(storage_mb_s=20.0).wrapper() + words)
    finally:
        shutil.rmtree(folder)
    assert slow["read_s"] > 0.8 * BATCHES * 2 * universes.sample_bytes / 20e6
    assert slow["read_s"] > 2 * fast["read_s"]
    assert slow["read_s"] > 2 * slow["decode_s"]


def run(words: list[str]) -> dict[str, float]:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    as_reader(Path(sys.argv[1]))
