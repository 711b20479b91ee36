"""The particle mesh against exact solutions: a collapsing plane wave, the growth of long waves, momentum."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from augment.data.universe.cola import START, evolve, lpt_displacement, schedule
from augment.data.universe.cosmology import Cosmology
from augment.data.universe.force import attraction
from augment.data.universe.lpt import displacements, initial_modes
from augment.data.universe.mesh import read
from augment.errors import DataError
from tests.unit.test_mesh import displaced, to_origin

pytestmark = pytest.mark.slow


def in_cells(psi, edge, box_mpc_h):
    return psi.permute(1, 2, 3, 0).reshape(edge**2, edge, 3) * (edge / box_mpc_h)


@pytest.mark.parametrize(
    ("wanted", "steps", "expected"),
    [
        ([1.0], 10, np.linspace(0.1, 1, 11)),  # the published data's
        ([1.0], 1, [0.1, 1]),
        ([0.25, 0.4, 1.0], 6, [0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1]),
        ([0.55], 4, [0.1, 0.325, 0.55]),
    ],
)
def test_schedule(wanted, steps, expected):
    np.testing.assert_allclose(schedule(wanted, steps), expected)


@pytest.mark.parametrize("steps", [1, 10, 37])
def test_every_wanted_moment_is_hit_by_steps_that_are_short_enough(steps):
    wanted = [0.25, 0.4, 1 / 1.5, 1.0]
    times = schedule(wanted, steps)
    assert set(wanted) <= set(times)
    assert np.diff(times).min() > 0
    assert np.diff(times).max() <= 0.9 / steps * (1 + 1e-8)
    assert steps <= len(times) - 1 <= steps + len(wanted) - 1


def plane_wave(edge, crossing):
    """psi1 of a wave along x whose particles first meet at the growth factor `crossing`: s = -sin(k q) / (k D)."""
    k = 2 * math.pi / edge
    psi = torch.zeros(edge, edge, edge, 3)
    psi[..., 0] = (-torch.sin(k * torch.arange(edge)) / (k * crossing))[:, None, None]
    return psi.view(edge**2, edge, 3)


def test_a_plane_wave_pulls_as_zeldovich_found():
    # In one dimension g = s, exactly, until particles cross: div g = -delta, and mass between particles stays.
    psi = plane_wave(64, crossing=1.5)
    pull = read(attraction(psi), psi, 0)
    assert (pull - psi).norm() < 0.012 * psi.norm()
    assert pull[..., 1:].abs().max() < 1e-4


def amplitude_today(universe):
    """Of a wave that starts with D2 psi2, displacement and velocity, and moves by T^2 s = 3/2 Om a s."""

    def rates(a, state):
        q = universe.time_factor(a)
        return [state[1] / q, 1.5 * universe.omega_m * a * state[0] / q]

    def second(a):
        return universe.second_growth(1 / a - 1)

    velocity = universe.time_factor(START) * (second(START + 1e-5) - second(START - 1e-5)) / 2e-5
    return solve_ivp(rates, (START, 1), [second(START), velocity], rtol=1e-9, atol=1e-12).y[0, -1]


@pytest.mark.parametrize(("steps", "allowed"), [(20, 0.08), (40, 0.025)])
def test_a_plane_wave_collapses_by_the_mesh_alone(steps, allowed):
    # As psi2 a single wave is no solution: 2LPT would move it as D2, and all the difference must come from the mesh.
    universe, edge = Cosmology(), 64
    final = amplitude_today(universe)
    psi = plane_wave(edge, crossing=1.5 * final)  # today it is at 2/3 of crossing
    (moved,) = evolve(universe, torch.zeros_like(psi), psi, [1.0], steps)
    expected = final * psi
    assert (moved - expected).norm() < allowed * expected.norm()
    assert abs(universe.second_growth(0) / final) > 3  # what the mesh had to correct


def test_momentum_is_conserved():
    # Pulls are equal and opposite: over all particles they cancel, though each is large.
    moved = displaced(16, spread=0.5)
    pulls = read(attraction(moved), moved, 0).double()
    assert pulls.norm(dim=-1).mean() > 0.2
    assert pulls.sum(dim=(0, 1)).abs().max() < 1e-5 * pulls.abs().sum()


def universe_in_cells(edge, box_mpc_h, seed=3):
    psi = displacements(initial_modes(Cosmology(), edge, box_mpc_h, seed), box_mpc_h)
    return [in_cells(each, edge, box_mpc_h) for each in psi]


def test_before_structure_collapses_2lpt_is_found_again():
    # At z = 4; what is left is mostly the mesh's own softness at a voxel's size.
    universe, psi = Cosmology(), universe_in_cells(64, 64.0)
    (moved,) = evolve(universe, *psi, [0.2], 10)
    expected = lpt_displacement(universe, *psi, 0.2)
    assert (moved - expected).norm() < 0.03 * expected.norm()


def test_more_steps_converge():
    psi = universe_in_cells(32, 32.0)
    found = {steps: next(evolve(Cosmology(), *psi, [1.0], steps)).clone() for steps in (5, 10, 20, 40)}
    error = [float((found[steps] - found[40]).norm() / found[40].norm()) for steps in (5, 10, 20)]
    assert error[0] > error[1] > error[2]
    assert error[1] < 0.1


def test_a_collapse_beyond_the_integers_is_an_error():
    with pytest.raises(DataError, match="more than 32767 particles meet"):
        attraction(to_origin(33))


def test_the_start_is_2lpt():
    assert START == 0.1
