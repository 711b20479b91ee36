"""The data set of a point: opening it, and selecting its training samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from apps.cosmoflow.input.sample_order import Indices
from apps.cosmoflow.input.settings import set_of
from apps.cosmoflow.network.architecture import network_of
from augment.data.storage.data_set import UniverseSet
from augment.data.storage.universe_file import split
from augment.errors import DataError
from saih.app import InputError, Point

VALIDATION_FRACTION = 0.125  # of the universes; MLPerf has a ninth of the samples


def open_set(point: Point, asks_files: bool = False) -> UniverseSet:
    """Open the data set of a point and check that it fits the point. Raises InputError naming the data set.

    `asks_files`: True if the size of each file is checked, which preparing does once for all ranks and points.
    """
    path, net = set_of(point), network_of(point)
    try:
        data = UniverseSet(path, asks_files)
        training_samples(data)
    except DataError as error:
        raise InputError(str(error)) from error
    if data.edge != net.edge or len(data.redshifts) != net.channels:
        raise InputError(
            f"{path}: holds samples of edge {data.edge} with {len(data.redshifts)} redshifts; this point needs edge "
            f"{net.edge} with {net.channels}"
        )
    if "shifts" in point.data["views"] and not data.header.periodic:
        raise InputError(
            f"data.views = shifts: {path} holds cubes cut from universes, whose faces do not meet; allowed: symmetries"
        )
    return data


def training_samples(universes: UniverseSet) -> Indices:
    """Return the samples of all universes but those kept for validation. Raises DataError if there are too few."""
    return split(universes.universe, VALIDATION_FRACTION)[0]


def training_files(universes: UniverseSet) -> list[Path]:
    """Return the files with training samples, which a point reads."""
    return [universes.files[i] for i in np.unique(universes.file[training_samples(universes)])]
