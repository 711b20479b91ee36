"""Independent simulations from PyPI, given our initial displacements, in their own interpreter.

    python -m benchmarks.peers NAME INPUT.npz OUTPUT.npz [THREADS]

INPUT holds psi1 and psi2, 2LPT's displacements in cells, float32 (3, edge, edge, edge); omega_m; a_final; steps; and
for codes that leave the time operators to their user, factors (steps, 4) of cola._Step. OUTPUT gets the displacements
in cells and the seconds of two runs; the first includes what a code compiles or plans.

pycola3  is pyCOLA, the code that the published CosmoFlow universes were made with: pip install pycola3==0.0.7
jaxpm    has a mesh force of its own (-1/k^2, differences over 4 nodes); the operators are given: jaxpm==0.1.6

Needs only NumPy, SciPy and the peer, so it may run in an environment of its own, without ours.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Inputs = Mapping[str, Any]


def pycola3(inputs: Inputs, threads: int) -> Any:
    """pyCOLA's own start, steps and forces; displacements of the final positions."""
    multiprocessing.cpu_count = lambda: threads  # its loops and FFTs ask this
    from pycola3 import evolve

    # NumPy 2 makes float64 arrays of float32 ones times its own scalars, and pycola3 refuses those.
    for name in ("growth_2lpt", "d_growth2", "_vel_coef", "_displ_coef"):
        setattr(evolve, name, _as_float(getattr(evolve, name)))
    if not isinstance(evolve.interpolate, _Interpolate):
        evolve.interpolate = _Interpolate(evolve.interpolate)
    omega_m, edge = float(inputs["omega_m"]), inputs["psi1"].shape[1]
    second_growth_today = -3 / 7 * omega_m ** (-1 / 143)
    psi1 = [each.copy() for each in inputs["psi1"]]  # they are overwritten
    psi2 = [each * np.float32(second_growth_today) for each in inputs["psi2"]]
    begin = time.perf_counter()
    positions = evolve.evolve(
        1.0, *psi1, *psi2, covers_full_box=True, ngrid_x=edge, ngrid_y=edge, ngrid_z=edge, gridcellsize=1.0,
        Om=omega_m, Ol=1 - omega_m, a_initial=0.1, a_final=float(inputs["a_final"]), n_steps=int(inputs["steps"]),
        ncola=-2.5, verbose=False,
    )[:3]  # fmt: skip
    return _displaced(np.stack(positions)), time.perf_counter() - begin


def jaxpm(inputs: Inputs, threads: int) -> Any:
    """Its force, compiled into one function with our kick and drift."""
    import jax
    from jax import numpy as jnp
    from jaxpm.pm import pm_forces

    def step(start: Any, velocity: Any, moved: Any, psi1: Any, psi2: Any, factors: Any) -> Any:
        velocity += factors[0] * pm_forces(start + moved, mesh_shape=moved.shape[:3])
        return velocity, moved + factors[1] * velocity + factors[2] * psi1 + factors[3] * psi2

    edge = inputs["psi1"].shape[1]
    compiled = _compiled.setdefault(edge, jax.jit(step, donate_argnums=(1, 2)))
    psi1, psi2 = (jnp.asarray(inputs[key].transpose(1, 2, 3, 0)) for key in ("psi1", "psi2"))
    start = jnp.stack(jnp.meshgrid(*[jnp.arange(edge, dtype=jnp.float32)] * 3, indexing="ij"), axis=-1)
    first, second = (float(each) for each in inputs["growth_start"])
    jax.block_until_ready((start, psi1, psi2))
    begin = time.perf_counter()
    velocity, moved = jnp.zeros_like(psi1), first * psi1 + second * psi2
    for factors in np.asarray(inputs["factors"], dtype=np.float32):
        velocity, moved = compiled(start, velocity, moved, psi1, psi2, factors)
    moved.block_until_ready()
    return np.asarray(moved).transpose(3, 0, 1, 2), time.perf_counter() - begin


PEERS: dict[str, Callable[[Inputs, int], Any]] = {"pycola3": pycola3, "jaxpm": jaxpm}
_compiled: dict[int, Any] = {}


def _displaced(positions: Any) -> Any:
    # Positions in cells, in the box -> displacements by less than half a box.
    edge = positions.shape[1]
    start = np.stack(np.meshgrid(*[np.arange(edge, dtype=np.float32)] * 3, indexing="ij"))
    return (positions - start + edge / 2) % edge - edge / 2


def _as_float(function: Callable[..., Any]) -> Callable[..., float]:
    return lambda *given, **named: float(function(*given, **named))


class _Interpolate:
    def __init__(self, module: Any) -> None:
        self._module = module

    def interp1d(self, *given: Any, **named: Any) -> Callable[..., float]:
        return _as_float(self._module.interp1d(*given, **named))


def main() -> None:
    name, source, target, threads = [*sys.argv[1:], "1"][:4]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
    inputs = dict(np.load(source))
    seconds = []
    for _ in range(2):
        moved, elapsed = PEERS[name](inputs, int(threads))
        seconds.append(elapsed)
    np.savez(target, moved=np.asarray(moved, dtype=np.float32), seconds=seconds)


if __name__ == "__main__":
    main()
