"""How many universes an hour: ours beside independent codes, on the same cores in the same run, and on a GPU alone.

    python -m benchmarks.universes_per_hour [--edges 64 128] [--threads 1 2] [--repeats 5] [--peer-python PYTHON]
    python -m benchmarks.universes_per_hour --device cuda --edges 256 512

`evolve` is what the peers can be compared in: from 2LPT's displacements in memory to the particles' places today, ten
equal steps from a = 0.1, a mesh as fine as the particles. `universe` is ours only: everything from the seed to int16
counts at four redshifts, which takes 11 steps. Every measurement is a fresh process bound to as many cores as threads;
it runs twice, and the second time counts, so that compiling and planning do not. Codes take turns.

That the accuracy is the same is measured on the very particles that were timed: power ours / theirs and the
cross-correlation, the worst of the shells up to half the Nyquist frequency, clouds in cells for both.

Peers (benchmarks/peers.py) are timed where PYTHON can import them. pmpp 1.1.0 installs too and is left out: timed once
alone it took 1.9 s at edge 64. Prints one line of JSON at the end, and writes it to results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from augment.data.recipe import REDSHIFTS
from augment.data.universe.cola import evolve
from augment.data.universe.cosmology import Cosmology
from augment.data.universe.memory import memory_bytes
from augment.data.universe.mesh import UNITS, paint
from augment.data.universe.simulate import simulate
from augment.data.volumes.spectrum import cross_correlation, power
from benchmarks.initial import SEED, equal_steps, lines_of, psi_in_cells, write_inputs

RESULTS = Path(__file__).with_name("results")
PEERS = ("pycola3", "jaxpm")


def timed(device: str, work: Any) -> float:
    begin = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def peak_bytes(device: str) -> int:
    """The largest allocation so far; on a CPU, of the process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def measure(what: str, edge: int, device: str, keep: str) -> dict[str, Any]:
    """One measurement of ours, in the process that this runs in."""
    simulate(Cosmology(), 16, 16.0, device=device, steps=1)  # libraries load
    before = peak_bytes(device) if device == "cpu" else 0
    if what == "universe":
        seconds = [timed(device, lambda: simulate(Cosmology(), edge, float(edge), REDSHIFTS, SEED, device))]
        seconds += [timed(device, lambda: simulate(Cosmology(), edge, float(edge), REDSHIFTS, SEED, device))]
        told = memory_bytes(edge, REDSHIFTS, 10, device)
        return {"seconds": seconds, "peak_bytes": peak_bytes(device) - before, "memory_bytes": told}
    psi = psi_in_cells(edge, float(edge), device=device)
    found: list[torch.Tensor] = []
    seconds = [timed(device, lambda: found.extend(evolve(Cosmology(), *psi, [1.0], 10))) for _ in range(2)]
    moved = found[-1]
    if keep:
        np.save(keep, moved.view(edge, edge, edge, 3).permute(3, 0, 1, 2).cpu().numpy())
    return {"seconds": seconds}


