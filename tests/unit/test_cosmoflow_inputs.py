"""Every `run.input`: the samples are right, and the record's figures say where they came from."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from apps.cosmoflow import APP, training
from apps.cosmoflow.dials import INPUTS
from apps.cosmoflow.input.batches import Batches, Shape
from apps.cosmoflow.input.dataset import open_set, training_files, training_samples
from apps.cosmoflow.input.kept_batches import Held
from apps.cosmoflow.input.loader import Loader
from apps.cosmoflow.input.sample_order import Order
from apps.cosmoflow.input.sources import Source, automatic_threads, hold, open_source, staging_folder
from augment.data.host import fetched_bytes, page_cache
from augment.data.reading.sample_reader import SampleReader
from augment.data.storage.data_set import UniverseSet
from augment.data.volumes.views import choose, seen
from saih.app import InputError, Point
from tests.sets import random_set
from tests.unit.test_cosmoflow_training import Alone
from tests.unit.test_cosmoflow_training import point as training_point

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]

CPU = torch.device("cpu")
FILES = [name for name in INPUTS if name not in ("memory", "synthetic")]
SEED = Alone.seed


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("inputs")
    random_set(path / "set", universes=9, samples=2)
    random_set(path / "boxes", universes=9, samples=1)
    return path


def point(folder: Path, name: str = "set", data: dict[str, Any] | None = None, **changes: Any) -> Point:
    given = {"path": str(folder / name), "staging": {"folder": str(folder / "staged")}, **(data or {})}
    return training_point(data=given, **changes)


@pytest.fixture
def opened():
    """Opens sources and closes them at the end."""
    sources: list[Source] = []

    def open_(wanted: Point, context: Alone | None = None) -> Source:
        APP.validate(wanted)
        sources.append(open_source(context or Alone(), wanted, CPU))
        return sources[-1]

    yield open_
    for source in sources:
        source.batches.close()


def taken(source: Source, steps: int) -> list[tuple[np.ndarray, np.ndarray]]:
    with source.batches.reading():
        batches = (source.batches.next() for _ in range(steps))
        return [(batch.counts.numpy().copy(), batch.labels.numpy().copy()) for batch in batches]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("name", FILES)
def test_batches_hold_the_samples_of_their_step(opened, folder, name: str, threads: int) -> None:
    """Of two ranks this is the second; validation samples never come."""
    wanted = point(folder, input=name, batch=3, data={"threads": threads})
    universes = open_set(wanted)
    truth = hold(universes, range(universes.samples), 1)
    order = Order(training_samples(universes), 3, 1, 2, SEED)
    context = Alone()
    context.rank, context.size = 1, 2
    source = opened(wanted, _first_of_its_host(context))
    for step, (counts, labels) in enumerate(taken(source, 12)):
        np.testing.assert_array_equal(counts, truth[order.indices(step)])
        np.testing.assert_array_equal(labels, universes.labels[order.indices(step)])
        assert not {2, 3} & set(order.indices(step))  # universe 1 validates


def _first_of_its_host(context: Alone) -> Alone:
    """The other rank is on another host, so that this one does what is done once a host."""
    context.gather = lambda value: [f"not {value}", value] if isinstance(value, str) else [None, value]
    return context


def test_in_memory_a_rank_has_a_share_of_its_own_and_reads_no_file_any_more(opened, tmp_path) -> None:
    universes = random_set(tmp_path / "set", universes=9, samples=2)
    truth, wanted = hold(universes, range(universes.samples), 1), point(tmp_path, input="memory", batch=2)
    seen_by: list[set[int]] = []
    sources = []
    for rank in range(2):
        context = Alone()
        context.rank, context.size = rank, 2
        context.gather = lambda value: [value, value]
        sources.append(opened(wanted, context))
    for path in universes.files:
        path.unlink()
    for source in sources:
        counts = np.concatenate([counts for counts, _ in taken(source, 8)])
        found = [int(np.flatnonzero((truth == one).all(axis=(1, 2, 3, 4)))[0]) for one in counts]
        assert sorted(found[:8]) == sorted(found[8:])  # two epochs of its share
        seen_by.append(set(found))
    assert not seen_by[0] & seen_by[1]
    assert seen_by[0] | seen_by[1] == set(map(int, training_samples(universes)))
    assert set(sources[0].evidence.look().values) == {"data_to_memory_ratio"}


def on_disk(universes: UniverseSet) -> bool:
    page_cache.drop(universes.files)
    return page_cache.resident_fraction(universes.files) == 0


@pytest.mark.parametrize("name", FILES)
def test_the_figures_say_where_samples_came_from(opened, folder, name: str) -> None:
    wanted = point(folder, input=name)
    universes = open_set(wanted)
    if not on_disk(universes):
        pytest.skip("files cannot be taken out of the page cache here")
    source = opened(wanted)
    cached = {"cold": 0.0, "warm": 100.0}.get(name.partition("-")[2])
    if cached is not None:
        assert source.evidence.look().values["page_cache_percent"] == cached
    taken(source, 20)
    seen = source.evidence.look()
    found = seen.values
    assert set(found) == {spec.name for spec in APP.metrics}
    size = sum(path.stat().st_size for path in training_files(universes))
    assert found["data_to_memory_ratio"] == pytest.approx(size / fetched_bytes.memory_bytes())
    assert found["direct_read_percent"] == (100 if cached == 0 else 0)
    if cached is not None:
        assert found["from_storage_percent"] == 100 - cached
        assert (seen.storage_bytes > 0) == (cached == 0)
    if name == "dataset":  # out of the page cache at first, and then in it: every file has come from storage once
        assert 0 < found["from_storage_percent"] < 100
        assert seen.storage_bytes > 0
    again = source.evidence.look().storage_bytes
    assert again == 0  # since the last look


def test_a_run_hands_the_figures_on_and_counts_what_was_read_from_files(folder) -> None:
    for name, read_bytes in (("dataset-cold", 2 * 2 * 8**3 * 8), ("memory", 0), ("synthetic", 0)):
        work = training.build(Alone(), point(folder, input=name))
        ran = work.run(2).finished()
        assert ran.read_bytes == read_bytes
        assert (ran.storage_bytes != 0) == (name == "dataset-cold")
        assert set(ran.values) <= {spec.name for spec in APP.metrics}
        assert all(np.isfinite(value) for value in ran.values.values())
        lacking = work.without("input")
        assert (lacking is None) == (name == "synthetic")
        if lacking:
            assert lacking.run(2).finished().read_bytes == 0
            assert lacking.run(1).finished().values == {}
        work.close()


def test_views_are_those_of_seed_epoch_and_sample(opened, folder) -> None:
    wanted = point(folder, "boxes", {"views": ["symmetries", "shifts"], "threads": 3}, batch=3)
    universes = open_set(wanted)
    truth = torch.from_numpy(hold(universes, range(universes.samples), 1))
    order, kinds = Order(training_samples(universes), 3, 0, 1, SEED), ("symmetries", "shifts")
    changed = 0
    for step, (counts, _) in enumerate(taken(opened(wanted), 8)):
        for one, sample, epoch in zip(counts, order.indices(step), order.epochs(step), strict=True):
            view = choose(kinds, SEED, int(epoch), int(sample), 8)
            np.testing.assert_array_equal(one, seen(truth[sample], view).numpy())
            changed += not np.array_equal(one, truth[sample])
    assert changed > 20


def test_cut_cubes_are_not_shifted(folder) -> None:
    with pytest.raises(InputError, match=r"^data.views = shifts: .*set holds cubes cut from universes"):
        open_set(point(folder, data={"views": ["shifts"]}))


@pytest.mark.parametrize("name", ["memory", "dataset-warm", "staged-warm"])
def test_what_does_not_fit_into_memory_is_refused(folder, monkeypatch, name: str) -> None:
    monkeypatch.setattr(fetched_bytes, "free_memory_bytes", lambda: 1000)
    with pytest.raises(InputError, match=rf"^run.input = {name}: .* needs .* of memory and .* has 1e-06 GB free"):
        open_source(Alone(), point(folder, input=name), CPU)


def test_the_staging_folder_may_name_variables(folder, monkeypatch) -> None:
    wanted = point(folder, data={"staging": {"folder": "$FAST_DISK/sets"}})
    monkeypatch.setenv("FAST_DISK", "/fast")
    assert staging_folder(wanted) == Path("/fast/sets")
    monkeypatch.delenv("FAST_DISK")
    with pytest.raises(InputError, match=r"^data.staging.folder = \$FAST_DISK/sets: a variable in it is not set on"):
        staging_folder(wanted)


def test_a_problem_on_one_host_ends_all_ranks(folder) -> None:
    """This rank has no trouble; that of another host has."""
    context = Alone()
    context.size = 2
    context.gather = lambda value: [value, "elsewhere" if isinstance(value, str) else "/fast: is full"]
    with pytest.raises(InputError, match=r"^/fast: is full$"):
        open_source(context, point(folder, input="dataset-cold"), CPU)


@pytest.mark.parametrize("name", ["dataset", "dataset-cold", "staged", "memory"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_damage_while_training_is_one_line_that_names_file_and_sample(tmp_path, damage: str, name: str) -> None:
    """Memory and a copy do not notice: they hold what was right."""
    universes = random_set(tmp_path / "set", universes=4, samples=1)
    work = training.build(Alone(), point(tmp_path, input=name, batch=1))
    work.run(1)
    for file in (universes.files[i] for i in (0, 2, 3)):
        if damage == "flip":
            content = bytearray(file.read_bytes())
            content[universes.offset[0] + 100] ^= 4
            file.write_bytes(content)
        elif damage == "truncate":
            os.truncate(file, 5000)
        else:
            file.unlink()
    if name in ("staged", "memory"):
        assert work.run(20).samples == 20
        assert work.check() is None
    else:
        with pytest.raises(InputError, match=r"universe-0000\d.h5: sample \d \(universe \d\): ") as caught:
            _run_for_seconds(work)
        assert "\n" not in str(caught.value)
    work.close()


def _run_for_seconds(work: training.Training) -> None:
    """A removed file is looked for once a second."""
    for _ in range(300):
        work.run(1)
        time.sleep(0.01)


def test_automatic_threads_are_the_ranks_cores_within_bounds() -> None:
    assert 4 <= automatic_threads() <= 8
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert automatic_threads() == 4
    finally:
        os.sched_setaffinity(0, before)


def test_a_batch_is_divided_and_read_ahead_as_its_size_asks() -> None:
    small, large = Shape(64, (8, 8, 8, 4)), Shape(4, (128, 128, 128, 4))
    assert (small.parts, large.parts) == (1, 4)
    assert [large.depth(threads) for threads in (1, 4, 8)] == [2, 2, 3]
    assert small.depth(8) == 9
    assert Shape(2, (512, 512, 512, 4)).depth(8) == 4  # 8 GiB, not more


def test_no_wait_for_input_while_files_deliver(tmp_path) -> None:
    """Real reads of 2 MB samples, each far faster than the step: after the first batch the step hardly waits."""
    universes = random_set(tmp_path / "set", universes=4, samples=4, edge=64)
    reader, order = SampleReader(universes), Order(np.arange(universes.samples), 4, 0, 1, seed=1)
    batches = Batches(reader.read, order, universes.labels, Shape(4, universes.header.sample_shape), 2, CPU)
    loader = Loader(batches, 2, batches.depth, reader.close)
    step_s, steps = 0.06, 20
    with loader.reading():
        loader.next()
        loader.collect()
        for _ in range(steps):
            time.sleep(step_s)  # as a step on a device: the host is free
            loader.next()
    waited_s = loader.collect().waited.input_wait_s
    loader.close()
    assert waited_s < 0.1 * steps * step_s


def test_buffers_are_given_out_again_only_when_their_batch_is_done_with(folder) -> None:
    """A step that takes its time reads the batch at its end; meanwhile all threads are far ahead."""
    universes = open_set(point(folder))
    truth = hold(universes, range(universes.samples), 1)
    reader, order = SampleReader(universes), Order(np.arange(universes.samples), 2, 0, 1, seed=1)
    batches = Batches(reader.read, order, universes.labels, Shape(2, universes.header.sample_shape), 6, CPU)
    loader = Loader(batches, 6, batches.depth, reader.close)
    with loader.reading():
        for step in range(40):
            batch = loader.next()
            time.sleep(0.003)
            np.testing.assert_array_equal(batch.counts.numpy(), truth[order.indices(step)])
    loader.close()


def test_held_is_a_batch_of_its_own(folder) -> None:
    work = training.build(Alone(), point(folder))
    lacking = work.without("input")
    assert isinstance(lacking._parts.source, Held)
    before = lacking._parts.source.next().counts.clone()
    work.run(20)
    assert torch.equal(lacking._parts.source.next().counts, before)
    work.close()
