"""The 48 symmetries as a group, exhaustively; shifts; and what neither may change."""

import itertools

import numpy as np
import pytest

from augment.data.universe.cosmology import Cosmology
from augment.data.universe.simulate import simulate
from augment.data.volumes.spectrum import power
from augment.data.volumes.symmetries import SYMMETRIES, compose, edge_of, inverse, shifted, symmetric
from augment.errors import DataError

ALL = range(SYMMETRIES)


@pytest.fixture(scope="module")
def generic():
    """Voxels that all differ, so that no two symmetries agree by accident."""
    return np.arange(3**3 * 2, dtype=np.int16).reshape(3, 3, 3, 2)


@pytest.fixture(scope="module")
def universe():
    return simulate(Cosmology(), 16, 40.0, redshifts=(0.0, 1.5), seed=3)


def test_each_is_a_signed_permutation_matrix(generic):
    # Independent of the code's convention: the voxel at integer coordinates r goes to M r, M one of the 48 matrices
    # with one entry of +-1 in each row and column; channels stay.
    def image(matrix):
        moved = np.empty_like(generic)
        for r in itertools.product((-1, 0, 1), repeat=3):
            moved[tuple(matrix @ r + 1)] = generic[tuple(np.array(r) + 1)]
        return moved.tobytes()

    rows = [np.eye(3, dtype=int)[list(p)] for p in itertools.permutations(range(3))]
    matrices = [np.array(s)[:, None] * p for p in rows for s in itertools.product((1, -1), repeat=3)]
    expected = {image(matrix) for matrix in matrices}
    assert len(expected) == 48
    assert {symmetric(generic, which).tobytes() for which in ALL} == expected


def test_identity(generic):
    assert np.array_equal(symmetric(generic, 0), generic)


def test_every_pair_composes(generic):
    for second, first in itertools.product(ALL, ALL):
        both = symmetric(symmetric(generic, first), second)
        assert np.array_equal(both, symmetric(generic, compose(second, first))), (second, first)


def test_every_inverse_undoes(generic):
    for which in ALL:
        assert np.array_equal(symmetric(symmetric(generic, which), inverse(which)), generic), which
        assert compose(which, inverse(which)) == compose(inverse(which), which) == 0


def test_half_are_rotations():
    # The even ones form a subgroup: the products of squares and of 3-cycles, generated here by two quarter turns.
    quarter_x, quarter_z = 8 * 1 + 0b010, 8 * 2 + 0b001
    reached = {0}
    while len(larger := reached | {compose(t, r) for t in (quarter_x, quarter_z) for r in reached}) > len(reached):
        reached = larger
    assert len(reached) == 24
    assert 0b111 not in reached  # the mirror image


def test_views_copy_nothing(generic):
    assert all(np.shares_memory(symmetric(generic, which), generic) for which in ALL)


def test_the_power_and_the_histogram_stay(universe):
    before = power(universe, 40.0).power
    for which in ALL:
        view = symmetric(universe, which)
        np.testing.assert_allclose(power(view, 40.0).power, before, rtol=1e-10)
        for channel in range(2):
            assert np.array_equal(np.bincount(view[..., channel].ravel()), np.bincount(universe[..., channel].ravel()))


def test_channels_move_together(universe):
    for which in ALL:
        assert np.array_equal(symmetric(universe, which)[..., :1], symmetric(universe[..., :1], which))


def test_a_shift_moves_each_voxel(generic):
    moved = shifted(generic, (1, -1, 5), periodic=True)
    for x, y, z in itertools.product(range(3), repeat=3):
        assert np.array_equal(moved[(x + 1) % 3, (y - 1) % 3, (z + 5) % 3], generic[x, y, z])


def test_a_shift_turns_phases_and_keeps_the_power(universe):
    by, edge = (3, -5, 20), 16
    moved = shifted(universe, by, periodic=True)
    np.testing.assert_allclose(power(moved, 40.0).power, power(universe, 40.0).power, rtol=1e-10)
    n = np.stack(np.meshgrid(*[np.fft.fftfreq(edge, 1 / edge)] * 3, indexing="ij"))
    turned = np.exp(-2j * np.pi / edge * np.tensordot(by, n, 1))[..., None]
    before, after = (np.fft.fftn(c, axes=(0, 1, 2)) for c in (universe, moved))
    np.testing.assert_allclose(after, before * turned, atol=1e-9 * np.abs(before).max())


def test_shifts_add_up(universe):
    there = shifted(universe, (3, 2, 1), periodic=True)
    assert not np.array_equal(there, universe)
    assert np.array_equal(shifted(there, (-3, 14, -17), periodic=True), universe)


def test_a_cut_cube_cannot_be_shifted(generic):
    with pytest.raises(DataError, match="not periodic"):
        shifted(generic, (1, 0, 0), periodic=False)


@pytest.mark.parametrize("by", [(1, 2), (1, 2, 3, 4), (0.5, 0, 0)])
def test_shifts_are_three_integers(generic, by):
    with pytest.raises(DataError, match="must be three integers"):
        shifted(generic, by, periodic=True)


@pytest.mark.parametrize("which", [-1, 48, 1.0, True, "1"])
def test_indices_that_are_none(generic, which):
    for call in (lambda: symmetric(generic, which), lambda: inverse(which), lambda: compose(0, which)):
        with pytest.raises(DataError, match="must be an integer from 0 to 47"):
            call()


@pytest.mark.parametrize("shape", [(4, 4, 4), (4, 4, 5, 1), (0, 0, 0, 1), (2, 4, 4, 4, 1)])
def test_volumes_are_cubes_with_channels(shape):
    with pytest.raises(DataError, match=r"must be \(edge, edge, edge, channels\)"):
        edge_of(np.zeros(shape, np.int16))
