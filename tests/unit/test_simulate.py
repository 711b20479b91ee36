"""Displacements against analytic waves, counts against what must hold, large scales against linear growth.

Growth is measured against the universe's own initial field, mode by mode: the lowest shells of a small box
hold a few dozen modes, and scatter by 20 % around any theory.
"""

import itertools
import math

import numpy as np
import pytest
import torch

from augment.data.cosmology import Cosmology
from augment.data.counts import count_particles
from augment.data.lpt import displacements, initial_modes, wave_indices
from augment.data.noise import white_modes
from augment.data.simulate import initial_density, simulate
from augment.errors import DataError

BOX = 50.0


def phases(edge, *waves):
    """k.x on the grid for each wave (whole waves a box in x, y, z), and k in h/Mpc."""
    x = np.arange(edge) * 2 * math.pi / edge
    grid = np.meshgrid(x, x, x, indexing="ij")
    return [(sum(n * g for n, g in zip(w, grid, strict=True)), np.array(w) * 2 * math.pi / BOX) for w in waves]


def displaced_by(density):
    modes = torch.fft.rfftn(torch.from_numpy(density), norm="forward")
    return [psi.numpy() for psi in displacements(modes, BOX)]


def vectors(scalar, k):
    return k[:, None, None, None] * scalar


@pytest.mark.parametrize("wave", [(1, 0, 0), (0, 3, 0), (0, 0, 2), (1, 2, -3)])
@pytest.mark.parametrize("edge", [16, 15])
def test_plane_wave(edge, wave):
    ((phase, k),) = phases(edge, wave)
    psi1, psi2 = displaced_by(0.3 * np.cos(phase))
    np.testing.assert_allclose(psi1, vectors(-0.3 * np.sin(phase) / (k @ k), k), atol=1e-12)
    np.testing.assert_allclose(psi2, 0, atol=1e-12)


@pytest.mark.parametrize("waves", [((1, 0, 0), (0, 2, 0)), ((2, 0, 1), (0, 1, 3)), ((1, 2, 0), (1, 0, -1))])
def test_two_crossed_waves(waves):
    # laplace phi2 = A B (1 - mu^2) cos(k1.x) cos(k2.x), a sum of waves along k1 + k2 and k1 - k2.
    edge, a, b = 20, 0.3, 0.2
    (phase1, k1), (phase2, k2) = phases(edge, *waves)
    one_minus_mu2 = 1 - (k1 @ k2) ** 2 / ((k1 @ k1) * (k2 @ k2))
    expected = 0
    for sign in (1, -1):
        k = k1 + sign * k2
        expected = expected + vectors(a * b * one_minus_mu2 / 2 * np.sin(phase1 + sign * phase2) / (k @ k), k)
    _, psi2 = displaced_by(a * np.cos(phase1) + b * np.cos(phase2))
    np.testing.assert_allclose(psi2, expected, atol=1e-12)


def test_initial_field_has_the_linear_power():
    edge, box_mpc_h, universe = 48, 100.0, Cosmology()
    modes = initial_modes(universe, edge, box_mpc_h, seed=4).abs().square().numpy()
    index = np.sqrt(sum(n.square() for n in wave_indices(edge)).numpy())
    for low, high in (
        (2, 6),
        (6, 12),
        (12, 23),
    ):  # all inside the Nyquist planes, thousands of modes but the first
        shell = (index >= low) & (index < high)
        ratio = modes[shell] * box_mpc_h**3 / universe.linear_power(2 * math.pi / box_mpc_h * index[shell])
        assert ratio.mean() == pytest.approx(1, abs=5 / math.sqrt(shell.sum()))


def test_initial_density_is_real_space_of_the_modes():
    density = initial_density(Cosmology(), 16, 100.0, seed=4)
    assert density.dtype == np.float32
    modes = initial_modes(Cosmology(), 16, 100.0, seed=4).numpy()
    np.testing.assert_allclose(np.fft.rfftn(density, norm="forward"), modes, atol=1e-6)
    assert abs(density.mean()) < 1e-6


def test_a_finer_grid_has_the_same_large_scales():
    coarse, fine = (initial_modes(Cosmology(), edge, 100.0, seed=4) for edge in (16, 32))
    low = list(range(8)) + list(range(-7, 0))
    for x, y in itertools.product(low, low):
        assert torch.equal(coarse[x, y, :8], fine[x, y, :8])
    assert coarse[1:8, 1:8, 1:8].abs().min() > 0


def test_grids_draw_noise_of_their_own():
    # Odd grids have no coarser one below: the same stream would give both the same first numbers.
    small, large = (torch.fft.irfftn(white_modes(n, 4), s=(n, n, n), norm="ortho") for n in (5, 7))
    assert not torch.isclose(small[0, 0], large[0, 0, :5], atol=1e-3).all()


def test_nyquist_waves_are_left_out():
    modes = initial_modes(Cosmology(), 16, 100.0, seed=4)
    assert modes[8].abs().max() == modes[:, 8].abs().max() == modes[:, :, 8].abs().max() == 0
    # Two waves at half the Nyquist frequency have a second-order source on it, which must displace nothing.
    (first, _), (second, _) = phases(16, (4, 1, 0), (4, 0, 1))
    _, psi2 = displaced_by(np.cos(first) + np.cos(second))
    assert np.abs(np.fft.fftn(psi2, axes=(1, 2, 3))[:, 8]).max() < 1e-9 * np.abs(psi2).max()


