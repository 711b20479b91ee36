"""Copies of a box: where they lie, and that they hold no wave of their own."""

import numpy as np
import pytest

from augment.data.universe.cosmology import Cosmology
from augment.data.universe.simulate import simulate
from augment.data.volumes.spectrum import power
from augment.data.volumes.tile import tile
from augment.errors import DataError

BOX = 40.0


@pytest.fixture(scope="module")
def universe():
    return simulate(Cosmology(), 12, BOX, redshifts=(0.0, 1.5), seed=3)


@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_every_copy_is_the_box(universe, repeats):
    wide = tile(universe, repeats, periodic=True)
    assert wide.shape == (12 * repeats, 12 * repeats, 12 * repeats, 2)
    assert wide.dtype == np.int16
    index = np.arange(12 * repeats) % 12
    assert np.array_equal(wide, universe[np.ix_(index, index, index)])


def test_no_wave_but_the_boxs_own(universe):
    modes = np.fft.fftn(tile(universe, 3, periodic=True), axes=(0, 1, 2), norm="forward")
    np.testing.assert_allclose(modes[::3, ::3, ::3], np.fft.fftn(universe, axes=(0, 1, 2), norm="forward"), atol=1e-12)
    modes[::3, ::3, ::3] = 0
    assert np.abs(modes).max() < 1e-12


def test_no_power_beyond_the_boxs_longest_wave(universe):
    # In waves a wide box, the box's fundamental is 3: shells below hold 9 + 31 waves and no power.
    below = power(tile(universe, 3, periodic=True), 3 * BOX, shells=[0.5, 1.5, 2.5])
    assert below.modes.tolist() == [9, 31]
    assert below.power.max() < 1e-20 * power(universe, BOX).power.max()


def test_total_power_is_the_boxs(universe):
    # The same shell of k has more waves in the wide box, the box's own alone alive, each with V = 27 times as large.
    shells = np.array([0.5, 1.5, 3.5, 6])
    one, wide = power(universe, BOX, shells), power(tile(universe, 3, periodic=True), 3 * BOX, 3 * shells)
    alive = one.modes / wide.modes
    np.testing.assert_allclose(wide.power, 27 * alive[:, None] * one.power, rtol=1e-10)


def test_a_cut_cube_cannot_be_tiled(universe):
    with pytest.raises(DataError, match="not periodic"):
        tile(universe, 2, periodic=False)


@pytest.mark.parametrize("repeats", [0, -1, 1.5, True])
def test_repeats_are_whole(universe, repeats):
    with pytest.raises(DataError, match="must be an integer of at least 1"):
        tile(universe, repeats, periodic=True)
