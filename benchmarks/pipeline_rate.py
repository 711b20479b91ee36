"""How fast the input pipeline is, next to what storage and page cache give in the same run.

    python -m benchmarks.pipeline_rate [--device cuda] [--folder FOLDER] [--edge 128] [--gigabytes 4]

Pipeline: samples in shuffled order, each checked against its CRC-32C, as whole batches on the device; on a GPU also
log1p in float32 there, on a CPU the counts as they lie in the batch. Beside it, on the same files:

    cold    O_DIRECT reads one after the other, with the best of 1, 2, 4, 8 threads and of 1, 4, 16 MiB a request
    warm    preadv from the page cache into one batch's buffer, with one thread and with as many as the pipeline has,
            each with the best of 0.25, 1, 4 MiB a request; and into a buffer of one request only, which stays in the
            processor's cache, so that next to nothing is written to memory

They take turns; medians and ranges over the turns are given, of rates and of the ratios within a turn. Targets: cold
>= 90 % of the raw cold rate, warm >= 70 % of the raw warm rate. A data set of random counts is written for it, and
removed again.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import platform
import shutil
import statistics
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from apps.cosmoflow.input.batches import Batches
from apps.cosmoflow.input.loader import Loader
from apps.cosmoflow.input.prefetch import Shape
from apps.cosmoflow.input.sample_order import Order
from apps.cosmoflow.input.sources import automatic_threads
from apps.cosmoflow.network.module import volumes_of
from augment.data.host import page_cache
from augment.data.reading.direct_io import Memory
from augment.data.reading.sample_reader import SampleReader, empty_batch
from augment.data.storage.data_set import UniverseSet, name_of, seal
from augment.data.storage.manifest import TFRECORD_GZIP, SetFile, read_set, write_set
from augment.data.storage.universe_file import Header
from augment.data.storage.universe_writer import UniverseWriter

MIB = 2**20
COLD_REQUESTS, WARM_REQUESTS = (MIB, 4 * MIB, 16 * MIB), (MIB // 4, MIB, 4 * MIB)
THREADS = (1, 2, 4, 8)
SAMPLES_A_UNIVERSE = 8

Rate = Callable[[], float]


def main() -> None:
    arguments = parse()
    folder = Path(tempfile.mkdtemp(prefix="pipeline-rate-", dir=arguments.folder))
    try:
        result = measure(arguments, folder)
    finally:
        shutil.rmtree(folder)
    print(json.dumps(result, indent=1))
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.pipeline_rate")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--folder", default=".", help="on the storage that is measured")
    parser.add_argument("--edge", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=automatic_threads())
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--out")
    return parser.parse_args()


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    device, before = torch.device(arguments.device), os.getloadavg()[0]
    tell(f"writing {arguments.gigabytes:g} GB to {folder}")
    universes = write(folder / "raw", arguments.edge, arguments.gigabytes)
    rates = {**cold_rates(universes, arguments, device), **warm_rates(universes, arguments, device)}
    found = take_turns(rates, arguments.repeats)
    packed = write(folder / "gzip", arguments.edge, min(0.4, arguments.gigabytes), "gzip")
    record = write_tfrecords(packed, folder / "tfrecord")
    unpacking = {
        "pipeline_gzip": pipeline(packed, arguments, device, direct=False),
        "pipeline_tfrecord_gzip": pipeline(record, arguments, device, direct=False),
    }
    for each in (packed, record):
        page_cache.warm(each.files, arguments.threads)
    found |= take_turns(unpacking, min(3, arguments.repeats))
    load = {"load_average": [before, os.getloadavg()[0]]}
    facts = {"settings": settings(arguments, universes), "machine": machine(device, folder) | load}
    turns = {name: [round(rate, 3) for rate in each] for name, each in found.items()}
    return {**facts, **summary(found), "gb_per_s_of_each_turn": turns}


RATIOS = (
    ("pipeline_cold", "raw_cold"),
    ("pipeline_warm", "raw_warm_1_thread"),
    ("pipeline_warm", "raw_warm_threads"),
    ("pipeline_warm", "raw_warm_1_thread_small_buffer"),
)


def summary(found: dict[str, list[float]]) -> dict[str, Any]:
    """Medians and ranges of rates, and of the ratios that the targets are about."""
    ratios = {
        f"{name} / {beside}": [a / b for a, b in zip(found[name], found[beside], strict=True)]
        for name, beside in RATIOS
        if name in found
    }
    return {"gb_per_s": spread(found), "ratios": spread(ratios)}


def spread(values: dict[str, list[float]]) -> dict[str, Any]:
    return {
        name: {"median": round(statistics.median(each), 3), "low": round(min(each), 3), "high": round(max(each), 3)}
        for name, each in values.items()
    }


def cold_rates(universes: UniverseSet, arguments: argparse.Namespace, device: torch.device) -> dict[str, Rate]:
    page_cache.drop(universes.files)
    choices = itertools.product(THREADS, COLD_REQUESTS)
    try:
        tried = {(t, size): raw(universes, t, size, size, 0.5, direct=True)() for t, size in choices}
    except OSError as error:
        tell(f"no cold rates: direct reads are refused here ({error})")
        return {}
    threads, request = max(tried, key=lambda key: tried[key])
    tell(f"raw cold: best with {threads} threads and {request // MIB} MiB a request")
    return {
        "raw_cold": raw(universes, threads, request, request, arguments.seconds, direct=True),
        "pipeline_cold": pipeline(universes, arguments, device, direct=True),
    }


def warm_rates(universes: UniverseSet, arguments: argparse.Namespace, device: torch.device) -> dict[str, Rate]:
    buffer = arguments.batch * universes.sample_bytes

    def best(threads: int, room: int) -> Rate:
        page_cache.warm(universes.files, arguments.threads)
        tried = {
            request: raw(universes, threads, request, max(request, room // threads), 0.3)() for request in WARM_REQUESTS
        }
        request = max(tried, key=lambda key: tried[key])
        return raw(universes, threads, request, max(request, room // threads), arguments.seconds, warm=True)

    return {
        "raw_warm_1_thread": best(1, buffer),
        "raw_warm_threads": best(arguments.threads, buffer),
        "raw_warm_1_thread_small_buffer": best(1, 0),
        "pipeline_warm": pipeline(universes, arguments, device, direct=False),
    }


def take_turns(rates: dict[str, Rate], turns: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in rates}
    for turn in range(turns):
        for name, rate in rates.items():
            found[name].append(rate())
        tell(f"turn {turn + 1} of {turns}: " + ", ".join(f"{name} {each[-1]:.2f}" for name, each in found.items()))
    return found


def raw(
    universes: UniverseSet,
    threads: int,
    request: int,
    room: int,
    seconds: float,
    direct: bool = False,
    warm: bool = False,
) -> Rate:
    """GB/s of requests one after the other through all files, again and again, into `room` bytes of each thread."""
    counter, places = itertools.count(), list(requests(universes, request))

    def rate() -> float:
        if warm:
            page_cache.warm(universes.files, threads)
        flags = os.O_RDONLY | (os.O_DIRECT if direct else 0)
        fds = [os.open(path, flags) for path in universes.files]
        done = [0] * threads

        def read(number: int) -> None:
            buffer = buffers[number]
            for n in counter:
                if time.perf_counter() - begin > seconds:
                    return
                file, offset = places[n % len(places)]
                at = n // threads * request % (room // request * request)
                done[number] += os.preadv(fds[file], [buffer[at : at + request]], offset)

        # In huge pages where the system has them, as the pipeline's: a device is given larger requests then.
        buffers = [Memory(empty_batch(1, (room // 2,))).bytes for _ in range(threads)]
        for buffer in buffers:
            buffer[:] = bytes(len(buffer))  # pages are there before the clock starts
        begin = time.perf_counter()
        run([threading.Thread(target=read, args=(number,)) for number in range(threads)])
        took_s = time.perf_counter() - begin
        for fd in fds:
            os.close(fd)
        return sum(done) / took_s / 1e9

    return rate


def requests(universes: UniverseSet, request: int) -> Iterator[tuple[int, int]]:
    """(file, offset) of whole requests in order; a file's remainder is left out."""
    for file, path in enumerate(universes.files):
        for offset in range(0, path.stat().st_size - request + 1, request):
            yield file, offset