def test_noise_is_white_at_every_scale():
    modes = white_modes(32, seed=9).abs().square()
    index = torch.stack([n.abs().expand(modes.shape) for n in wave_indices(32)]).amax(0)
    for low, high in ((1, 4), (4, 8), (8, 16)):  # each from another grid
        block = modes[(index >= low) & (index < high)]
        assert float(block.mean()) == pytest.approx(1, abs=5 / math.sqrt(len(block)))


def test_particles_at_rest_and_a_common_shift():
    assert (count_particles(torch.zeros(3, 5, 5, 5)) == 1).all()
    assert (count_particles(torch.full((3, 5, 5, 5), -7.3)) == 1).all()


def test_one_particle_moves_through_the_face_of_the_box():
    displacement = torch.zeros(3, 4, 4, 4)
    displacement[:, 3, 0, 2] = torch.tensor([0.6, -1.2, 0.4])
    counts = count_particles(displacement)
    expected = torch.ones(4, 4, 4, dtype=torch.int16)
    expected[3, 0, 2] = 0
    expected[0, 3, 2] = 2
    assert torch.equal(counts, expected)


def test_too_many_particles_for_int16():
    to_origin = -torch.stack(torch.meshgrid(*[torch.arange(33.0)] * 3, indexing="ij"))
    with pytest.raises(DataError, match="35937 particles: int16 counts end at 32767"):
        count_particles(to_origin)


@pytest.mark.parametrize("edge", [16, 15])
def test_mean_count_is_one(edge):
    counts = simulate(Cosmology(), edge, 40.0)
    assert counts.shape == (edge, edge, edge, 4)
    assert counts.dtype == np.int16
    assert (counts.sum(axis=(0, 1, 2), dtype=np.int64) == edge**3).all()
    assert counts.min() == 0
    assert counts.max() > 1


def test_counts_are_the_histogram_of_displaced_particles():
    universe, edge, box_mpc_h, redshift = Cosmology(0.33), 12, 30.0, 0.5
    psi1, psi2 = displacements(initial_modes(universe, edge, box_mpc_h, seed=7), box_mpc_h)
    centres = (np.arange(edge) + 0.5) * box_mpc_h / edge
    start = np.stack(np.meshgrid(centres, centres, centres, indexing="ij"))
    moved = universe.growth(redshift) * psi1.numpy() + universe.second_growth(redshift) * psi2.numpy()
    positions = ((start + moved) % box_mpc_h).reshape(3, -1).T
    histogram, _ = np.histogramdd(positions, bins=edge, range=[(0, box_mpc_h)] * 3)
    counts = simulate(universe, edge, box_mpc_h, (redshift,), seed=7)[..., 0]
    assert np.abs(counts - histogram).sum() <= 2  # one particle on a border may round to the other side


def test_channels_last_needs_no_copy():
    view = torch.from_numpy(simulate(Cosmology(), 8, 20.0)[None]).permute(0, 4, 1, 2, 3)
    assert view.is_contiguous(memory_format=torch.channels_last_3d)


def test_same_seed_same_bytes():
    first, again, other = (simulate(Cosmology(), 16, 40.0, seed=seed) for seed in (5, 5, 6))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_redshifts_share_one_initial_field():
    alone = simulate(Cosmology(), 16, 40.0, redshifts=(1.5,))
    assert np.array_equal(alone[..., 0], simulate(Cosmology(), 16, 40.0)[..., 2])


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
    # docs/data.md's formula: a Gaussian displacement of rms s voxels is counted with this weight.
    universe, edge, box_mpc_h, redshift = Cosmology(), 32, 192.0, 3.0
    psi1, _ = displacements(initial_modes(universe, edge, box_mpc_h, seed=3), box_mpc_h)
    s = universe.growth(redshift) * float(psi1.std()) * edge / box_mpc_h
    gain = 1 + 2 * sum((-1) ** m * math.exp(-2 * (math.pi * m * s) ** 2) for m in range(1, 10))
    measured = response(universe, edge, box_mpc_h, (redshift,))[0] / universe.growth(redshift)
    assert gain < 0.8
    assert measured == pytest.approx(gain, abs=0.08)


def test_more_structure_with_larger_sigma8():
    # Same phases. Today (the first channel) 2LPT saturates: particles stream through one another.
    variance = [simulate(Cosmology(sigma8=s), 32, 128.0).var(axis=(0, 1, 2)) for s in (0.72, 0.8, 0.88)]
    assert (np.diff(variance, axis=0)[:, 1:] > 0.03).all(), variance


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_devices_agree_up_to_rounding():
    cpu, gpu = (simulate(Cosmology(), 64, 128.0, device=device) for device in ("cpu", "cuda"))
    assert (cpu != gpu).mean() < 1e-4
    assert gpu.tobytes() == simulate(Cosmology(), 64, 128.0, device="cuda").tobytes()
