"""COLA against pyCOLA, the code of the published CosmoFlow universes, like with like.

The same displacements at a = 0.1, the same steps, a mesh as fine as the particles; both codes' particles are put on the
mesh by the same clouds in cells, and the window of that is divided out. tests/reference/remake_pycola3.py made the
reference.
"""

import numpy as np
import pytest

from augment.data.universe.cola import evolve, lpt_displacement
from augment.data.universe.cosmology import Cosmology
from augment.data.volumes.spectrum import cross_correlation, power
from benchmarks.initial import psi_in_cells
from tests.reference.remake_pycola3 import BOX_MPC_H, EDGE, KEPT, REDSHIFTS, SEED, density_contrast

SHELLS = (0.5, 2.5, 4.5, 6.5, 8.5)  # waves a box, up to half the Nyquist frequency


def ours(redshift, steps=10):
    (moved,) = evolve(Cosmology(), *psi_in_cells(EDGE, BOX_MPC_H, SEED), [1 / (1 + redshift)], steps)
    return density_contrast(moved.view(EDGE, EDGE, EDGE, 3).permute(3, 0, 1, 2).numpy())[..., None]


def compared(contrast, reference):
    """P(k) ours / theirs and the cross-correlation, by shell. Both had one window: it cancels."""
    spectra = [power(1 + each, BOX_MPC_H, SHELLS, window=False).power[:, 0] for each in (contrast, reference)]
    return spectra[0] / spectra[1], cross_correlation(1 + contrast, 1 + reference, SHELLS)[:, 0]


@pytest.fixture(scope="module")
def references():
    with np.load(KEPT) as kept:
        return dict(zip(REDSHIFTS, np.moveaxis(kept["density_contrast"].astype(np.float64), -1, 0), strict=True))


@pytest.mark.parametrize("redshift", REDSHIFTS)
def test_power_and_phases_to_half_the_nyquist_frequency(references, redshift):
    ratio, correlation = compared(ours(redshift), references[redshift][..., None])
    assert np.abs(ratio - 1).max() < 0.05, ratio
    assert correlation.min() > 0.98, correlation


def test_2lpt_alone_would_fail(references):
    moved = lpt_displacement(Cosmology(), *psi_in_cells(EDGE, BOX_MPC_H, SEED), 1.0)
    contrast = density_contrast(moved.view(EDGE, EDGE, EDGE, 3).permute(3, 0, 1, 2).numpy())[..., None]
    ratio, correlation = compared(contrast, references[0.0][..., None])
    assert ratio.min() < 0.3
    assert correlation.min() < 0.8


def test_too_few_steps_would_fail(references):
    ratio, _ = compared(ours(0.0, steps=2), references[0.0][..., None])
    assert np.abs(ratio - 1).max() > 0.1
