"""How often is a cause named, a rank called late or a copy called odd, where nothing is planted and all is noise?

    python -m benchmarks.null_study [--points 2000] [--out FILE.json]

A point has 3 to 60 rounds of blocks on 1, 2 or 8 ranks. Every variant of its step takes equally long; what differs is
noise of 1 to 20 % that correlates from block to block (rho 0 to 0.9), half of it shared by all ranks, of three shapes:
normal; bimodal, as where clocks have two states; spiky, one block in twenty half as long again. The same code judges it
as a sweep's points (saih.diagnosis, saih.metrics.device_copies).

A judge that never accuses would pass, too: so the same points are judged again with input that takes 15 % of the step
longer than none, and with one copy of eight that is 10 % slow, and it is counted how often that is found.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from saih import metrics
from saih.app import Cost, Execution
from saih.diagnosis import diagnose
from saih.metrics.device_copies import compare

ROUNDS = (3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
RHOS = (0.0, 0.3, 0.5, 0.7, 0.9)
NOISES = (0.01, 0.03, 0.1, 0.2)
SHAPES = ("normal", "bimodal", "spiky")
RANKS = (1, 2, 8)
SHARED = 0.5
"""Of the variance: what all ranks have in common."""
SPIKES, HEIGHT = 0.05, 0.5
STEP_S, BLOCK_STEPS = 0.02, 10
INPUT, SLOW = 0.15, 0.10
"""What is planted to see whether it is found: a share of the full step, and of a copy's."""


def process(draw: np.random.Generator, blocks: int, rho: float) -> np.ndarray:
    """A normal AR(1) process of standard deviation 1."""
    found = draw.standard_normal(blocks)
    for i in range(1, blocks):
        found[i] = rho * found[i - 1] + math.sqrt(1 - rho * rho) * found[i]
    return found


def block_times(draw: np.random.Generator, blocks: int, ranks: int, rho: float, noise: float, shape: str) -> np.ndarray:
    """Seconds of each block on each rank: (blocks, ranks)."""
    shared = process(draw, blocks, rho)[:, None]
    own = np.stack([process(draw, blocks, rho) for _ in range(ranks)], axis=1)
    x = math.sqrt(SHARED) * shared + math.sqrt(1 - SHARED) * own
    if shape == "bimodal":
        x = np.where(x > 0, 1.0, -1.0) + 0.05 * draw.standard_normal(x.shape)
    times = STEP_S * BLOCK_STEPS * np.exp(noise * x)
    if shape == "spiky":
        times = np.where(draw.random(x.shape) < SPIKES, (1 + HEIGHT) * times, times)
    return times


def samples(
    draw: np.random.Generator, rounds: int, ranks: int, rho: float, noise: float, shape: str, planted: float = 0.0
) -> dict[str, Any]:
    """A point's samples, as a sweep gathers them: variants take turns, and who comes first rotates.

    ``planted``: the share of a step that its input takes.
    """
    names = ["full", "without_input", "without_input_wait"] + (["without_communication"] if ranks > 1 else [])
    times = block_times(draw, rounds * len(names), ranks, rho, noise, shape)
    blocks: dict[str, list[list[float]]] = {name: [] for name in names}
    for i in range(rounds):
        first = i % len(names)
        for place, name in enumerate(names[first:] + names[:first]):
            row = times[i * len(names) + place]
            row = row / (1 - planted) if name in ("full", "without_communication") else row
            alone = name == "without_communication"
            blocks[name].append(list(row) if alone else [float(row.max())] * ranks)
    nothing = [[0.0] * ranks] * rounds
    return {
        "block_steps": BLOCK_STEPS,
        "block_s": blocks,
        "handed_out_s": blocks["full"],
        "phases_s": {"input_wait_s": nothing, "h2d_s": nothing},
        "read_bytes": [[0] * ranks] * rounds,
        "values": {},
        "background": [],
        "telemetry": [],
        "profile": {"why": {"profile": "made"}},
        "stopped": "limit",
    }


def accused(found: dict[str, Any], ranks: int) -> list[str]:
    """What the harness names."""
    run = Execution(ranks, 4, "fp32", "plain", "dataset")
    cost = Cost(10**9, 10**9, 1, 1, 1)
    told = metrics.compute(found, cost, run, {"why": "made"}, {})
    return [str(cause["cause"]) for cause in diagnose(told, found, {}, "cpu")["causes"]]


def odd(
    draw: np.random.Generator, rounds: int, copies: int, rho: float, noise: float, shape: str, slow: float = 0.0
) -> list[bool]:
    """Which of equal copies, each on a device of its own, are called odd; the first is ``slow`` by that share."""
    times = block_times(draw, rounds, copies, rho, noise, shape)
    times[:, 0] *= 1 + slow
    nothing = [[0.0] * copies] * rounds
    found = {
        "block_steps": BLOCK_STEPS,
        "block_s": {"full": times.tolist()},
        "handed_out_s": times.tolist(),
        "phases_s": {},
        "read_bytes": nothing,
        "telemetry": [{}] * copies,
    }
    places = [{"host": "a", "device": f"cuda:{i}", "cores": [i]} for i in range(copies)]
    run = Execution(1, 4, "fp32", "plain", "synthetic")
    return [bool(copy["odd"]) for copy in compare(found, run, places)["copies"]]


def study(points: int) -> dict[str, Any]:
    """Shares of points that accuse something though nothing is planted, and that find what is; by what they are."""
    causes: Counter[str] = Counter()
    rows = []
    for seed in range(points):
        draw = np.random.default_rng(seed)
        made = {
            "rounds": int(draw.choice(ROUNDS)),
            "ranks": int(draw.choice(RANKS)),
            "rho": float(draw.choice(RHOS)),
            "noise": float(draw.choice(NOISES)),
            "shape": str(draw.choice(SHAPES)),
        }
        named = accused(samples(draw, **made), made["ranks"])
        causes.update(named)
        eight = {**made, "copies": 8}
        eight.pop("ranks")
        rows.append(
            made
            | {
                "accused": bool(named),
                "odd": any(odd(draw, **eight)),
                "found": "input" in accused(samples(draw, **made, planted=INPUT), made["ranks"]),
                "slow found": odd(draw, **eight, slow=SLOW)[0],
            }
        )
    results = ("accused", "odd", "found", "slow found")
    by = {
        name: {each: _by(rows, name, each) for each in results} for name in ("rounds", "rho", "noise", "shape", "ranks")
    }
    return {"points": points, **{each: _share(rows, each) for each in results}, "causes": dict(causes), "by": by}


def _share(rows: Sequence[dict[str, Any]], result: str) -> float:
    return round(sum(row[result] for row in rows) / len(rows), 4)


def _by(rows: Sequence[dict[str, Any]], name: str, result: str) -> dict[str, float]:
    values = sorted({row[name] for row in rows})
    return {str(value): _share([row for row in rows if row[name] == value], result) for value in values}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args(arguments)
    found = study(asked.points)
    print(f"{100 * found['accused']:.2f} % of {found['points']} points accuse something: {found['causes']}")
    print(f"{100 * found['odd']:.2f} % of sets of eight copies hold an odd one")
    print(f"planted input of {100 * INPUT:.0f} % is named at {100 * found['found']:.0f} % of points,")
    print(f"a copy slower by {100 * SLOW:.0f} % at {100 * found['slow found']:.0f} %")
    for name, shares in found["by"].items():
        for result, values in shares.items():
            told = ", ".join(f"{value}: {100 * share:.1f} %" for value, share in values.items())
            print(f"{result} by {name}: {told}")
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
