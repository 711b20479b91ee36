"""What spectra alone tell of universes (benchmarks/spectra.py), against independent sums and plain least squares."""

import numpy as np
import pytest
import torch

from augment.data.volumes.spectrum import power
from benchmarks.learning import symmetric
from benchmarks.spectra import log_power, ridge

BOX_MPC_H = 10.0


@pytest.fixture(scope="module")
def counts():
    return np.random.default_rng(1).poisson((1, 5), (3, 8, 8, 8, 2)).astype(np.int16)


def test_power_is_that_of_the_spectra_of_volumes(counts):
    found = log_power(torch.from_numpy(counts)).reshape(3, 2, 3)  # shells of |n| = 1, 2, 3
    for universe in range(3):
        expected = power(counts[universe], BOX_MPC_H, (0.5, 1.5, 2.5, 3.5), window=False).power / BOX_MPC_H**3
        assert np.allclose(np.exp(found[universe]).T, expected, rtol=1e-4)


def test_symmetries_keep_spectra(counts):
    moved = symmetric(torch.from_numpy(counts), np.random.default_rng(1))
    assert log_power(moved) == pytest.approx(log_power(torch.from_numpy(counts)), abs=1e-4)


def test_ridge_finds_a_line_and_leaves_noise_alone():
    rng = np.random.default_rng(1)
    x, unseen = rng.normal(3, 2, (400, 6)), rng.normal(3, 2, (50, 6))
    line = rng.normal(size=6)
    noise = rng.uniform(-1, 1, 400)
    found = ridge(x, np.stack([x @ line + 7, noise], axis=1), unseen)
    assert found[:, 0] == pytest.approx(unseen @ line + 7, abs=5e-3)
    assert np.abs(found[:, 1]).max() < 0.2


def test_ridge_without_many_rows_beats_least_squares():
    rng = np.random.default_rng(2)
    x, unseen, line = rng.normal(size=(40, 30)), rng.normal(size=(500, 30)), 0.2 * rng.normal(size=30)
    y = (x @ line + rng.normal(size=40))[:, None]
    least_squares = unseen @ np.linalg.lstsq(x, y, rcond=None)[0]
    errors = [np.abs(found[:, 0] - unseen @ line).mean() for found in (ridge(x, y, unseen), least_squares)]
    assert errors[0] < 0.7 * errors[1]
