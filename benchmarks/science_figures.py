"""The picture of docs/science.md, from a kept result of benchmarks/grow_training.py.

    python -m benchmarks.science_figures RESULT.json

docs/images/science-growth.svg: errors of sigma8 and Om on unseen universes by the FLOPs spent, of a network that is
grown, of the small one trained for as many FLOPs, and of the large one; the mean over the seeds and their band.
"""

from __future__ import annotations

import argparse
import json
import statistics
from itertools import accumulate
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot

from apps.cosmoflow.network.architecture import describe
from augment.model.cost import training_flop

FILE = Path(__file__).parents[1] / "docs" / "images" / "science-growth.svg"
STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "science", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3}
LABELS = {"sigma8": "sigma8", "omega_m": "Om"}
WAYS = {"small, equal FLOP": "C7", "large": "C0", "grown": "C3"}

Row = dict[str, Any]


def spent_tflop(row: Row, result: Row) -> list[float]:
    """TFLOP spent at the end of each epoch: before half time of the small network, if it is grown."""
    epochs, to = row["epochs"], row["to"].split(",")
    large = training_flop(describe(result["edge"], float(to[0]), int(to[1])))
    small = training_flop(describe(result["edge"], result["width"]))
    before = large if row["way"].startswith("large") else small
    after = small if row["way"].startswith("small") else large
    each = [before if epoch < epochs // 2 else after for epoch in range(epochs)]
    samples = row["flop"] // sum(each)  # an epoch's
    return [samples * flop / 1e12 for flop in accumulate(each)]


def curves(axis: Any, rows: list[Row], result: Row, label: str, colour: str) -> None:
    """The mean over seeds of the errors after each epoch, and the band from least to most."""
    by_epoch = list(zip(*(row["mae_unseen_by_epoch"][label] for row in rows), strict=True))
    spent = spent_tflop(rows[0], result)
    axis.plot(spent, [statistics.mean(errors) for errors in by_epoch], color=colour, label=rows[0]["way"].split(",")[0])
    axis.fill_between(spent, *zip(*((min(e), max(e)) for e in by_epoch), strict=True), color=colour, alpha=0.2, lw=0)
    if rows[0]["way"] == "grown":
        axis.axvline(spent[rows[0]["epochs"] // 2 - 1], color=colour, lw=1, ls=":")


def draw(result: Row) -> Any:
    """A column for each larger network, a row for each label."""
    targets = [to for to in dict.fromkeys(row["to"] for row in result["trainings"]) if to]
    figure, axes = pyplot.subplots(2, len(targets), figsize=(8, 4.6), layout="constrained", squeeze=False, sharey="row")
    for column, to in enumerate(targets):
        for axis, (label, name) in zip(axes[:, column], LABELS.items(), strict=True):
            for way, colour in WAYS.items():
                rows = [row for row in result["trainings"] if (row["way"], row["to"]) == (way, to)]
                if rows:
                    curves(axis, rows, result, label, colour)
            axis.axhline(result["mae_unseen_of_spectra"][0][label], color="k", lw=1, ls="--", label="spectra alone")
            axis.set(ylim=(0, 0.6), xlabel="TFLOP", ylabel=f"mean absolute error, {name}")
        width, depth = to.split(",")
        axes[0, column].set(title=f"width {result['width']:g}, depth 1 and width {width}, depth {depth}")
    axes[0, 0].legend(fontsize=7)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path)
    given = parser.parse_args()
    with matplotlib.rc_context(STYLE):
        figure = draw(json.loads(given.result.read_text(encoding="utf-8")))
        FILE.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(FILE, metadata={"Date": None})


if __name__ == "__main__":
    main()
