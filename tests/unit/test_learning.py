"""The studies of learning: what they train on, what they compare, and what they keep when they are cut off."""

import argparse
import json

import numpy as np
import pytest
import torch

from apps.cosmoflow.network.architecture import describe
from apps.cosmoflow.network.module import volumes_of
from augment.data.making.make import make
from augment.data.reading.sample_reader import SampleReader
from augment.data.recipe import Recipe
from augment.data.volumes.resize import coarsen
from augment.model.cost import training_flop
from benchmarks import grow_training, learning, omega_m, science_figures, science_per_cost
from benchmarks.learning_sets import Universes, coarsened, universes
from benchmarks.learning_study import Study, parser
from benchmarks.spending import Deadline, OutOfTime, spending

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]

RECIPE = Recipe(universes=16, edge=8, box_mpc_h=16.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return universes(RECIPE, tmp_path_factory.mktemp("sets") / "edge8", "cpu", 2, Deadline(None), "log")


def given(**changed):
    settings = {"batch": 4, "peak_lr": 0.01, "dropout": 0.0, "device": "cpu", "epochs": 2}
    return argparse.Namespace(**settings | changed)


def test_several_processes_make_what_one_makes(data, tmp_path):
    alone = make(RECIPE, tmp_path / "alone")
    reader = SampleReader(alone)
    counts = np.empty((alone.samples, *alone.header.sample_shape), np.int16)
    for sample in range(alone.samples):
        reader.read(sample, counts[sample])
    reader.close()
    assert (len(data.counts), len(data.unseen_counts)) == (14, 2)
    unseen = [list(map(bytes, counts)).index(bytes(each)) for each in data.unseen_counts.numpy()]
    assert torch.equal(data.unseen_labels, torch.from_numpy(alone.labels[unseen]))
    assert torch.equal(data.counts, torch.from_numpy(np.delete(counts, unseen, axis=0)))


def test_wider_voxels_hold_the_particles_of_those_they_replace(data):
    wide = data.at(4)
    assert np.array_equal(wide.counts[3].numpy(), coarsen(data.counts[3].numpy(), 2))
    assert wide.mean_count == 8
    assert wide.counts.double().mean() == 8


def test_too_many_particles_for_a_voxel_are_told():
    with pytest.raises(ValueError, match="int16"):
        coarsened(torch.full((1, 2, 2, 2, 1), 8000, dtype=torch.int16), 2)


def test_the_network_reads_what_it_reads_in_the_application(data):
    assert torch.equal(learning.channels_first(data.inputs), volumes_of(data.counts))


def test_standardised_inputs_have_mean_0_and_variance_1():
    counts = torch.from_numpy(np.random.default_rng(1).poisson((1, 9), (70, 4, 4, 4, 2)).astype(np.int16))
    labels = torch.zeros(70, 4)
    seen = Universes(counts[:66], labels[:66], counts[66:], labels[66:], standardised=True)
    assert seen.inputs.mean((0, 1, 2, 3)) == pytest.approx([0, 0], abs=1e-5)
    assert seen.inputs.var((0, 1, 2, 3), correction=0) == pytest.approx([1, 1], rel=1e-4)
    plain = Universes(counts[:66], labels[:66], counts[66:], labels[66:])
    scale, shift = np.polyfit(plain.inputs[..., 1].flatten(), seen.inputs[..., 1].flatten(), 1)
    assert torch.allclose(plain.unseen_inputs[..., 1] * scale + shift, seen.unseen_inputs[..., 1], atol=1e-5)


def test_symmetries_move_voxels_and_keep_their_redshifts_together(data):
    rng = np.random.default_rng(1)
    moved = learning.symmetric(data.counts, rng)
    assert not torch.equal(moved, data.counts)
    for before, after in zip(data.counts, moved, strict=True):
        assert sorted(before.reshape(-1, 4).tolist()) == sorted(after.reshape(-1, 4).tolist())


def test_the_rate_goes_up_in_a_line_and_down_to_a_thousandth():
    assert learning.learning_rate(2.0, 0.0) == pytest.approx(0.2)
    assert learning.learning_rate(2.0, learning.WARMUP) == pytest.approx(2.0, rel=2e-3)
    assert learning.learning_rate(2.0, 1.0) == pytest.approx(0.002)


def test_errors_are_means_by_label_and_the_constant_is_the_median():
    labels = torch.tensor([[0.0, 0.5, 1.0, -1.0], [0.2, 0.5, -1.0, -1.0], [0.9, 0.5, 0.0, -1.0]])
    seen = Universes(torch.zeros(3, 1), labels, torch.zeros(2, 1), labels[:2] + 1)
    assert learning.of_a_constant(seen) == {"omega_m": 0.9, "sigma8": 1.0, "ns": 1.0, "h0": 1.0}


def test_training_learns_and_the_same_seed_learns_the_same(data):
    def once():
        net = learning.network_of(describe(8, 0.125), 1, 0.0, "cpu")
        optimizer = learning.KerasSGD(net.parameters(), 0.01)
        return learning.train(net, optimizer, data, range(30), lambda epoch: 0.01, 4, seed=1)

    losses = once()
    assert losses[-1] < 0.7 * losses[0]
    assert losses == once()


def test_ways_are_equal_in_epochs_or_in_work():
    small, large = describe(16, 0.25), describe(16, 0.5)
    found = {way.name: way for way in grow_training.ways(small, {"0.5,1": large}, 10, [1, 0.25])}
    assert [found[name].epochs for name in ("small", "grown", "grown, rate x 0.25", "large")] == [10] * 4
    work = found["grown"].flop_a_sample
    assert work == 5 * training_flop(small) + 5 * training_flop(large)
    for name, network in (("small, equal FLOP", small), ("large, equal FLOP", large)):
        assert abs(found[name].flop_a_sample - work) <= training_flop(network) / 2


def test_after_growth_the_rate_may_be_lower(data, monkeypatch):
    way = grow_training.Way("grown", "", describe(8, 0.125), describe(8, 0.25), 4, rate_after=0.25)
    rates = []
    monkeypatch.setattr(learning.KerasSGD, "set_lr", lambda _, rate: rates.append(rate))
    grow_training.study(way, data, 1, given(), Deadline(None))
    steps = len(rates) // 4
    plain = [learning.learning_rate(0.01, step / len(rates)) for step in range(len(rates))]
    assert np.divide(rates, plain) == pytest.approx([1] * 2 * steps + [0.25] * 2 * steps)


@pytest.mark.parametrize("larger", [(0.25, 1), (0.125, 2)])
def test_growing_in_mid_training_keeps_what_was_learned(data, larger):
    way = grow_training.Way("grown", "", describe(8, 0.125), describe(8, *larger), 5)
    row = grow_training.study(way, data, 1, given(), Deadline(None))
    assert row["at_growth"]["most_a_prediction_changed"] < 1e-5
    assert row["flop"] == 12 * (2 * training_flop(way.first) + 3 * training_flop(way.second))
    assert len(row["loss_by_epoch"]) == len(row["mae_unseen_by_epoch"]["sigma8"]) == 5
    assert row["mae_unseen"]["sigma8"] == row["mae_unseen_by_epoch"]["sigma8"][-1]


def test_a_training_counts_its_work_and_says_why_joules_are_unknown(data):
    row = science_per_cost.study(data, 0.125, 1, given(), Deadline(None))
    assert row["flop"] == 2 * 12 * training_flop(describe(8, 0.125))
    assert (row["joules"], row["joules_why"]) == (None, "not measured on CPUs")
    assert row["mae_unseen"].keys() == {"omega_m", "sigma8", "ns", "h0"}


def test_seconds_are_counted_and_a_deadline_ends_work():
    with spending("cpu") as spent:
        Deadline(None).check()
    assert spent.figures()["seconds"] >= 0
    with pytest.raises(OutOfTime):
        Deadline(0).check()


def test_a_study_without_time_leaves_a_result_that_says_so(tmp_path, capsys):
    out = tmp_path / "result.json"
    words = ["--minutes", "0", "--universes", "2", "--simulated-edge", "8", "--processes", "1", "--out", str(out)]
    study = Study("nothing", parser("", epochs=1).parse_args(words))
    study.run(lambda study: study.keep({"universes": len(study.universes([8])[8].counts)}))
    result = json.loads(out.read_text())
    assert (result["ended"], result["trainings"]) == ("out of time", [])
    assert json.loads(capsys.readouterr().out) == result


def test_curves_are_drawn_by_the_work_they_took():
    large = training_flop(describe(16, 0.25))
    small = training_flop(describe(16, 0.125))
    row = {"way": "grown", "to": "0.25,1", "epochs": 3, "flop": 10 * (small + 2 * large)}
    found = science_figures.spent_tflop(row, {"edge": 16, "width": 0.125})
    assert np.array(found) * 1e11 == pytest.approx([small, small + large, small + 2 * large])


def test_log_moments_are_those_of_each_redshift(data):
    seen = omega_m.log_moments(data.inputs)[3, 2]
    density = np.log1p(data.counts[3, ..., 2].numpy().astype(float))
    assert seen == pytest.approx([density.mean(), density.var(), ((density - density.mean()) ** 3).mean()], rel=1e-4)


def test_parts_of_what_universes_show_give_errors_of_their_own(data):
    rows = omega_m.errors(data)
    assert [row["features"] for row in rows] == [12, 3, 3, 9, 12]  # 4 redshifts, 3 shells at edge 8
    assert len({str(row["mae_unseen"]) for row in rows}) == 5
