"""How often is a rate approached stated that is none, and how often is one kept back?

    python -m benchmarks.hockney_study [--trials 20] [--out FILE.json]

The same code that judges a growth path in a report (reports/tables/key_numbers.py, `fit_rates`) judges made ones: 4 to
12 sizes that span a factor of 10 to 100,000, of a known form, with log-normal noise of 0 to 10 % between sizes. Their
intervals are those of that noise, or a fifth of them: as where it lies between processes, or in how well a size suits
its kernels. ``n_half`` is drawn from a third of the smallest size to a tenth of the largest.

Of each form: the series with a rate stated, and of those the ones whose interval does not hold the rate that the form
approaches (or that approaches none). Beside them the rule of method version 7, which knew no rivals, stated a rate
where the path still rose, and let it lie below a measured one.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reports.analysis.cases import Quantity
from reports.analysis.hockney import Hockney
from reports.analysis.hockney import _Path as GrowthPath
from reports.analysis.hockney import _too_far as too_far
from reports.analysis.key_numbers import NORMAL_95, fit_rates
from reports.analysis.trend import FLAT

LIMIT = 1e12
"""FLOP/s that the forms which level off approach."""
SIZES, SPANS = (4, 6, 8, 12), (10.0, 100.0, 1e3, 1e5)
NOISES, TOLD = (0.0, 0.01, 0.03, 0.1), (1.0, 0.2)
"""Relative standard deviation between sizes, and how much of it the intervals show."""
ROUNDING = 1e-6
CONFIDENCE = 0.95

Rate = Callable[[float], float]
Truth = Callable[[Sequence[float], random.Random], Rate]
"""Sizes -> the rate at each size."""


def n_half(flop: Sequence[float], draw: random.Random) -> float:
    return math.exp(draw.uniform(math.log(flop[0] / 3), math.log(flop[-1] / 10)))


def power(q: float) -> Truth:
    return lambda flop, draw: lambda n: LIMIT * (n / flop[0]) ** q


def logarithm(flop: Sequence[float], draw: random.Random) -> Rate:
    start = math.exp(draw.uniform(math.log(1.5), math.log(1e6)))
    return lambda n: LIMIT * math.log(start * n / flop[0])


def exponent(p: float) -> Truth:
    def rate(flop: Sequence[float], draw: random.Random) -> Rate:
        half = n_half(flop, draw)
        return lambda n: LIMIT / (1 + (half / n) ** p)

    return rate


def overlapped(flop: Sequence[float], draw: random.Random) -> Rate:
    """The host hides behind the device: the slower of the two sets the pace."""
    half = n_half(flop, draw)
    return lambda n: LIMIT * min(1.0, n / half)


def two_regimes(flop: Sequence[float], draw: random.Random) -> Rate:
    """Another kernel from some size on."""
    at = math.exp(draw.uniform(math.log(flop[0]), math.log(flop[-1])))
    low = LIMIT / draw.uniform(1.3, 5)
    return lambda n: LIMIT if n > at else low


def second_rise(flop: Sequence[float], draw: random.Random) -> Rate:
    """Levels off early, then rises to three times as much near the largest sizes."""
    late = flop[-1] * draw.uniform(0.3, 3)
    return lambda n: LIMIT / (1 + flop[0] / n) * (1 + 2 / (1 + late / n))


def falling(flop: Sequence[float], draw: random.Random) -> Rate:
    """Caches are outgrown: the largest size has lost a quarter to two thirds."""
    start = flop[-1] * draw.uniform(0.5, 3)
    return lambda n: LIMIT / (1 + flop[0] / n) / (1 + n / start)


TRUTHS: dict[str, tuple[Truth, bool]] = {
    "Hockney's": (exponent(1.0), True),
    "level from the first size on": (lambda flop, draw: lambda n: LIMIT, True),
    "n^0.9": (power(0.9), False),
    "n^0.5": (power(0.5), False),
    "n^0.3": (power(0.3), False),
    "n^0.1": (power(0.1), False),
    "log n": (logarithm, False),
    "rises a second time": (second_rise, False),
    "falls again": (falling, False),
    "Hockney's, (n½/n)^0.5": (exponent(0.5), True),
    "Hockney's, (n½/n)^2": (exponent(2.0), True),
    "the slower of two": (overlapped, True),
    "two regimes": (two_regimes, True),
}
"""Name -> the form, and whether it approaches `LIMIT`."""


def series(truth: Truth, sizes: int, span: float, draw: random.Random, noise: float) -> tuple[list[float], list[float]]:
    """Sizes and rates."""
    flop = [1e9 * span ** (i / (sizes - 1)) for i in range(sizes)]
    rate = truth(flop, draw)
    return flop, [rate(n) * math.exp(draw.gauss(0, noise)) for n in flop]


def judge(flop: Sequence[float], rates: Sequence[float], half_width: float) -> Hockney | str:
    """As a report would; ``half_width``: of the intervals, relative."""
    low, high = math.exp(-half_width), math.exp(half_width)
    known = [Quantity(r, "FLOP/s", r * low, r * high) if half_width else Quantity(r, "FLOP/s") for r in rates]
    return fit_rates(flop, known, [f"{n:.3g}" for n in flop])


def before(flop: Sequence[float], rates: Sequence[float], half_width: float) -> tuple[float, float] | None:
    """The interval of the rate approached in method version 7, or None where there was none."""
    low, high = math.exp(-half_width), math.exp(half_width)
    best = max(rates)
    if rates[-1] / best - 1 <= -FLAT and not (half_width and best * low <= rates[-1] * high):
        return None
    path = GrowthPath(flop, [n / r for n, r in zip(flop, rates, strict=True)])
    half = path.best()
    if too_far(path, half):
        return None
    ends = path.ends(half, (high - low) / 2 / NORMAL_95, CONFIDENCE)
    return ends[0] if ends else None


def study(truth: Truth, levels_off: bool, noise: float, trials: int, draw: random.Random) -> dict[str, Any]:
    """How often a rate is stated for this form and noise, and how often that is wrong."""
    n = stated = wrong = stated_before = wrong_before = 0
    reasons: Counter[str] = Counter()
    for told in TOLD:
        for sizes in SIZES:
            for span in SPANS:
                for _ in range(trials):
                    flop, rates = series(truth, sizes, span, draw, noise)
                    found = judge(flop, rates, NORMAL_95 * noise * told)
                    n += 1
                    if ends := before(flop, rates, NORMAL_95 * noise * told):
                        stated_before += 1
                        wrong_before += not (levels_off and _holds(ends, LIMIT))
                    if isinstance(found, str):
                        reasons[_kind(found)] += 1
                        continue
                    stated += 1
                    wrong += not (levels_off and _holds(found.r_inf_ends, LIMIT))
                    assert found.r_inf >= max(rates) * (1 - ROUNDING)
    earlier = {"stated": stated_before, "wrong": wrong_before}
    return {"series": n, "stated": stated, "wrong": wrong, "kept_back": dict(reasons), "version_7": earlier}


def _holds(ends: tuple[float, float], value: float) -> bool:
    return ends[0] * (1 - ROUNDING) <= value <= ends[1] * (1 + ROUNDING)


def _kind(reason: str) -> str:
    """A reason without its figures."""
    kinds = ("still rises", "falls again from", "never levels off", "pattern", "% off", "half is needed", "scatter")
    return next((kind for kind in kinds if kind in reason), reason)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20, help="of each number of sizes, span, noise and interval")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    draw, found = random.Random(16), {}
    for name, (truth, levels_off) in TRUTHS.items():
        found[name] = {f"{noise:g}": study(truth, levels_off, noise, asked.trials, draw) for noise in NOISES}
        for noise, each in found[name].items():
            stated, wrong = (f"{100 * each[key] / each['series']:.1f} %" for key in ("stated", "wrong"))
            earlier = f"{100 * each['version_7']['wrong'] / each['series']:.1f} %"
            print(f"{name}, noise {noise}: stated {stated}, wrong {wrong}; version 7 wrong {earlier}", flush=True)
    if asked.out:
        asked.out.write_text(json.dumps({"trials": asked.trials, "forms": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
