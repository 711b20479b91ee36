"""Views in torch are those of NumPy, and which one a sample gets depends on nothing but (seed, epoch, sample)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from augment.data.volumes import symmetries
from augment.data.volumes.views import View, choose, seen, symmetric

COUNTS = np.random.default_rng(1).integers(0, 100, (5, 5, 5, 3)).astype(np.int16)


@pytest.mark.parametrize("which", range(48))
def test_every_symmetry_is_numpys(which: int) -> None:
    found = symmetric(torch.from_numpy(COUNTS), which)
    np.testing.assert_array_equal(found.numpy(), symmetries.symmetric(COUNTS, which))


@pytest.mark.parametrize("shift", [(0, 0, 0), (1, 2, 3), (4, 0, 1)])
def test_shifts_are_numpys_and_come_after_the_symmetry(shift: tuple[int, int, int]) -> None:
    found = seen(torch.from_numpy(COUNTS), View(13, shift))
    turned = symmetries.symmetric(COUNTS, 13)
    np.testing.assert_array_equal(found.numpy(), symmetries.shifted(turned, shift, periodic=True))


def test_a_choice_follows_from_its_arguments_alone() -> None:
    both = ("symmetries", "shifts")
    first = [choose(both, 1, epoch, sample, 8) for epoch in range(5) for sample in range(20)]
    assert first == [choose(both, 1, epoch, sample, 8) for epoch in range(5) for sample in range(20)]
    assert len(set(first)) > 90
    assert first != [choose(both, 2, epoch, sample, 8) for epoch in range(5) for sample in range(20)]


def test_only_what_is_asked_for_is_done() -> None:
    assert choose((), 1, 2, 3, 8) == View()
    assert all(choose(("symmetries",), 1, 0, sample, 8).shift == (0, 0, 0) for sample in range(50))
    assert all(choose(("shifts",), 1, 0, sample, 8).symmetry == 0 for sample in range(50))


def test_all_views_are_equally_likely() -> None:
    """4800 draws of 48: chi-squared within its 0.001 and 0.999 quantiles for 47 degrees, 22 and 83."""
    drawn = [choose(("symmetries",), 1, epoch, sample, 8).symmetry for epoch in range(48) for sample in range(100)]
    often = np.bincount(drawn, minlength=48)
    assert 22 < ((often - 100) ** 2 / 100).sum() < 83
