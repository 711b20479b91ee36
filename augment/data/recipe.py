"""What a data set is, in a few numbers, and what becomes of them at another size.

A recipe fixes every byte of a data set, up to a device's rounding. Each universe has random numbers of
its own, drawn from the seed and its own number only: a recipe of more universes extends a smaller one,
and a universe keeps its cosmology at every edge.

A larger edge means one of two things, and `growth` says which:

    fixed_box    the same box in finer cells: the same structures in more detail
    fixed_voxel  the same cells in a larger box: more structure in the same detail

A universe may be simulated `cuts` times as wide as a sample and cut into cuts^3 samples. The published
CosmoFlow set (Mathuriya et al. 2018, arXiv:1808.04728; MLPerf HPC) has 4 cuts: 512^3 voxels become 64
samples of 128^3.

This module needs neither torch nor h5py, so that planning works without them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment.errors import DataError

# Part of the digest: raise it with any change of the physics, the random numbers or the order of samples.
RECIPE_VERSION = 2
REDSHIFTS = (0.0, 0.5, 1.5, 3.0)
GROWTHS = ("fixed_box", "fixed_voxel")
SMALLEST_EDGE, LARGEST_GRID = 4, 4096
STEPS, MOST_STEPS = 10, 1000

_LABELS, _NOISE = 1, 2  # the random streams of a universe
_INTEGER = (int, np.integer)
_REAL = (int, float, np.integer, np.floating)


@dataclass(frozen=True)
class Recipe:
    """A data set: `universes` times cuts^3 samples of edge^3 voxels, with a channel for each redshift.

    box_mpc_h is the width of one sample in comoving Mpc/h at this edge, whatever a universe's H0 is. steps are the
    simulation's from a = 0.1 to a = 1; 0 leaves 2LPT alone.
    Raises DataError that names the key, what was given and what is allowed.
    """

    universes: int
    edge: int
    seed: int = 1
    growth: str = "fixed_box"
    box_mpc_h: float = 128.0
    cuts: int = 1
    redshifts: tuple[float, ...] = REDSHIFTS
    steps: int = STEPS

    def __post_init__(self) -> None:
        self.validate()
        # One spelling of one recipe: 128 and 128.0, a list and a tuple, must share a digest.
        for key in ("universes", "edge", "seed", "cuts", "steps"):
            object.__setattr__(self, key, int(getattr(self, key)))
        object.__setattr__(self, "box_mpc_h", float(self.box_mpc_h))
        object.__setattr__(self, "redshifts", tuple(float(abs(z)) for z in self.redshifts))  # no -0.0

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> Recipe:
        """A recipe from the keys and values of a configuration; unknown and missing keys are DataErrors."""
        if not isinstance(given, Mapping):
            raise DataError(f"recipe = {given!r}: must be keys and values, such as universes: 8, edge: 32")
        keys = [field.name for field in fields(cls)]
        for key in given:
            if key not in keys:
                raise DataError(f"recipe: unknown key {key!r}; the keys are {', '.join(keys)}")
        for key in ("universes", "edge"):
            if key not in given:
                raise DataError(f"recipe: the key {key!r} is missing")
        return cls(**given)

    def validate(self) -> None:
        """Raises DataError for the first value that is not allowed."""
        _check_integer("universes", self.universes, 2, 2**31 - 1)
        _check_integer("edge", self.edge, SMALLEST_EDGE, LARGEST_GRID)
        _check_integer("seed", self.seed, 0, 2**63 - 1)
        if self.growth not in GROWTHS:
            raise DataError(f"growth = {self.growth!r}: must be {' or '.join(GROWTHS)}")
        _check_number("box_mpc_h", self.box_mpc_h, 1.0, 1e5)
        _check_integer("cuts", self.cuts, 1, LARGEST_GRID // self.edge)
        if not isinstance(self.redshifts, tuple | list) or not self.redshifts:
            raise DataError(f"redshifts = {self.redshifts!r}: must be a list of at least one number")
        for redshift in self.redshifts:
            _check_number("redshifts", redshift, 0.0, 50.0)
        if len(set(self.redshifts)) < len(self.redshifts):
            raise DataError(f"redshifts = {list(self.redshifts)}: must differ from one another")
        _check_integer("steps", self.steps, 0, MOST_STEPS)

    def at(self, edge: int) -> Recipe:
        """The same universes at another edge: in finer cells, or in a wider box, as `growth` says."""
        _check_integer("edge", edge, SMALLEST_EDGE, LARGEST_GRID)
        wider = self.box_mpc_h * edge / self.edge
        return replace(self, edge=edge, box_mpc_h=wider if self.growth == "fixed_voxel" else self.box_mpc_h)

    @property
    def grid_edge(self) -> int:
        """Voxels a side of a simulated universe, before it is cut."""
        return self.cuts * self.edge

    @property
    def grid_box_mpc_h(self) -> float:
        """Width of a simulated universe in comoving Mpc/h."""
        return self.cuts * self.box_mpc_h

    @property
    def samples_per_universe(self) -> int:
        """Cubes that a universe is cut into."""
        return self.cuts**3

    @property
    def samples(self) -> int:
        """Samples of the whole data set."""
        return self.universes * self.samples_per_universe

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample's int16 counts."""
        return 2 * self.edge**3 * len(self.redshifts)

    @property
    def periodic(self) -> bool:
        """True if opposite faces of a sample touch: true of whole universes, not of cubes cut from one."""
        return self.cuts == 1

    def digest(self) -> str:
        """16 hex digits that name the content: equal for equal recipes and the same RECIPE_VERSION."""
        content = json.dumps({"version": RECIPE_VERSION, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def labels(self, universe: int) -> NDArray[np.float32]:
        """u ~ U(-1, 1) of one universe, shape (4,): the same at every edge and in longer recipes."""
        return np.random.default_rng(self._stream(universe, _LABELS)).uniform(-1, 1, 4).astype(np.float32)

    def noise_seed(self, universe: int) -> int:
        """The seed of one universe's initial noise."""
        return int(self._stream(universe, _NOISE).generate_state(1, np.uint64)[0])

    def _stream(self, universe: int, purpose: int) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.seed, spawn_key=(universe, purpose))


def _check_integer(key: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, _INTEGER) or value < low:
        raise DataError(f"{key} = {value!r}: must be an integer of at least {low}")
    if value > high:
        raise DataError(f"{key} = {value!r}: must be an integer of at most {high}")


def _check_number(key: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, _REAL) or not low <= value <= high:
        raise DataError(f"{key} = {value!r}: must be a number from {low:g} to {high:g}")
