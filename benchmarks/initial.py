"""The same start for every code: 2LPT's displacements of one universe, and the factors of its steps."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import torch

from augment.data.universe.cola import START, factors_of, schedule
from augment.data.universe.cosmology import Cosmology
from augment.data.universe.lpt import displacements, initial_modes

SEED = 11


def psi_in_cells(
    edge: int, box_mpc_h: float, seed: int = SEED, device: str = "cpu"
) -> tuple[torch.Tensor, torch.Tensor]:
    """psi1 and psi2 in cells, (edge^2, edge, 3) each, of the fiducial universe."""
    psi1, psi2 = displacements(initial_modes(Cosmology(), edge, box_mpc_h, seed, device), box_mpc_h)
    scale = edge / box_mpc_h
    return tuple(each.permute(1, 2, 3, 0).view(edge**2, edge, 3).mul_(scale) for each in (psi1, psi2))  # type: ignore[return-value]


def write_inputs(path: Path, psi: tuple[torch.Tensor, torch.Tensor], redshift: float, steps: int) -> None:
    """What benchmarks.peers reads: `steps` steps of equal length in a, from a = 0.1 to this redshift."""
    edge, universe, a_final = psi[0].shape[1], Cosmology(), 1 / (1 + redshift)
    times = list(np.linspace(START, a_final, steps + 1))
    np.savez(
        path,
        psi1=_components_first(psi[0], edge),
        psi2=_components_first(psi[1], edge),
        omega_m=universe.omega_m,
        a_final=a_final,
        steps=steps,
        factors=[astuple(step)[1:] for step in factors_of(universe, times)],
        growth_start=[universe.growth(1 / START - 1), universe.second_growth(1 / START - 1)],
    )


def equal_steps(redshift: float) -> int:
    """How many equal steps lead from a = 0.1 to a redshift, if ten lead to today."""
    return len(schedule([1 / (1 + redshift)], 10)) - 1


def lines_of(moved: Any) -> torch.Tensor:
    """(3, edge, edge, edge) -> (edge^2, edge, 3), as augment.data.universe.mesh wants displacements."""
    edge = moved.shape[1]
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(moved, 0, -1))).view(edge**2, edge, 3)


def _components_first(psi: torch.Tensor, edge: int) -> Any:
    return np.ascontiguousarray(psi.view(edge, edge, edge, 3).permute(3, 0, 1, 2).numpy())