def measure_in_process(
    what: str, edge: int, device: str, threads: int, keep: str = "", lean: bool = False
) -> dict[str, Any]:
    words = [sys.executable, "-m", "benchmarks.universes_per_hour", "--one", what, "--edges", str(edge)]
    words += ["--device", device, "--threads", str(threads), "--keep", keep]
    # glibc keeps freed memory of small meshes. Lean, it does not, so that the peak is that of the arrays; that is slow.
    extra = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "262144"} if lean else {}
    done = subprocess.run(words, env=os.environ | extra, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure_peer(python: str, name: str, edge: int, threads: int, folder: Path) -> dict[str, Any]:
    made = folder / f"{name}-{edge}.npz"
    words = [python, "-m", "benchmarks.peers", name, str(folder / f"{edge}.npz"), str(made), str(threads)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    with np.load(made) as found:
        return {"seconds": found["seconds"].tolist()}


def installed_peers(python: str) -> dict[str, str]:
    """Versions of the peers that this interpreter can import."""
    ask = "import sys; from importlib import import_module; from importlib.metadata import version; "
    found = {}
    for name in PEERS:
        words = [python, "-c", ask + f"import_module({name!r}); print(version({name!r}))"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found[name] = done.stdout.strip()
        else:
            print(f"{name} is not installed: not timed", file=sys.stderr)
    return found


def accuracy(edge: int, names: list[str], folder: Path) -> dict[str, Any]:
    """Ours against each peer, of the particles that were timed."""

    def field(moved: Any) -> Any:
        return paint(lines_of(moved)).numpy()[..., None] / UNITS

    shells = [0.5, *np.arange(2.5, edge / 4 + 1, edge / 32)]
    ours, found = field(np.load(folder / f"saih-{edge}.npy")), {}
    for name in names:
        theirs = field(np.load(folder / f"{name}-{edge}.npz")["moved"])
        ratio = power(ours, 1.0, shells, False).power / power(theirs, 1.0, shells, False).power
        found[name] = {
            "power_ratio_furthest_from_1": round(float(ratio.flat[np.abs(ratio - 1).argmax()]), 4),
            "least_cross_correlation": round(float(cross_correlation(ours, theirs, shells).min()), 4),
        }
    return found


def row(code: str, what: str, edge: int, threads: int, runs: list[dict[str, Any]]) -> dict[str, Any]:
    seconds = [run["seconds"][-1] for run in runs]
    middle = statistics.median(seconds)
    found = {"code": code, "what": what, "edge": edge, "threads": threads}
    found |= {"universes_per_hour": round(3600 / middle, 1), "median_s": round(middle, 4)}
    found |= {"least_s": round(min(seconds), 4), "most_s": round(max(seconds), 4), "repeats": len(seconds)}
    memory = {key: max(run[key] for run in runs) for key in ("peak_bytes", "memory_bytes") if key in runs[0]}
    return found | memory


def compare(edge: int, threads: int, given: argparse.Namespace, peers: list[str], folder: Path) -> list[dict[str, Any]]:
    """All codes at one edge, taking turns; rows of results."""
    if not (folder / f"{edge}.npz").exists() and peers:
        write_inputs(folder / f"{edge}.npz", psi_in_cells(edge, float(edge)), 0.0, equal_steps(0.0))
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for repeat in range(given.repeats):
        keep = str(folder / f"saih-{edge}.npy") if peers else ""
        turns: list[tuple[tuple[str, str], Any]] = [
            (("saih", "evolve"), lambda: measure_in_process("evolve", edge, given.device, threads, keep)),  # noqa: B023
            *((
                (name, "evolve"), lambda name=name: measure_peer(given.peer_python, name, edge, threads, folder)
            ) for name in peers),
            (("saih", "universe"), lambda: measure_in_process("universe", edge, given.device, threads)),
        ]  # fmt: skip
        for key, turn in turns:
            runs.setdefault(key, []).append(turn())
            told = f"{key[0]} {key[1]}: {runs[key][-1]['seconds'][-1]:.2f} s"
            print(
                f"edge {edge}, {threads} threads, {repeat + 1} of {given.repeats}, {told}", file=sys.stderr, flush=True
            )
    rows = [row(*key, edge, threads, each) for key, each in runs.items()]
    if given.device == "cpu":
        lean = measure_in_process("universe", edge, given.device, threads, lean=True)
        rows[-1] |= {"peak_bytes": lean["peak_bytes"]}
    return rows


def machine(device: str, peers: dict[str, str]) -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    found = {"cpu": name or platform.processor(), "cores": len(os.sched_getaffinity(0))}
    found |= {"load_average": round(os.getloadavg()[0], 1), "python": platform.python_version()}
    if device == "cuda":
        found |= {"gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
    return found | {"torch": torch.__version__, "numpy": np.__version__} | peers


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--edges", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--threads", type=int, nargs="+", help="default: 1 and all cores; on a GPU all cores")
    parser.add_argument("--repeats", type=int, help="default: 5; on a GPU 2")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter that has the peers")
    parser.add_argument("--out", type=Path, help="default: results/universes_per_hour-DEVICE.json here")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--keep", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.threads = given.threads or (sorted({1, cores}) if given.device == "cpu" else [cores])
    given.repeats = given.repeats or (5 if given.device == "cpu" else 2)
    given.out = given.out or RESULTS / f"universes_per_hour-{given.device}.json"
    return given


def main() -> None:
    given = arguments()
    if given.one:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads[0]])
        torch.set_num_threads(given.threads[0])
        print(json.dumps(measure(given.one, given.edges[0], given.device, given.keep)))
        return
    peers = installed_peers(given.peer_python) if given.device == "cpu" else {}
    result: dict[str, Any] = {"benchmark": "universes_per_hour", "machine": machine(given.device, peers)}
    with tempfile.TemporaryDirectory() as name:
        folder, names = Path(name), list(peers)
        pairs = [(edge, threads) for edge in given.edges for threads in given.threads]
        result["rows"] = [each for pair in pairs for each in compare(*pair, given, names, folder)]
        result["accuracy"] = {str(edge): accuracy(edge, names, folder) for edge in given.edges} if peers else {}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
