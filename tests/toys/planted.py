"""A toy of training steps in which bottlenecks can be planted, each by a dial of its own, by real means.

A step takes its input, multiplies matrices forward and backward, and updates them. On top of that it does what the
dials say; all are 0 unless set, but the first three:

    n           rows and columns of the matrices; a sample is an n x n matrix, a batch so many one below the other
    products    layers of one matrix product, trained: each is one product forward and two backward, the first one
    array_mb    MiB of each of the arrays that passes go over; on a GPU take 1024

    passes      elementwise passes (forward) over arrays of array_mb MiB, four in turn, so that caches don't hold them
    calls       operations on a single number (forward): nothing but the calling of them
    reads_mb    MB of a file, read past the page cache by a thread, one step ahead
    inflate_mb  MB that this thread inflates afterwards (zlib, of a stream in memory, counts as universes have them)
    parse_kb    kB that this thread then parses byte by byte in Python, holding the interpreter against the step
    copies_mb   MB copied from pinned memory to the GPU before the step computes, not overlapped; GPUs only
    sums_mb     MB that the ranks all-reduce after backward; nothing overlaps it. 2 ranks or more
    late        products forward that rank 1 does on top, outside its layers. 2 ranks or more
    hoard_mb    MB that are held in memory, touched once and never used

MB are 1e6 bytes. Ranks train matrices of their own and meet in every step, to reduce one number. precision is fp32 on
CPUs; fp32, tf32, bf16 or fp16 on GPUs (matrices, gradients and inputs are of that type; arrays and sums are fp32).

    app: tests.toys.planted:APP      with the repository on PYTHONPATH
    data: {folder: PATH}      where `prepare` makes the file that is read; needed where reads_mb is not 0. It should lie
                              on a disk: where a file system knows no direct reads, the page cache answers. There
                              `check` keeps what each plant costs, by so many `pairs` of blocks (planted_cost.py).

Regions: input, forward, backward (with communication), optimiser. Layers: "product 1", ..., "pass 1", ...
without("input") and without("input_wait") where one of reads_mb, inflate_mb, parse_kb, copies_mb is set;
without("communication") with 2 ranks or more. Phases: input_wait_s, storage_wait_s, decode_wait_s, h2d_s, copy_wait_s,
read_s, decode_s. The thread has a core that is not the step's, where there is one.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from saih.app import Context, Cost, Dial, InputError, Layer, Point
from tests.toys.planted_input import FILE, MB, write

MIB = 2**20
ARRAYS = 4
FILE_BYTES = 128 * MB  # or twice what a step reads
NUMBER_BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}


class Planted:
    name = "planted"
    version = "2"
    dials: ClassVar = {
        "n": Dial("rows and columns of the matrices", default=512, minimum=8),
        "products": Dial("layers of one matrix product", default=4, minimum=1),
        "array_mb": Dial("MiB of an array", default=64, minimum=1),
        "passes": Dial("passes over an array", default=0),
        "calls": Dial("operations on one number", default=0),
        "reads_mb": Dial("MB read by a thread", default=0),
        "inflate_mb": Dial("MB inflated by a thread", default=0),
        "parse_kb": Dial("kB parsed by a thread", default=0),
        "copies_mb": Dial("MB copied to the device", default=0),
        "sums_mb": Dial("MB all-reduced", default=0),
        "late": Dial("products more on rank 1", default=0),
        "hoard_mb": Dial("MB held for nothing", default=0),
    }
    metrics = ()

    def resolve_data(self, data):
        for key in data:
            if key not in ("folder", "pairs"):
                raise InputError(f"data.{key}: unknown key; allowed: folder, pairs")
        return dict(data)

    def validate(self, point: Point) -> None:
        if point.run.precision not in NUMBER_BYTES:
            raise InputError(f"run.precision = {point.run.precision}: must be one of {', '.join(NUMBER_BYTES)}")
        if point.size["reads_mb"] and "folder" not in point.data:
            raise InputError(f"size.reads_mb = {point.size['reads_mb']}: needs data: {{folder: PATH}}")
        for dial in ("sums_mb", "late"):
            if point.size[dial] and point.run.ranks < 2:
                raise InputError(f"size.{dial} = {point.size[dial]}: needs run.ranks of at least 2")

    def cost(self, point: Point) -> Cost:
        size, batch, number = point.size, point.run.batch, NUMBER_BYTES[point.run.precision]
        n, layers = size["n"], size["products"]
        flop = 2 * n**3
        trained = number * (2 * layers * n**2 + (layers + 4) * batch * n**2)
        arrays = MIB * size["array_mb"] * min(ARRAYS, size["passes"])
        held = MB * (size["copies_mb"] + size["sums_mb"] + size["hoard_mb"])
        read = MB * size["reads_mb"] // batch
        return Cost((3 * layers - 1) * flop, layers * flop, layers * n**2, read, trained + arrays + held)

    def layers(self, point: Point):
        """Backward: the weights' gradients, and the inputs' but for the first layer. A pass reads and writes."""
        size, number = point.size, NUMBER_BYTES[point.run.precision]
        n, rows = size["n"], point.run.batch * size["n"]
        flop, x, w = 2 * rows * n**2, number * rows * n, number * n**2
        products = [
            Layer(
                f"product {i + 1}", flop, (3 if i else 2) * flop, 2 * x + w, (5 if i else 4) * x + (3 if i else 2) * w
            )
            for i in range(size["products"])
        ]
        moved = 2 * MIB * size["array_mb"]
        return products + [Layer(f"pass {i + 1}", 0, 0, moved, moved) for i in range(size["passes"])]

    def prepare(self, context: Context, points):
        most = max(point.size["reads_mb"] for point in points)
        if not most:
            return {}
        file = Path(points[0].data["folder"], FILE)
        length = max(FILE_BYTES, 2 * MB * most)
        if not file.exists() or file.stat().st_size < length:
            write(file, length)
        return {"planted": {"path": str(file.parent)}}

    def build(self, context: Context, point: Point):
        from tests.toys import planted_step  # imports torch

        if context.device == "cpu":
            given, copies = point.run.precision, point.size["copies_mb"]
            if given != "fp32":
                raise InputError(f"run.precision = {given}: needs a CUDA device; allowed on a CPU: fp32")
            if copies:
                raise InputError(f"size.copies_mb = {copies}: needs a CUDA device; allowed on a CPU: 0")
        return planted_step.build(context, point)


APP = Planted()
