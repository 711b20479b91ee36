"""COLA: a particle-mesh simulation that follows only the difference from 2LPT, so that ten steps suffice.

With the time derivative T = Q d/da, Q(a) = a^3 H(a) / H0, a particle displaced by s moves as

    T^2 s = 3/2 Om a g,      g = -grad laplace^-1 delta

and to second order s = D psi1 + D2 psi2. The remainder, s - (D psi1 + D2 psi2) with the velocity v, is 0 at the start
and integrated by the operators of Tassev, Zaldarriaga & Eisenstein (2013, JCAP 06, 036, arXiv:1301.0322, appendix A),
in which v changes as u = a^n, n = -2.5:

    kick,  a1 to a2 at ac:   v += 3/2 Om ac [g - D psi1 - (D2 - D^2) psi2] (u(a2) - u(a1)) / (Q(ac) u'(ac))
    drift, a1 to a2 at ac:   s += v / u(ac) int_a1^a2 u / Q da + (D(a2) - D(a1)) psi1 + (D2(a2) - D2(a1)) psi2

Kicks lead from the middle of one step to the middle of the next (leapfrog). Waves within 2LPT are right with any number
of steps; collapsing structures need them. The published CosmoFlow universes took ten steps of equal length in a, from a
= 0.1 (github.com/NERSC/cosmoflow-sims).

The terms with psi in v are the same for all particles but for a factor. So only the kicks by g are summed for each
particle, and the factors of psi1 and psi2 separately: two passes over the memory fewer.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from scipy.integrate import quad

from augment.data.universe.cosmology import Cosmology
from augment.data.universe.force import attraction
from augment.data.universe.mesh import each_batch, read

START = 0.1  # the scale factor from which the mesh takes part
_POWER = -2.5  # n of the time operators, as the paper recommends


@dataclass(frozen=True)
class Step:
    """The factors of one step: v += pull * g, then s += velocity * v + first * psi1 + second * psi2."""

    until: float
    pull: float
    velocity: float
    first: float
    second: float


def schedule(wanted: Sequence[float], steps: int) -> list[float]:
    """Return scale factors from START on that include each wanted one, at most 0.9 / steps apart.

    wanted: ascending, after START
    """
    times = [START]
    for a in wanted:
        last, parts = times[-1], math.ceil((a - times[-1]) * steps / (1 - START) - 1e-9)
        times += [last + (a - last) * part / parts for part in range(1, parts)] + [a]
    return times


def evolve(
    cosmology: Cosmology,
    psi1: torch.Tensor,
    psi2: torch.Tensor,
    wanted: Sequence[float],
    steps: int,
    stepped: Callable[[], None] | None = None,
) -> Iterator[torch.Tensor]:
    """Yield the particles' displacements in cells, (edge^2, edge, 3), at each wanted scale factor, in the same memory.

    psi1, psi2: of 2LPT, in cells, float32 (edge^2, edge, 3)
    wanted: ascending, after START
    stepped: called after each step
    """
    moved, velocity = lpt_displacement(cosmology, psi1, psi2, START), torch.zeros_like(psi1)
    for step in factors_of(cosmology, schedule(wanted, steps)):
        _move(moved, velocity, (psi1, psi2), step)
        if stepped:
            stepped()
        if step.until in wanted:
            yield moved


def lpt_displacement(cosmology: Cosmology, psi1: torch.Tensor, psi2: torch.Tensor, a: float) -> torch.Tensor:
    """Return the displacements by 2LPT alone: D psi1 + D2 psi2."""
    return (psi1 * cosmology.growth(1 / a - 1)).add_(psi2, alpha=cosmology.second_growth(1 / a - 1))


def _move(moved: torch.Tensor, velocity: torch.Tensor, psi: tuple[torch.Tensor, torch.Tensor], step: Step) -> None:
    pull = attraction(moved)

    def kick_and_drift(lines: slice) -> None:
        s, v = moved[lines], velocity[lines]
        v.add_(read(pull, s, lines.start), alpha=step.pull)
        s.add_(v, alpha=step.velocity).add_(psi[0][lines], alpha=step.first).add_(psi[1][lines], alpha=step.second)

    each_batch(kick_and_drift, moved.shape[1], moved.device)


def factors_of(cosmology: Cosmology, times: Sequence[float]) -> Iterator[Step]:
    """Yield the factors of the steps between these scale factors, ascending from START."""
    first_sum = second_sum = 0.0  # the factors of -psi1 and -psi2 in the velocity
    kicked = times[0]
    for before, after in itertools.pairwise(times):
        middle = (before + after) / 2
        pull = 1.5 * cosmology.omega_m * before * _kick(cosmology, kicked, middle, before)
        first, second = cosmology.growth(1 / before - 1), cosmology.second_growth(1 / before - 1)
        first_sum += pull * first
        second_sum += pull * (second - first**2)
        velocity = _drift(cosmology, before, after, middle)
        yield Step(
            until=after,
            pull=pull,
            velocity=velocity,
            first=cosmology.growth(1 / after - 1) - first - velocity * first_sum,
            second=cosmology.second_growth(1 / after - 1) - second - velocity * second_sum,
        )
        kicked = middle


def _kick(cosmology: Cosmology, a1: float, a2: float, ac: float) -> float:
    return float((a2**_POWER - a1**_POWER) / (cosmology.time_factor(ac) * _POWER * ac ** (_POWER - 1)))


def _drift(cosmology: Cosmology, a1: float, a2: float, ac: float) -> float:
    integral, _ = quad(lambda a: a**_POWER / cosmology.time_factor(a), a1, a2)
    return float(integral / ac**_POWER)
