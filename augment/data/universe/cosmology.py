"""A flat universe of matter and a cosmological constant: the amount of structure, and its growth.

Four numbers describe a universe: the matter density, the amplitude of structure sigma8, the tilt ns of the
primordial spectrum, and the Hubble constant. A network learns them as labels u in [-1, 1], where
value = (1 + 0.1 u) * fiducial. Fiducials, spread and baryon density are those of the CosmoFlow universes
(github.com/NERSC/cosmoflow-sims, janWorkflow/prepMusic_4par.sh).

- Linear power today: P(k) = A k^ns T(k)^2, with the transfer function T of Eisenstein & Hu (1998, ApJ
  496, 605) and A such that the variance in spheres of 8 Mpc/h is sigma8^2.
- Linear growth of matter and Lambda, without radiation: D(a) ~ a 2F1(1/3, 1; 11/6; -a^3 (1 - Om) / Om), with
  D = 1 today. It is the growth integral of Heath (1977, MNRAS 179, 351) in closed form.
- Second order: D2 = -3/7 D^2 Om(z)^(-1/143), the fit of Bouchet et al. (1995, A&A 296, 575) for flat
  universes.

Distances are comoving Mpc/h, wavenumbers h/Mpc, power (Mpc/h)^3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property

import numpy as np
from colossus.cosmology.power_spectrum import modelEisenstein98
from numpy.typing import ArrayLike, NDArray
from scipy.special import hyp2f1

from augment.errors import DataError

OMEGA_B = 0.045
T_CMB_K = 2.7255
SPREAD = 0.1
FIDUCIAL = {"omega_m": 0.3, "sigma8": 0.8, "ns": 0.96, "h0": 70.0}
LABEL_NAMES = tuple(FIDUCIAL)

_ALLOWED = {"omega_m": (OMEGA_B, 1.0), "sigma8": (0.0, 10.0), "ns": (-1.0, 3.0), "h0": (0.0, 500.0)}


@dataclass(frozen=True)
class Cosmology:
    """One flat universe. Raises DataError for values outside the allowed ranges.

    omega_m: matter density today, in units of the critical density (baryons, 0.045, included)
    sigma8:  rms linear density contrast today in spheres of 8 Mpc/h
    ns:      tilt of the primordial spectrum
    h0:      Hubble constant in km/s/Mpc
    """

    omega_m: float = FIDUCIAL["omega_m"]
    sigma8: float = FIDUCIAL["sigma8"]
    ns: float = FIDUCIAL["ns"]
    h0: float = FIDUCIAL["h0"]

    def __post_init__(self) -> None:
        for name, (low, high) in _ALLOWED.items():
            value = getattr(self, name)
            if not low < value < high:  # NaN fails too
                raise DataError(f"{name} = {value}: must lie between {low:g} and {high:g}")

    @classmethod
    def from_labels(cls, u: Sequence[float] | NDArray[np.floating]) -> Cosmology:
        """Return the universe with labels u, in the order of LABEL_NAMES. Raises DataError unless there are four."""
        if len(u) != len(LABEL_NAMES):
            raise DataError(f"{len(u)} labels: must be {len(LABEL_NAMES)} ({', '.join(LABEL_NAMES)})")
        return cls(*((1 + SPREAD * float(ui)) * mean for ui, mean in zip(u, FIDUCIAL.values(), strict=True)))

    def labels(self) -> NDArray[np.float64]:
        """Return the labels u of this universe, shape (4,)."""
        fiducial = np.array(tuple(FIDUCIAL.values()), dtype=np.float64)
        return (self.values() / fiducial - 1) / SPREAD

    def values(self) -> NDArray[np.float64]:
        """Return the four physical values, shape (4,)."""
        return np.array(astuple(self), dtype=np.float64)

    def linear_power(self, k_h_mpc: ArrayLike) -> NDArray[np.float64]:
        """Return P(k) today in (Mpc/h)^3, for wavenumbers above 0 in h/Mpc; same shape as k."""
        k = np.asarray(k_h_mpc, dtype=np.float64)
        return np.asarray(self._amplitude * self._unnormalised_power(k))

    def growth(self, redshift: float) -> float:
        """Return D(z), linear growth relative to today."""
        return self._unnormalised_growth(1 / (1 + redshift)) / self._unnormalised_growth(1.0)

    def second_growth(self, redshift: float) -> float:
        """Return D2(z), second-order growth: negative, for positions q + D psi1 + D2 psi2."""
        matter = self.omega_m * (1 + redshift) ** 3
        omega_m_z = matter / (matter + 1 - self.omega_m)
        return float(-3 / 7 * self.growth(redshift) ** 2 * omega_m_z ** (-1 / 143))

    def time_factor(self, a: float) -> float:
        """Return Q(a) = a^3 H(a) / H0; with T = Q d/da, matter under the pull g moves as T^2 s = 3/2 Om a g."""
        return float(a**3 * math.sqrt(self.omega_m / a**3 + 1 - self.omega_m))

    def _unnormalised_growth(self, a: float) -> float:
        lambda_over_matter = (1 - self.omega_m) / self.omega_m
        return a * float(hyp2f1(1 / 3, 1, 11 / 6, -(a**3) * lambda_over_matter))

    def _unnormalised_power(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        # The bare fitting formula: colossus' Cosmology objects add global state and files on disk.
        transfer = modelEisenstein98(k, self.h0 / 100, self.omega_m, OMEGA_B, T_CMB_K)
        return np.asarray(k**self.ns * transfer**2, dtype=np.float64)

    @cached_property
    def _amplitude(self) -> float:
        # sigma8^2 = integral over ln k of k^3 P / (2 pi^2) W(8 k)^2, with W the transform of a sphere.
        log_k = np.linspace(math.log(1e-5), math.log(1e2), 8192)
        k = np.exp(log_k)
        x = 8 * k
        # Below x = 0.01 the difference loses its digits, and W is 1 to 1e-5.
        window = np.where(x < 0.01, 1.0, 3 * (np.sin(x) - x * np.cos(x)) / x**3)
        variance = np.trapezoid(k**3 * self._unnormalised_power(k) * window**2 / (2 * math.pi**2), log_k)
        return float(self.sigma8**2 / variance)