def pipeline(universes: UniverseSet, arguments: argparse.Namespace, device: torch.device, direct: bool) -> Rate:
    """GB/s of counts that come as shuffled, checked batches to the device."""

    def rate() -> float:
        prepare = page_cache.drop if direct else lambda files: page_cache.warm(files, arguments.threads)
        prepare(universes.files)
        reader = SampleReader(universes, direct)
        shape = Shape(arguments.batch, universes.header.sample_shape)
        order = Order(np.arange(universes.samples), arguments.batch, 0, 1, seed=1)
        batches = Batches(reader.read, order, universes.labels, shape, arguments.threads, device)
        loader = Loader(batches, arguments.threads, batches.depth, reader.close)
        try:
            with loader.reading():
                for _ in range(batches.depth + 1):  # buffers are touched, and reading is under way
                    loader.next()
                return shape.bytes * counted(loader, device, arguments.seconds) / 1e9
        finally:
            loader.close()

    return rate


def counted(loader: Loader[Any], device: torch.device, seconds: float) -> float:
    """Batches a second, taken as fast as they come."""
    synchronise(device)
    begin, taken = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds or taken < 4:
        batch = loader.next()
        if device.type == "cuda":
            volumes_of(batch.counts)
        taken += 1
    synchronise(device)
    return taken / (time.perf_counter() - begin)


