"""The data set of a point: opening it, and which of its samples are trained on."""

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
    """The data set of a point, which holds what the point asks for. Raises InputError naming it.

    ``asks_files``: whether each file is asked for its size, which preparing does once for all ranks and points.
    """
    path, net = set_of(point), network_of(point)
    try:
        found = UniverseSet(path, asks_files)
        training_samples(found)
    except DataError as error:
        raise InputError(str(error)) from error
    if found.edge != net.edge or len(found.redshifts) != net.channels:
        raise InputError(
            f"{path}: holds samples of edge {found.edge} with {len(found.redshifts)} redshifts; this point needs edge "
            f"{net.edge} with {net.channels}"
        )
    if "shifts" in point.data["views"] and not found.header.periodic:
        raise InputError(
            f"data.views = shifts: {path} holds cubes cut from universes, whose faces do not meet; allowed: symmetries"
        )
    return found


def training_samples(universes: UniverseSet) -> Indices:
    """The samples of all universes but those kept for validation. Raises DataError where there are too few."""
    return split(universes.universe, VALIDATION_FRACTION)[0]


def training_files(universes: UniverseSet) -> list[Path]:
    """The files that hold training samples: what a point reads."""
    return [universes.files[i] for i in np.unique(universes.file[training_samples(universes)])]
