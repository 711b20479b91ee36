"""A whole universe: counts against what must hold, large scales against linear growth.

Growth is measured against the universe's own initial field, mode by mode: the lowest shells of a small box
hold a few dozen modes, and scatter by 20 % around any theory.
"""

import math

import numpy as np
import pytest
import torch

from augment.data.universe.cosmology import Cosmology
from augment.data.universe.fourier import wave_indices
from augment.data.universe.lpt import displacements, initial_modes
from augment.data.universe.simulate import initial_density, simulate

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("edge", [16, 15])
def test_mean_count_is_one(edge):
    counts = simulate(Cosmology(), edge, 40.0)
    assert counts.shape == (edge, edge, edge, 4)
    assert counts.dtype == np.int16
    assert (counts.sum(axis=(0, 1, 2), dtype=np.int64) == edge**3).all()
    assert counts.min() == 0
    assert counts.max() > 1


def test_without_steps_counts_are_those_of_2lpt():
    universe, edge, box_mpc_h, redshift = Cosmology(0.33), 12, 30.0, 0.5
    psi1, psi2 = displacements(initial_modes(universe, edge, box_mpc_h, seed=7), box_mpc_h)
    centres = (np.arange(edge) + 0.5) * box_mpc_h / edge
    start = np.stack(np.meshgrid(centres, centres, centres, indexing="ij"))
    moved = universe.growth(redshift) * psi1.numpy() + universe.second_growth(redshift) * psi2.numpy()
    positions = ((start + moved) % box_mpc_h).reshape(3, -1).T
    histogram, _ = np.histogramdd(positions, bins=edge, range=[(0, box_mpc_h)] * 3)
    counts = simulate(universe, edge, box_mpc_h, (redshift,), seed=7, steps=0)[..., 0]
    assert np.abs(counts - histogram).sum() <= 2  # one particle on a border may round to the other side


def test_what_lies_before_the_start_is_2lpt_whatever_the_steps():
    early = simulate(Cosmology(), 16, 40.0, (9.0, 20.0, 0.0))[..., :2]
    assert np.array_equal(early, simulate(Cosmology(), 16, 40.0, (9.0, 20.0), steps=0))


def test_channels_last_needs_no_copy():
    view = torch.from_numpy(simulate(Cosmology(), 8, 20.0)[None]).permute(0, 4, 1, 2, 3)
    assert view.is_contiguous(memory_format=torch.channels_last_3d)


def test_same_seed_same_bytes():
    first, again, other = (simulate(Cosmology(), 16, 40.0, seed=seed) for seed in (5, 5, 6))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


@pytest.mark.parametrize("edge", [12, 24])
def test_threads_change_no_byte(edge):
    threads, found = torch.get_num_threads(), []
    try:
        for each in (1, 2, 3):
            torch.set_num_threads(each)
            found.append(simulate(Cosmology(), edge, 40.0).tobytes())
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1] == found[2]


def test_redshifts_come_in_any_order():
    forth, back = (simulate(Cosmology(), 16, 40.0, redshifts=z) for z in ((0.0, 0.5, 3.0), (3.0, 0.5, 0.0)))
    assert np.array_equal(forth, back[..., ::-1])


def test_redshifts_are_moments_of_one_universe():
    # Alone, z = 0.5 is reached by other steps: the same structures, a few particles on other sides of borders.
    alone = simulate(Cosmology(), 32, 64.0, redshifts=(0.5,))[..., 0]
    among = simulate(Cosmology(), 32, 64.0)[..., 1]
    assert np.corrcoef(alone.ravel(), among.ravel())[0, 1] > 0.97
    assert not np.array_equal(alone, among)


def test_progress_counts_steps():
    told = []
    simulate(Cosmology(), 8, 20.0, (0.0, 0.5, 12.0), steps=5, progress=lambda *now: told.append(now))
    assert told == [(step, 7) for step in range(1, 8)]  # 2LPT's z = 12, then 4 steps to z = 0.5 and 2 to today


def response(universe, edge, box_mpc_h, redshifts, seed=3):
    """Counts over initial density on the longest waves: their cross power over the initial power."""
    initial = np.fft.rfftn(initial_density(universe, edge, box_mpc_h, seed))
    index = np.sqrt(sum(n.square() for n in wave_indices(edge)).numpy())
    longest = (index > 0) & (index < 2.5)
    counts = simulate(universe, edge, box_mpc_h, redshifts, seed)
    modes = np.fft.rfftn(counts.astype(np.float64), axes=(0, 1, 2))[longest]
    initial = initial[longest, None]
    return (modes * initial.conj()).real.sum(axis=0) / (np.abs(initial) ** 2).sum()


def test_large_scales_grow_as_linear_theory():
    universe, redshifts = Cosmology(), (0.0, 0.5, 1.5, 3.0)
    ratio = response(universe, 96, 256.0, redshifts) / [universe.growth(z) for z in redshifts]
    # Displacements of the waves' own size take correlation away, the more the later: 4 % today, 1 % at z = 3.
    assert (np.abs(ratio - 1) < [0.06, 0.04, 0.025, 0.015]).all(), ratio


def test_large_scales_respond_linearly_at_redshift_3():
    # Twice the initial density displaces twice as far: relative to its own initial field nothing changes.
    weak, strong = (response(Cosmology(sigma8=s), 64, 64.0, (3.0,))[0] for s in (0.4, 0.8))
    assert strong == pytest.approx(weak, rel=0.04)
    assert weak == pytest.approx(Cosmology().growth(3.0), rel=0.04)


def test_coarse_voxels_hide_small_displacements():
    # docs/physics.md's formula: a Gaussian displacement of rms s voxels is counted with this weight.
    universe, edge, box_mpc_h, redshift = Cosmology(), 32, 192.0, 3.0
    psi1, _ = displacements(initial_modes(universe, edge, box_mpc_h, seed=3), box_mpc_h)
    s = universe.growth(redshift) * float(psi1.std()) * edge / box_mpc_h
    gain = 1 + 2 * sum((-1) ** m * math.exp(-2 * (math.pi * m * s) ** 2) for m in range(1, 10))
    measured = response(universe, edge, box_mpc_h, (redshift,))[0] / universe.growth(redshift)
    assert gain < 0.8
    assert measured == pytest.approx(gain, abs=0.08)


def test_more_structure_with_larger_sigma8_and_later():
    variance = [simulate(Cosmology(sigma8=s), 32, 128.0).var(axis=(0, 1, 2)) for s in (0.72, 0.8, 0.88)]
    assert (np.diff(variance, axis=0) > 0.03).all(), variance  # the same phases
    assert (np.diff(variance, axis=1) < 0).all(), variance  # today is the first channel
