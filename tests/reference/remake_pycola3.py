"""Makes pycola3.npz: universes of an independent code, that tests/unit/test_against_pycola3.py compares ours with.

    pip install pycola3==0.0.7      (in this environment, or say another's Python)
    python -m tests.reference.remake_pycola3 [PYTHON]

pycola3 starts from our 2LPT displacements at a = 0.1 and takes equal steps, ten to today, on a mesh as fine as the
particles. Its particles are put on that mesh by clouds in cells here, in float64 and without any code of ours. Kept are
density contrasts, float16, one a redshift; the file says which version made them.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.initial import equal_steps, psi_in_cells, write_inputs

EDGE, BOX_MPC_H, SEED = 32, 32.0, 5
REDSHIFTS = (0.0, 0.5, 1.5, 3.0)
KEPT = Path(__file__).with_name("pycola3.npz")


def density_contrast(moved: Any) -> Any:
    """Clouds in cells: displacements in cells (3, edge, edge, edge) -> density contrast (edge, edge, edge)."""
    edge = moved.shape[1]
    where = moved.astype(np.float64) + np.stack(np.meshgrid(*[np.arange(edge)] * 3, indexing="ij"))
    lower = np.floor(where).astype(int)
    found = np.full((edge,) * 3, -1.0)
    for corner in itertools.product((0, 1), repeat=3):
        upper = np.reshape(corner, (3, 1, 1, 1))
        weight = np.prod(np.where(upper, where - lower, 1 - (where - lower)), axis=0)
        np.add.at(found, tuple((lower + upper) % edge), weight)
    return found


def main() -> None:
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    fields = []
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.npz", Path(folder) / "made.npz"
        for redshift in REDSHIFTS:
            write_inputs(given, psi_in_cells(EDGE, BOX_MPC_H, SEED), redshift, equal_steps(redshift))
            subprocess.run([python, "-m", "benchmarks.peers", "pycola3", given, made], check=True)
            fields.append(density_contrast(np.load(made)["moved"]).astype(np.float16))
    ask = "from importlib.metadata import version; print(version('pycola3'))"
    version = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    np.savez_compressed(KEPT, density_contrast=np.stack(fields, axis=-1), pycola3=version)


if __name__ == "__main__":
    main()
