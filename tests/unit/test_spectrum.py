"""Spectra in closed form: plane waves, Parseval, shot noise, and the window of counting in voxels."""

import math

import numpy as np
import pytest

from augment.data.volumes.spectrum import cross_correlation, power
from augment.errors import DataError

BOX = 50.0


def wave(edge, n, amplitude=0.3, phase=0.4):
    """1 + a plane wave of n waves a box, (edge, edge, edge, 1): an overdensity as counts of mean 1."""
    x, y, z = np.meshgrid(*[2 * math.pi * np.arange(edge) / edge] * 3, indexing="ij")
    return (1 + amplitude * np.cos(n[0] * x + n[1] * y + n[2] * z + phase))[..., None]


@pytest.mark.parametrize("edge", [16, 15])
@pytest.mark.parametrize("n", [(1, 0, 0), (0, -3, 0), (0, 0, 2), (1, 2, -3), (-2, 4, 0)])
def test_one_plane_wave(edge, n):
    # |delta_k| = a / 2 at n and at -n: one independent wave of its shell's m has V a^2 / 4.
    found = power(wave(edge, n), BOX, window=False)
    expected = np.zeros(edge // 2 if edge % 2 else edge // 2 - 1)
    shell = round(math.sqrt(sum(i * i for i in n))) - 1
    expected[shell] = BOX**3 * 0.3**2 / 4 / found.modes[shell]
    np.testing.assert_allclose(found.power[:, 0], expected, atol=1e-10)


@pytest.mark.parametrize("edge", [16, 15])
def test_shells_count_independent_waves(edge):
    found = power(wave(edge, (1, 0, 0)), BOX)
    assert found.modes[:3].tolist() == [9, 31, 49]
    whole = range(-edge, edge + 1)
    lengths = np.array([math.sqrt(x * x + y * y + z * z) for x in whole for y in whole for z in whole])
    for shell, (modes, k) in enumerate(zip(found.modes, found.k_h_mpc, strict=True)):
        inside = lengths[(lengths >= shell + 0.5) & (lengths < shell + 1.5)]
        assert modes == len(inside) / 2
        assert k == pytest.approx(2 * math.pi / BOX * inside.mean())


def test_parseval():
    # Waves within the Nyquist sphere only: the sum of P / V over all of them (k and -k) is the variance.
    edge = 16
    modes = np.fft.fftn(np.random.default_rng(1).normal(size=(edge, edge, edge, 2)), axes=(0, 1, 2))
    n = np.meshgrid(*[np.fft.fftfreq(edge, 1 / edge)] * 3, indexing="ij")
    modes[sum(i**2 for i in n) >= 7.5**2] = 0
    counts = 0.01 * np.fft.ifftn(modes, axes=(0, 1, 2)).real
    counts += 1 - counts.mean(axis=(0, 1, 2))
    found = power(counts, BOX, window=False)
    np.testing.assert_allclose(2 * found.modes @ found.power / BOX**3, counts.var(axis=(0, 1, 2)), rtol=1e-12)


def test_random_particles_have_shot_noise():
    edge = 32
    counts = np.random.default_rng(2).poisson((3.0, 0.2), (edge, edge, edge, 2)).astype(np.int16)
    found = power(counts, BOX, window=False)
    relative = found.power * counts.sum(axis=(0, 1, 2)) / BOX**3
    assert (np.abs(relative - 1) < 4 / np.sqrt(found.modes)[:, None]).all()
    mean = found.modes @ relative / found.modes.sum()
    assert (np.abs(mean - 1) < 4 / math.sqrt(found.modes.sum())).all()


@pytest.mark.parametrize(("waves", "lost"), [(8, 0.19), (4, 0.05)])
def test_window_of_a_wave_counted_in_voxels(waves, lost):
    # The wave averaged over each voxel, by its integral. 8 waves on 32 voxels: half the Nyquist frequency.
    edge, amplitude = 32, 0.3
    borders = 2 * math.pi * waves * np.arange(edge + 1) / edge
    averaged = amplitude * np.diff(np.sin(borders)) / np.diff(borders)
    counts = 1 + np.broadcast_to(averaged[None, :, None, None], (edge, edge, edge, 1))
    shells = [waves - 0.25, waves + 0.25]
    raw, restored = (power(counts, BOX, shells, window=window) for window in (False, True))
    true = BOX**3 * amplitude**2 / 4 / raw.modes[0]
    assert np.array_equal(power(counts, BOX, shells).power, restored.power)  # the default
    assert restored.power[0, 0] == pytest.approx(true, rel=1e-10)
    assert raw.power[0, 0] == pytest.approx(true * np.sinc(waves / edge) ** 2, rel=1e-10)
    assert 1 - raw.power[0, 0] / true == pytest.approx(lost, abs=0.005)


def test_window_off_the_axes_is_a_product():
    n, edge = (1, 2, 3), 12
    one, restored = (power(wave(edge, n), BOX, window=window).power.max() for window in (False, True))
    product = np.prod([math.sin(math.pi * i / edge) / (math.pi * i / edge) for i in n])
    assert one / restored == pytest.approx(product**2, rel=1e-10)


def test_power_does_not_depend_on_the_mean_and_scales_with_the_volume():
    counts = wave(8, (1, 1, 0))
    once, thrice = power(counts, BOX), power(3 * counts, 2 * BOX)
    np.testing.assert_allclose(thrice.power, 8 * once.power, atol=1e-10)
    np.testing.assert_allclose(thrice.k_h_mpc, once.k_h_mpc / 2)


def test_correlation_of_waves_is_the_cosine_of_their_phases():
    # Of all constant factors only the sign is seen; strangers share nothing; empty shells have no correlation.
    here = wave(16, (1, 2, 0), phase=0.1)
    for phase, amplitude in ((0.1, 0.01), (1.0, 0.2), (0.1 + math.pi, 0.3)):
        there = wave(16, (1, 2, 0), amplitude, phase)
        assert cross_correlation(here, there, [2, 2.5])[0, 0] == pytest.approx(math.cos(phase - 0.1), abs=1e-12)
    assert cross_correlation(here, wave(16, (2, 1, 0)), [2, 2.5])[0, 0] == pytest.approx(0, abs=1e-12)
    assert np.isnan(cross_correlation(np.ones((8, 8, 8, 2)), np.ones((8, 8, 8, 2)))).all()


def test_correlation_of_noisy_copies():
    # b = a + independent noise of the same power: r = 1 / sqrt(2); channel by channel.
    rng = np.random.default_rng(3)
    a, noise = 1 + 0.01 * rng.normal(size=(2, 24, 24, 24, 2))
    found = cross_correlation(a, a + [0, 1] * (noise - 1), [4, 8, 12])
    assert found.shape == (2, 2)
    np.testing.assert_allclose(found[:, 0], 1, rtol=1e-12)
    np.testing.assert_allclose(found[:, 1], math.sqrt(0.5), atol=0.06)


@pytest.mark.parametrize(
    ("shells", "message"),
    [([1], "two or more"), ([0, 2], "above 0"), ([1, 5], "up to 4"), ([1, 3, 2], "ascend"), ([1.1, 1.2], "no wave")],
)
def test_shells_that_cannot_be(shells, message):
    with pytest.raises(DataError, match=message):
        power(wave(8, (1, 0, 0)), BOX, shells)


def test_volumes_that_have_no_power():
    with pytest.raises(DataError, match="needs a mean above 0"):
        power(np.zeros((4, 4, 4, 1)), BOX)
    with pytest.raises(DataError, match="must be above 0"):
        power(np.ones((4, 4, 4, 1)), 0.0)
    with pytest.raises(DataError, match="must have one shape"):
        cross_correlation(np.ones((4, 4, 4, 1)), np.ones((4, 4, 4, 2)))
