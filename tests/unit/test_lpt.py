"""Initial fields against the linear power they were drawn from; 2LPT's displacements against analytic waves."""

import itertools
import math

import numpy as np
import pytest
import torch

from augment.data.universe.cosmology import Cosmology
from augment.data.universe.fourier import wave_indices
from augment.data.universe.lpt import displacements, initial_modes
from augment.data.universe.noise import white_modes
from augment.data.universe.simulate import initial_density

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
