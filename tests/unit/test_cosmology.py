"""Power and growth against independent solutions: other integrals, colossus' objects, growth equations."""

import itertools
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from colossus.cosmology import cosmology as colossus_cosmology
from scipy.integrate import quad, solve_ivp
from scipy.special import spherical_jn

from augment.data.universe.cosmology import LABEL_NAMES, Cosmology
from augment.errors import DataError

UNIVERSES = [Cosmology(), Cosmology(0.33, 0.72, 1.05, 63.0), Cosmology(0.27, 0.88, 0.87, 77.0)]


@pytest.mark.parametrize("universe", UNIVERSES)
def test_power_has_sigma8(universe):
    def integrand(log_k):
        k = math.exp(log_k)
        window = 3 * spherical_jn(1, 8 * k) / (8 * k)
        return k**3 * float(universe.linear_power(k)) / (2 * math.pi**2) * window**2

    pieces = np.linspace(math.log(1e-4), math.log(30), 12)
    variance = sum(quad(integrand, a, b)[0] for a, b in itertools.pairwise(pieces))
    assert math.sqrt(variance) == pytest.approx(universe.sigma8, rel=1e-4)


@pytest.mark.parametrize("universe", UNIVERSES)
def test_power_is_that_of_colossus(universe):
    other = colossus_cosmology.Cosmology(
        name="other", flat=True, Om0=universe.omega_m, Ob0=0.045, H0=universe.h0, sigma8=universe.sigma8,
        ns=universe.ns, relspecies=False, persistence="",
    )  # fmt: skip
    k_h_mpc = np.geomspace(1e-3, 10, 200)
    np.testing.assert_allclose(universe.linear_power(k_h_mpc), other.matterPowerSpectrum(k_h_mpc), rtol=5e-3)


def test_colossus_leaves_no_trace(tmp_path):
    code = (
        "from augment.data.universe.cosmology import Cosmology; from colossus.cosmology import cosmology;"
        "Cosmology().linear_power([0.1]); assert cosmology.current_cosmo is None"
    )
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("universe", UNIVERSES)
@pytest.mark.parametrize("redshift", [0.0, 0.5, 1.5, 3.0, 20.0])
def test_growth_is_the_growth_integral(universe, redshift):
    def expansion(a):
        return math.sqrt(universe.omega_m / a**3 + 1 - universe.omega_m)

    def heath(a):
        return expansion(a) * quad(lambda x: (x * expansion(x)) ** -3, 0, a)[0]

    assert universe.growth(redshift) == pytest.approx(heath(1 / (1 + redshift)) / heath(1), rel=1e-6)


@pytest.mark.parametrize("universe", UNIVERSES)
def test_second_growth_solves_its_equation(universe):
    # D2'' + (2 + H'/H) D2' = 3/2 Om(a) (D2 - D^2), primes in ln a; deep in matter domination D2 = -3/7 D^2.
    def derivatives(log_a, state):
        matter = universe.omega_m * math.exp(-3 * log_a)
        omega = matter / (matter + 1 - universe.omega_m)
        growth = universe.growth(math.exp(-log_a) - 1)
        return [state[1], 1.5 * omega * (state[0] - growth**2) - (2 - 1.5 * omega) * state[1]]

    start, redshifts = math.log(1e-2), (3.0, 1.5, 0.5, 0.0)
    first = -3 / 7 * universe.growth(99) ** 2
    times = [-math.log1p(z) for z in redshifts]
    solution = solve_ivp(derivatives, (start, 0.0), [first, 2 * first], t_eval=times, rtol=1e-8, atol=1e-12)
    for redshift, exact in zip(redshifts, solution.y[0], strict=True):
        assert universe.second_growth(redshift) == pytest.approx(exact, rel=2e-3)


def test_labels_and_values():
    u = np.array([-1.0, 0.25, 0.5, 1.0])
    universe = Cosmology.from_labels(u)
    np.testing.assert_allclose(universe.values(), [0.27, 0.82, 1.008, 77.0])
    np.testing.assert_allclose(universe.labels(), u)
    np.testing.assert_allclose(Cosmology().labels(), np.zeros(4), atol=1e-12)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"omega_m": 0.04}, "omega_m = 0.04"),
        ({"omega_m": 1.2}, "omega_m = 1.2"),
        ({"sigma8": -0.8}, "sigma8 = -0.8"),
        ({"ns": math.nan}, "ns = nan"),
        ({"h0": math.inf}, "h0 = inf"),
    ],
)
def test_impossible_universes(values, named):
    with pytest.raises(DataError, match=named):
        Cosmology(**values)


def test_wrong_number_of_labels():
    with pytest.raises(DataError, match="3 labels: must be 4 .*" + ", ".join(LABEL_NAMES)):
        Cosmology.from_labels([0.0, 0.0, 0.0])
