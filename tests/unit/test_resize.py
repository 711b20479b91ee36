"""Coarsening against the same particles on a coarser mesh; refining against what it promises, by its statistics."""

import itertools

import numpy as np
import pytest

from augment.data.universe.cosmology import Cosmology
from augment.data.universe.lpt import displacements, initial_modes
from augment.data.universe.simulate import simulate
from augment.data.volumes.resize import coarsen, refine_for_load
from augment.data.volumes.spectrum import cross_correlation, power
from augment.errors import DataError


def random_counts(edge, mean=2.0, channels=2, seed=0):
    return np.random.default_rng(seed).poisson(mean, (edge, edge, edge, channels)).astype(np.int16)


@pytest.fixture(scope="module")
def pair():
    """One universe at two edges, and the coarser one refined to the finer."""
    coarse, fine = (simulate(Cosmology(), edge, 64.0, (0.5,), seed=3) for edge in (32, 64))
    return coarse, fine, refine_for_load(coarse, 2, periodic=True)


@pytest.mark.parametrize("factor", [1, 2, 3, 6])
def test_each_coarse_voxel_is_a_sum(factor):
    counts = random_counts(6)
    coarse = coarsen(counts, factor)
    assert coarse.dtype == np.int16
    assert coarse.shape == (6 // factor,) * 3 + (2,)
    for x, y, z in itertools.product(range(6 // factor), repeat=3):
        block = [slice(factor * i, factor * (i + 1)) for i in (x, y, z)]
        assert coarse[x, y, z].tolist() == counts[tuple(block)].sum(axis=(0, 1, 2)).tolist()
    assert coarse.sum() == counts.sum()


def test_coarsening_twice_is_coarsening_once():
    counts = random_counts(12)
    assert np.array_equal(coarsen(coarsen(counts, 2), 3), coarsen(counts, 6))


def test_coarse_counts_are_those_of_the_same_particles():
    edge, box_mpc_h = 12, 30.0
    psi1, psi2 = displacements(initial_modes(Cosmology(), edge, box_mpc_h, seed=7), box_mpc_h)
    growth, second = Cosmology().growth(0.5), Cosmology().second_growth(0.5)
    centres = (np.arange(edge) + 0.5) * box_mpc_h / edge
    start = np.stack(np.meshgrid(centres, centres, centres, indexing="ij"))
    positions = ((start + growth * psi1.numpy() + second * psi2.numpy()) % box_mpc_h).reshape(3, -1).T
    histogram, _ = np.histogramdd(positions, bins=edge // 3, range=[(0, box_mpc_h)] * 3)
    counts = coarsen(simulate(Cosmology(), edge, box_mpc_h, (0.5,), seed=7, steps=0), 3)[..., 0]
    assert np.abs(counts - histogram).sum() <= 2  # one particle on a border may round to the other side


def test_floats_are_summed_as_floats():
    field = np.full((4, 4, 4, 1), 0.25, np.float32)
    coarse = coarsen(field, 2)
    assert coarse.dtype == np.float32
    assert (coarse == 2).all()


def test_a_sum_beyond_int16():
    counts = np.zeros((4, 4, 4, 1), np.int16)
    counts[0, 0, :2] = [[32767 - 20000], [20000]]
    assert coarsen(counts, 2).max() == 32767
    counts[1, 1, 1] = 1
    with pytest.raises(DataError, match="32768 particles: int16 counts end at 32767"):
        coarsen(counts, 2)


@pytest.mark.parametrize("factor", [0, -2, 1.5, True])
def test_factors_are_whole(factor):
    for call in (coarsen, lambda counts, factor: refine_for_load(counts, factor, periodic=True)):
        with pytest.raises(DataError, match="must be an integer of at least 1"):
            call(random_counts(6), factor)


def test_the_factor_divides_the_edge():
    with pytest.raises(DataError, match="factor = 4: must divide the edge, 6"):
        coarsen(random_counts(6), 4)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_coarsening_undoes_refining(factor, periodic):
    counts = random_counts(6)
    fine = refine_for_load(counts, factor, periodic=periodic)
    assert fine.dtype == np.int16
    assert fine.shape == (6 * factor,) * 3 + (2,)
    assert fine.min() >= 0
    assert np.array_equal(coarsen(fine, factor), counts)


def test_refining_is_repeatable_chance():
    counts = random_counts(6)
    first, again, other = (refine_for_load(counts, 2, periodic=True, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("periodic", [True, False])
def test_children_follow_the_interpolated_counts(periodic):
    # Counts that vary along one axis: of a parent c with neighbours a and b, the halves draw from 3c + a and 3c + b.
    for axis in range(3):
        line = np.array([4000, 1000, 6000, 2000])
        counts = np.moveaxis(np.broadcast_to(line[:, None, None, None], (4, 4, 4, 1)), 0, axis).astype(np.int16)
        fine = refine_for_load(counts, 2, periodic=periodic)
        halves = np.moveaxis(fine, axis, 0).sum(axis=(1, 2, 3), dtype=np.int64).reshape(4, 2)
        near = np.pad(line, 1, mode="wrap" if periodic else "edge")
        left, right = 3 * line + near[:-2], 3 * line + near[2:]
        total, share = 16 * line, left / (left + right)
        assert (np.abs(halves[:, 0] - total * share) < 5 * np.sqrt(total * share * (1 - share))).all()


def test_equal_counts_split_evenly_at_random():
    # Multinomial with 27 equal children: mean c/27, variance c p (1 - p); 64 parents give 1728 children.
    children = refine_for_load(np.full((4, 4, 4, 1), 2700, np.int16), 3, periodic=False).astype(float)
    assert children.mean() == 100
    assert children.var() == pytest.approx(2700 / 27 * 26 / 27, rel=5 * np.sqrt(2 / 1728))


def test_what_cannot_be_refined():
    negative = random_counts(4)
    negative[1, 2, 3] = -1
    for counts in (negative, random_counts(4).astype(np.float32)):
        with pytest.raises(DataError, match="must be integers of at least 0"):
            refine_for_load(counts, 2, periodic=True)


def test_refined_keeps_long_waves_and_loses_short_ones(pair):
    _, fine, refined = pair
    shells = [0.5, 2.5, 16, 24, 32]
    shared = cross_correlation(refined, fine, shells)[:, 0]
    assert shared[0] > 0.99
    assert abs(shared[-1]) < 0.05
    ratio = (power(refined, 64.0, shells).power / power(fine, 64.0, shells).power)[:, 0]
    assert ratio[0] == pytest.approx(1, abs=0.03)
    # Below the voxels it was made of there is only shot noise: 8 (Mpc/h)^3 for 32^3 particles in 64 Mpc/h.
    assert power(refined, 64.0, shells, window=False).power[-1, 0] == pytest.approx(8, rel=0.25)


def test_a_coarsened_universe_is_the_simulated_one_on_large_scales(pair):
    coarse, fine, _ = pair
    assert cross_correlation(coarsen(fine, 2), coarse, [0.5, 2.5])[0, 0] > 0.99
