"""Small data sets of random counts: what tests need that are not about the physics."""

import json
from pathlib import Path

import numpy as np

from augment.data.reading.sample_reader import SampleReader
from augment.data.storage.data_set import UniverseSet, name_of, seal
from augment.data.storage.universe_file import Header
from augment.data.storage.universe_writer import UniverseWriter

REDSHIFTS = (0.0, 0.5, 1.5, 3.0)


def header(samples: int = 1, edge: int = 8, periodic: bool = True) -> Header:
    return Header(
        samples=samples,
        edge=edge,
        redshifts=REDSHIFTS,
        box_mpc_h=16.0 * edge,
        growth="fixed_box",
        periodic=periodic,
        label_names=("omega_m", "sigma8", "ns", "h0"),
        digest="0123456789abcdef",
        provenance=json.dumps({"operation": "random"}),
    )


def counts_of(universe: int, row: int, edge: int = 8) -> np.ndarray:
    return np.random.default_rng([universe, row]).poisson(1.0, (edge, edge, edge, 4)).astype(np.int16)


def labels_of(universe: int) -> np.ndarray:
    return np.random.default_rng(universe).uniform(-1, 1, 4).astype(np.float32)


def write_universe(
    folder: Path, universe: int, samples: int = 1, edge: int = 8, compression: str | None = None
) -> Path:
    path = folder / name_of(universe)
    with UniverseWriter(path, header(samples, edge, samples == 1), compression) as writer:
        for row in range(samples):
            writer.append(counts_of(universe, row, edge), labels_of(universe), labels_of(universe) + 1.0, universe)
    return path


def random_set(
    folder: Path, universes: int = 3, samples: int = 1, edge: int = 8, compression: str | None = None
) -> UniverseSet:
    """`universes` universes of `samples` samples each; periodic where they are whole."""
    for universe in range(universes):
        write_universe(folder, universe, samples, edge, compression)
    return seal(folder)


def counts_in(universes: UniverseSet) -> np.ndarray:
    """All counts of a data set, each sample checked."""
    out = np.empty((universes.samples, *universes.header.sample_shape), np.int16)
    reader = SampleReader(universes)
    for sample in range(universes.samples):
        reader.read(sample, out[sample])
    reader.close()
    return out
