"""The amount of structure at each scale: the power spectrum of counts, and the correlation of two volumes.

The overdensity delta = counts / mean - 1 of a periodic box of volume V is a sum of waves,
delta(x) = sum over k of delta_k exp(i k x), and its power (Peebles 1980, The Large-Scale Structure of the
Universe, section 41) is

    P(k) = V <|delta_k|^2>     in (Mpc/h)^3, k = 2 pi n / L in h/Mpc

the mean over a shell of |n|. Particles put down at random have P = V / particles at every k, the shot noise; it
is included in the power here, and not subtracted.

Counting in voxels averages over each: a wave n of an E^3 grid keeps the fraction W = prod_i sinc(pi n_i / E) of
its amplitude and W^2 of its power (Hockney & Eastwood 1988; Jing 2005, ApJ 620, 559): along an axis 0.81 at half
the Nyquist frequency, 0.95 at a quarter. Dividing by W^2 restores waves that the grid resolves. It also raises shot
noise, which aliasing keeps white in counts.

Cut volumes are not periodic: their faces add spurious power, so spectra are those of whole universes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment.data.volumes.symmetries import edge_of
from augment.errors import DataError

_Modes = NDArray[np.complex128]


@dataclass(frozen=True)
class Spectrum:
    """Power by shell; Gaussian fields scatter by power / sqrt(modes)."""

    k_h_mpc: NDArray[np.float64]  # (shells,), the mean |k| of the shell's waves
    power: NDArray[np.float64]  # (shells, channels), (Mpc/h)^3
    modes: NDArray[np.int64]  # (shells,), independent waves: k and -k are one


def power(
    counts: NDArray[Any], box_mpc_h: float, shells: Sequence[float] | None = None, window: bool = True
) -> Spectrum:
    """Return the power of the overdensity of counts (edge, edge, edge, channels) in a periodic box of this width.

    shells: borders of shells of |n| (waves a box), ascending, above 0 and up to edge / 2, the Nyquist
    frequency; by default 0.5, 1.5, 2.5, ..., whose lowest shells hold 9, 31 and 49 independent waves.
    window: divide by W^2, as is right for counts; False is for a field known at points.

    Raises DataError for a width or shells outside their ranges.
    """
    edge = edge_of(counts)
    if not box_mpc_h > 0:
        raise DataError(f"box_mpc_h = {box_mpc_h!r}: must be above 0")
    waves = _Shells(edge, shells)
    volume = box_mpc_h**3
    correction = _window(edge) ** -2 if window else np.ones(())
    by_channel = [waves.mean(np.abs(modes) ** 2 * correction) for modes in map(_modes, _channels(counts))]
    k_h_mpc = 2 * math.pi / box_mpc_h * waves.mean(waves.length)
    return Spectrum(k_h_mpc, volume * np.stack(by_channel, axis=1), waves.independent)


def cross_correlation(a: NDArray[Any], b: NDArray[Any], shells: Sequence[float] | None = None) -> NDArray[np.float64]:
    """Return r = P_ab / sqrt(P_a P_b) by shell, (shells, channels): 1 for equal phases, 0 for unrelated volumes.

    a, b: counts of one shape, (edge, edge, edge, channels); shells as in `power`. A constant factor, such as the growth
    of structure, cancels. nan if one of them has no power at all. Raises DataError for different shapes.
    """
    if a.shape != b.shape:
        raise DataError(f"volumes of shape {a.shape} and {b.shape}: must have one shape")
    waves = _Shells(edge_of(a), shells)

    def channel(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
        x, y = _modes(left), _modes(right)
        norm = np.sqrt(waves.mean(np.abs(x) ** 2) * waves.mean(np.abs(y) ** 2))
        shared = waves.mean((x * y.conj()).real)
        return np.divide(shared, norm, out=np.full_like(norm, np.nan), where=norm > 0)

    return np.stack([channel(x, y) for x, y in zip(_channels(a), _channels(b), strict=True)], axis=1)


class _Shells:
    """The shell of each wave in rfftn's half space; a wave off the planes nz = 0 represents -n too."""

    def __init__(self, edge: int, shells: Sequence[float] | None) -> None:
        borders = _borders(edge, shells)
        x, y, z = _indices(edge)
        self.length = np.sqrt(x**2 + y**2 + z**2)
        self._which = np.digitize(self.length, borders).ravel()
        self._twice = np.broadcast_to(np.where(z == 0, 1.0, 2.0), self.length.shape).ravel()
        self._inside = slice(1, len(borders))
        self._waves = np.bincount(self._which, self._twice, len(borders) + 1)[self._inside]
        if not self._waves.all():
            raise DataError(f"shells = {borders.tolist()}: a shell holds no wave")
        self.independent = (self._waves / 2).astype(np.int64)

    def mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean of values (edge, edge, edge // 2 + 1) over the waves of each shell."""
        sums = np.bincount(self._which, self._twice * values.ravel(), len(self._waves) + 2)
        means: NDArray[np.float64] = sums[self._inside] / self._waves
        return means


def _borders(edge: int, shells: Sequence[float] | None) -> NDArray[np.float64]:
    borders = np.asarray(np.arange(0.5, edge / 2 + 0.25) if shells is None else shells, np.float64)
    if borders.ndim != 1 or len(borders) < 2 or not (borders[0] > 0 and borders[-1] <= edge / 2):
        raise DataError(f"shells = {borders.tolist()}: must be two or more borders above 0, up to {edge / 2:g}")
    if not (np.diff(borders) > 0).all():
        raise DataError(f"shells = {borders.tolist()}: must ascend")
    return borders


def _channels(counts: NDArray[Any]) -> list[NDArray[Any]]:
    return [counts[..., channel] for channel in range(counts.shape[3])]


def _modes(counts: NDArray[Any]) -> _Modes:
    # delta_k of one channel, complex128 (edge, edge, edge // 2 + 1); one channel at a time saves memory.
    mean = counts.mean(dtype=np.float64)
    if not mean > 0:
        raise DataError(f"the mean count is {mean:g}: an overdensity needs a mean above 0 (of a contrast, give 1 + it)")
    modes: _Modes = np.fft.rfftn(counts / mean - 1, norm="forward")
    return modes


def _indices(edge: int) -> list[NDArray[np.float64]]:
    full = np.asarray(np.fft.fftfreq(edge, 1 / edge), np.float64)
    half = np.asarray(np.fft.rfftfreq(edge, 1 / edge), np.float64)
    return [full[:, None, None], full[None, :, None], half[None, None, :]]


def _window(edge: int) -> NDArray[np.float64]:
    return reduce(np.multiply, [np.sinc(index / edge) for index in _indices(edge)])
