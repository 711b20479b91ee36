"""From published CosmoFlow files to a file of universes, which trains like one of our own.

Labels are the published ones, and parameters follow from them: value = (1 + 0.1 u) * fiducial. Samples with
the same labels are taken for one universe: labels were drawn at random, and whatever the files are called, a
split by universe must never part samples that share them. Universes are numbered 0, 1, ... in the order in
which they first appear, and not by their names, so that `store.split` divides even a few of them.

The sources are read twice: once to check all of them and to count, before anything is written, and once to
copy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augment.data import published
from augment.data.cosmology import LABEL_NAMES, Cosmology
from augment.data.recipe import REDSHIFTS
from augment.data.store import Header, Progress, holds, sample_crc32
from augment.data.write import UniverseWriter
from augment.errors import DataError

# Part of the digest: raise it with any change of what a converted file holds.
CONVERSION_VERSION = 1
VOXEL_MPC_H = 1.0  # 512 voxels across some 512 Mpc/h; exact where H0 is 70 km/s/Mpc

_LIBRARIES = ("numpy", "h5py", "google-crc32c")

# What identifies a sample: its labels' bytes, float32 (4,), and the CRC-32 of its counts.
_Identity = tuple[bytes, int]


def convert(
    sources: Sequence[str | Path], path: str | Path, edge: int = published.EDGE, progress: Progress | None = None
) -> Path:
    """Writes the samples of published files, in the order given, into one file of universes; returns its path.

    Every source must give cubes of this edge, as `published.read` says. A file that already holds these
    samples is left as it is. progress(done, total) is called after each source of either reading. Raises
    DataError for a source that cannot be trusted, before anything is written, and where `path` holds
    something else.
    """
    path = Path(path)
    _check_sources(sources)
    identities = _survey(sources, edge, progress)
    digest = _digest(identities, edge)
    if holds(path, digest, "other samples"):
        return path
    with UniverseWriter(path, _header(identities, edge, digest, sources)) as writer:
        _copy(sources, identities, writer, progress)
    return path


def _check_sources(sources: Sequence[str | Path]) -> None:
    if not sources:
        raise DataError("no sources: name at least one published file")
    seen: set[Path] = set()
    for source in sources:
        if Path(source).resolve() in seen:
            raise DataError(f"{source}: given twice")
        seen.add(Path(source).resolve())


def _survey(sources: Sequence[str | Path], edge: int, progress: Progress | None) -> list[_Identity]:
    identities: list[_Identity] = []
    for done, source in enumerate(sources, 1):
        for sample in published.read(source, edge):
            _parameters(sample)
            identities.append(_identity(sample))
        if progress:
            progress(done, 2 * len(sources))
    return identities


def _copy(
    sources: Sequence[str | Path], identities: list[_Identity], writer: UniverseWriter, progress: Progress | None
) -> None:
    edge, numbers = writer.header.edge, _universe_numbers(identities)
    expected: Iterator[_Identity] = iter(identities)
    for done, source in enumerate(sources, 1):
        for sample in published.read(source, edge):
            identity = _identity(sample)
            if identity != next(expected, None):
                raise DataError(f"{sample.source}: changed while it was converted")
            writer.append(sample.counts, sample.labels, _parameters(sample), numbers[identity[0]])
        if progress:
            progress(len(sources) + done, 2 * len(sources))
    if next(expected, None) is not None:
        raise DataError(f"{sources[-1]}, or a source before it: lost samples while it was converted")


def _parameters(sample: published.Sample) -> NDArray[np.float64]:
    try:
        return Cosmology.from_labels(sample.labels).values()
    except DataError as error:
        raise DataError(f"{sample.source}: labels {sample.labels.tolist()}: {error}") from error


def _identity(sample: published.Sample) -> _Identity:
    # + 0.0: the two zeros are one label.
    return (sample.labels + 0.0).tobytes(), sample_crc32(sample.counts)


def _universe_numbers(identities: Sequence[_Identity]) -> dict[bytes, int]:
    return {labels: number for number, labels in enumerate(dict.fromkeys(labels for labels, _ in identities))}


def _digest(identities: Sequence[_Identity], edge: int) -> str:
    """16 hex digits that name the content: equal for equal samples in the same order, whatever file held them."""
    samples = [(labels.hex(), crc32) for labels, crc32 in identities]
    content = json.dumps({"conversion_version": CONVERSION_VERSION, "edge": edge, "samples": samples})
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _header(identities: Sequence[_Identity], edge: int, digest: str, sources: Sequence[str | Path]) -> Header:
    names = [Path(source).name for source in sources]
    provenance = {
        "published": "CosmoFlow",
        "sources": len(names),
        "first_source": names[0],
        "last_source": names[-1],
        "universes": len(_universe_numbers(identities)),
        "conversion_version": CONVERSION_VERSION,
        "digest": digest,
        "libraries": {name: version(name) for name in _LIBRARIES},
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return Header(
        samples=len(identities),
        edge=edge,
        redshifts=REDSHIFTS,
        box_mpc_h=VOXEL_MPC_H * edge,
        growth="fixed_voxel",  # cut to another edge, a cube shows the same voxels in another box
        periodic=False,  # true of cubes; of a whole universe it promises less than there is
        label_names=LABEL_NAMES,
        digest=digest,
        provenance=json.dumps(provenance),
    )
