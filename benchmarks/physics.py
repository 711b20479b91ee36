"""What simulations are worth: the pictures and figures of docs/physics.md.

    pip install pycola3==0.0.7
    python -m benchmarks.physics [--edge 128] [--peer-python PYTHON]

1. COLA beside pycola3, like with like (benchmarks/peers.py): the same displacements at a = 0.1 and equal steps, both
   codes' particles on one mesh by clouds in cells with the window divided out. 2LPT alone beside it.
2. One universe at two edges, and the coarser one refined for load (augment.data.volumes.resize) against the finer one.

Fiducial universe, 1 Mpc/h a voxel at the given edge. Writes docs/images/physics-*.svg and results/physics.json.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot

from augment.data.recipe import REDSHIFTS
from augment.data.universe.cola import evolve, lpt_displacement
from augment.data.universe.cosmology import Cosmology
from augment.data.universe.mesh import UNITS, paint
from augment.data.universe.simulate import simulate
from augment.data.volumes.resize import refine_for_load
from augment.data.volumes.spectrum import Spectrum, cross_correlation, power
from benchmarks.initial import SEED, equal_steps, lines_of, psi_in_cells, write_inputs

ROOT = Path(__file__).parents[1]
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "physics", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3}
COLOURS = ("C3", "C1", "C2", "C0")


def shells(edge: int) -> Any:
    return np.arange(0.5, edge / 2, 2.0)


def contrast(moved: Any) -> Any:
    """1 + density contrast by clouds in cells, with their window divided out where a mesh resolves it."""
    density = paint(moved).numpy() / UNITS
    edge = density.shape[0]
    full, half = np.sinc(np.fft.fftfreq(edge)) ** 2, np.sinc(np.fft.rfftfreq(edge)) ** 2
    modes = np.fft.rfftn(density) / (full[:, None, None] * full[None, :, None] * half)
    return np.fft.irfftn(modes, s=density.shape, axes=(0, 1, 2))[..., None]


def compared(a: Any, b: Any, box_mpc_h: float, window: bool = False) -> dict[str, Any]:
    """Power of a over that of b, and their cross-correlation, by shell: one list a channel."""
    borders = shells(a.shape[0])
    spectra: list[Spectrum] = [power(each, box_mpc_h, borders, window) for each in (a, b)]
    return {
        "k_h_mpc": np.round(spectra[1].k_h_mpc, 4).tolist(),
        "power_ratio": np.round(spectra[0].power / spectra[1].power, 4).T.tolist(),
        "cross_correlation": np.round(cross_correlation(a, b, borders), 4).T.tolist(),
    }


def of_pycola3(psi: Any, redshift: float, python: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.npz", Path(folder) / "made.npz"
        write_inputs(given, psi, redshift, equal_steps(redshift))
        subprocess.run([python, "-m", "benchmarks.peers", "pycola3", given, made], check=True)
        with np.load(made) as found:
            return lines_of(found["moved"])


def against_pycola3(edge: int, python: str) -> dict[str, Any]:
    """By redshift: COLA and 2LPT, each over pycola3."""
    universe, box_mpc_h, found = Cosmology(), float(edge), {}
    for redshift in REDSHIFTS:
        psi, a = psi_in_cells(edge, box_mpc_h), 1 / (1 + redshift)
        theirs = contrast(of_pycola3(psi, redshift, python))
        cola = contrast(next(evolve(universe, *psi, [a], 10)))
        lpt = contrast(lpt_displacement(universe, *psi, a))
        found[f"{redshift:g}"] = {
            "cola": compared(cola, theirs, box_mpc_h),
            "lpt": compared(lpt, theirs, box_mpc_h),
        }
        print(f"z = {redshift:g} compared with pycola3", file=sys.stderr, flush=True)
    return found


def histogram(counts: Any) -> list[float]:
    """Percent of voxels with 0, 1, 2, 3 to 5, 6 to 10 and more particles."""
    kinds = np.digitize(counts.ravel(), [1, 2, 3, 6, 11])
    return [round(float(100 * np.mean(kinds == kind)), 2) for kind in range(6)]


def grids(edge: int) -> dict[str, Any]:
    """One universe at half the edge and at the edge; the former refined."""
    box_mpc_h = float(edge)
    coarse, fine = (simulate(Cosmology(), each, box_mpc_h, seed=SEED) for each in (edge // 2, edge))
    refined = refine_for_load(coarse, 2, periodic=True)
    merged = fine.reshape(edge // 2, 2, edge // 2, 2, edge // 2, 2, -1).sum(axis=(1, 3, 5))
    return {
        "nested": compared(coarse, merged, box_mpc_h, window=True),
        "refined": compared(refined, fine, box_mpc_h),
        "histograms": {
            name: {
                f"{z:g}": {
                    "percent": histogram(each[..., i]),
                    "least": int(each[..., i].min()),
                    "most": int(each[..., i].max()),
                    "variance": round(float(each[..., i].var()), 3),
                }
                for i, z in enumerate(REDSHIFTS)
            }
            for name, each in (("coarse", coarse), ("simulated", fine), ("refined", refined))
        },
    }


def draw(file: str, title: str, panels: list[tuple[str, list[Any]]], nyquist: float) -> None:
    """Two panels over k, with lines (label, style, colour, k, values), up to the Nyquist frequency."""
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axis, (name, lines) in zip(axes, panels, strict=True):
        for label, style, colour, k, values in lines:
            axis.plot(k, values, style, color=colour, label=label, lw=1.4)
        axis.axvline(nyquist / 2, color="0.5", ls=":", lw=1)
        axis.set(xlabel="k, h/Mpc (dotted: half the Nyquist frequency)", ylabel=name, xscale="log")
    axes[1].legend(fontsize=7, ncols=2, loc="lower left")
    figure.suptitle(title)
    figure.savefig(ROOT / "docs" / "images" / file, metadata={"Date": None})
    pyplot.close(figure)


def draw_pycola3(found: dict[str, Any], edge: int) -> None:
    def lines(key: str, least: float) -> list[Any]:
        return [
            (f"{label}, z = {z}", style, colour, each[code]["k_h_mpc"], np.maximum(each[code][key][0], least))
            for code, label, style in (("cola", "COLA", "-"), ("lpt", "2LPT", "--"))
            for (z, each), colour in zip(found.items(), COLOURS, strict=True)
        ]

    panels = [
        ("P(k) / P of pycola3", lines("power_ratio", 0.0)),
        ("cross-correlation", lines("cross_correlation", 0.0)),
    ]
    draw("physics-pycola3.svg", f"Ours over pycola3, {edge}³ particles, 1 Mpc/h a cell", panels, math.pi)


def draw_grids(found: dict[str, Any], edge: int) -> None:
    def lines(key: str) -> list[Any]:
        return [
            (f"{label}, z = {z:g}", style, colour, found[kind]["k_h_mpc"], found[kind][key][channel])
            for kind, label, style in (("nested", f"{edge // 2}³", "-"), ("refined", "refined", "--"))
            for channel, (z, colour) in enumerate(zip(REDSHIFTS, COLOURS, strict=True))
        ]

    panels = [(f"P(k) / P of {edge}³", lines("power_ratio")), ("cross-correlation", lines("cross_correlation"))]
    draw("physics-grids.svg", f"{edge // 2}³ and {edge // 2}³ refined for load, over {edge}³", panels, math.pi / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", type=int, default=128)
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter that has pycola3")
    given = parser.parse_args()
    matplotlib.use("Agg")
    pyplot.rcParams.update(STYLE)
    result = {"benchmark": "physics", "edge": given.edge, "box_mpc_h": given.edge, "pycola3": "0.0.7"}
    result["against_pycola3"] = against_pycola3(given.edge, given.peer_python)
    draw_pycola3(result["against_pycola3"], given.edge)
    result["grids"] = grids(given.edge)
    draw_grids(result["grids"], given.edge)
    (ROOT / "benchmarks" / "results" / "physics.json").write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