def write(folder: Path, edge: int, gigabytes: float, compression: str | None = None) -> UniverseSet:
    """A data set of Poisson counts; a few are drawn, and each sample is one of them, moved."""
    random = np.random.default_rng(1)
    drawn = [random.poisson(1, (edge, edge, edge, 4)).astype(np.int16) for _ in range(4)]
    universes = max(2, round(gigabytes * 1e9 / drawn[0].nbytes / SAMPLES_A_UNIVERSE))
    names = ("omega_m", "sigma_8", "n_s", "h_0")
    header = Header(SAMPLES_A_UNIVERSE, edge, (0.0, 0.5, 1.5, 3.0), 128.0, "fixed_box", True, names, "random", "{}")
    for universe in range(universes):
        with UniverseWriter(folder / name_of(universe), header, compression) as writer:
            for number in range(SAMPLES_A_UNIVERSE):
                counts = np.roll(drawn[number % 4], universe * SAMPLES_A_UNIVERSE + number, 0)
                writer.append(counts, np.zeros(4), np.zeros(4), universe)
    return seal(folder)


def write_tfrecords(universes: UniverseSet, folder: Path) -> UniverseSet:
    """The same samples, each as the bytes before, the counts and the bytes after in one gzip file."""
    folder.mkdir()
    before, after = bytes(64), bytes(32)
    reader, counts = SampleReader(universes), np.empty(universes.header.sample_shape, np.int16)
    files = []
    for sample in range(universes.samples):
        reader.read(sample, counts)
        content = gzip.compress(before + counts.tobytes() + after, 1)
        (folder / f"{sample:05d}.tfrecord").write_bytes(content)
        files.append(SetFile(f"{sample:05d}.tfrecord", 1, len(content), f"crc32:{zlib.crc32(content):08x}"))
    reader.close()
    manifest, index = read_set(universes.path)
    ones = np.ones(universes.samples, np.int64)
    places = {"file": np.arange(universes.samples), "offset": 64 * ones, "stored_bytes": universes.sample_bytes * ones}
    write_set(folder, manifest.header, TFRECORD_GZIP, files, {**index, **places})
    return UniverseSet(folder)


def settings(arguments: argparse.Namespace, universes: UniverseSet) -> dict[str, Any]:
    names = ("device", "edge", "batch", "threads", "repeats", "seconds")
    stored = {"samples": universes.samples, "gigabytes": universes.samples * universes.sample_bytes / 1e9}
    return {name: getattr(arguments, name) for name in names} | stored


def machine(device: torch.device, folder: Path) -> dict[str, Any]:
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "gpu": gpu,
        "file_system": file_system(folder),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def file_system(folder: Path) -> str:
    mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    fitting = [mount for mount in mounts if folder.resolve().is_relative_to(mount[1])]
    return max(fitting, key=lambda mount: len(mount[1]))[2]


def run(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
