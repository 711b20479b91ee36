"""What gives a universe's matter density away? Its label from parts of what universes show, by ridge regression.

    python -m benchmarks.omega_m [--universes 512] [--simulated-edge 32] [--edges 16 32] [--out FILE]

The errors on unseen universes of linear fits (benchmarks/spectra.py) to the logarithms of

    spectra          the power by shell at every redshift
    one redshift     the same of the latest, or of the earliest
    ratios           the power at each redshift over that of the latest: how fast structure grew
    log moments      mean, variance and third moment of the log density at every redshift (taken as they are)

A network that fails where these succeed lacks training, not universes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import learning
from benchmarks.learning_sets import Universes
from benchmarks.learning_study import Study, parser, tell
from benchmarks.spectra import AT_ONCE, log_power, ridge

Features = NDArray[np.float64]


def log_moments(inputs: Tensor) -> Features:
    """Mean, variance and third central moment of what a network reads, (n, R, 3), of inputs (n, E, E, E, R)."""
    found = []
    for part in inputs.split(AT_ONCE):  # type: ignore[no-untyped-call]
        flat = part.flatten(1, 3).double()
        mean = flat.mean(1, keepdim=True)
        found.append(torch.stack([mean[:, 0], (flat - mean).square().mean(1), (flat - mean).pow(3).mean(1)], 2))
    return np.asarray(torch.cat(found).cpu())


def parts_of(counts: Tensor, inputs: Tensor) -> dict[str, Features]:
    """By name the features (n, f) of these universes; redshifts begin with the latest."""
    spectra = log_power(counts).reshape(len(counts), counts.shape[-1], -1)
    found = {
        "spectra": spectra,
        "one redshift, the latest": spectra[:, :1],
        "one redshift, the earliest": spectra[:, -1:],
        "ratios": spectra[:, 1:] - spectra[:, :1],
        "log moments": log_moments(inputs),
    }
    return {name: features.reshape(len(counts), -1) for name, features in found.items()}


def errors(data: Universes) -> list[dict[str, Any]]:
    """A row a part: how many features, and the errors on unseen universes."""
    train, unseen = parts_of(data.counts, data.inputs), parts_of(data.unseen_counts, data.unseen_inputs)
    labels = data.labels.cpu().double().numpy()
    rows = []
    for name in train:
        predictions = torch.from_numpy(ridge(train[name], labels, unseen[name])).to(data.unseen_labels)
        found = learning.mean_absolute_errors(predictions, data.unseen_labels)
        rows.append({"edge": data.edge, "from": name, "features": train[name].shape[1], "mae_unseen": found})
        tell(f"edge {data.edge}, {name}: {found}")
    return rows


def run(found: Study) -> None:
    """All edges. Raises OutOfTime."""
    for data in found.universes(found.given.edges).values():
        for row in errors(data):
            found.keep(row)


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--edges", type=int, nargs="+", default=[16, 32])
    Study("omega_m", asked.parse_args(), rows="fits").run(run)


if __name__ == "__main__":
    main()
