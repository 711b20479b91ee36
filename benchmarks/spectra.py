"""What power spectra alone tell of a universe's labels: what a network should beat, and what there is to be found.

Of each universe the logarithm of the power at every redshift, in shells of one wave's width up to the Nyquist
frequency, and from these the labels by ridge regression. No phases, no learning by gradient: so where this finds a
label that a network does not, the network's training is to blame, not the universes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.learning_sets import Universes

PENALTIES = 10.0 ** np.arange(-1, 6)  # on standardised features
AT_ONCE = 16


def log_power(counts: Tensor) -> NDArray[np.float64]:
    """ln |delta_k|^2 by shell of |n| = 1, 2, ... E/2 - 1 and redshift, (n, shells * R), of counts (n, E, E, E, R)."""
    edge = counts.shape[1]
    shell, waves = _shells(edge)
    shell, waves = shell.to(counts.device), waves.to(counts.device)
    found = []
    for part in counts.split(AT_ONCE):  # type: ignore[no-untyped-call]
        density = part.to(torch.float32).movedim(-1, 1)
        density = density / density.mean((2, 3, 4), keepdim=True) - 1
        power = torch.fft.rfftn(density, dim=(2, 3, 4), norm="forward").abs().square().flatten(2)
        sums = torch.zeros(*power.shape[:2], len(waves), device=counts.device)
        sums.index_add_(2, shell, power * _twice(edge).to(counts.device))
        found.append((sums / waves)[:, :, 1 : edge // 2].log().flatten(1).cpu())
    return np.asarray(torch.cat(found), np.float64)


def _shells(edge: int) -> tuple[Tensor, Tensor]:
    """Of rfftn's waves the shell, |n| rounded, and how many waves each shell has."""
    full, half = torch.fft.fftfreq(edge, 1 / edge), torch.fft.rfftfreq(edge, 1 / edge)
    length = (full[:, None, None] ** 2 + full[:, None] ** 2 + half**2).sqrt()
    shell = length.round().long().flatten()
    return shell, torch.zeros(int(shell.max()) + 1).index_add_(0, shell, _twice(edge))


def _twice(edge: int) -> Tensor:
    """A wave that is not in the plane n_z = 0 stands for its opposite, too."""
    twice = torch.full((edge, edge, edge // 2 + 1), 2.0)
    twice[:, :, 0] = 1
    return twice.flatten()


def ridge(x: NDArray[np.float64], y: NDArray[np.float64], unseen: NDArray[np.float64]) -> NDArray[np.float64]:
    """Labels (m, labels) of unseen features (m, f), linear in standardised features, from x (n, f) and y (n, labels).

    The penalty is for each label the one of PENALTIES with the least error when each row in turn is left out, in
    closed form: (y - fit) / (1 - leverage).
    """
    centre, scale = x.mean(0), x.std(0)
    u, s, v = np.linalg.svd((x - centre) / scale, full_matrices=False)
    mean = y.mean(0)
    along = u.T @ (y - mean)
    best, found = np.full(y.shape[1], np.inf), np.empty((len(unseen), y.shape[1]))
    for penalty in PENALTIES:
        kept = s**2 / (s**2 + penalty)
        leverage = 1 / len(x) + (u**2) @ kept
        left_out = ((y - mean - u @ (kept[:, None] * along)) / (1 - leverage)[:, None]) ** 2
        better = left_out.sum(0) < best
        best = np.minimum(best, left_out.sum(0))
        prediction = mean + (unseen - centre) / scale @ (v.T @ ((s / (s**2 + penalty))[:, None] * along))
        found[:, better] = prediction[:, better]
    return found


def predict(data: Universes) -> Tensor:
    """Labels (n, 4) of the unseen universes, from their spectra and those of the ones to train on."""
    labels = data.labels.cpu().double().numpy()
    found = ridge(log_power(data.counts), labels, log_power(data.unseen_counts))
    return torch.from_numpy(found).to(data.unseen_labels)
