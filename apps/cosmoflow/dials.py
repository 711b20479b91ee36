"""The dials of CosmoFlow, and the rules for legal points.

    edge   voxels a side of the input; each block halves it, down to a side of 4 to 7
    width  multiplies every convolution's filters; 1 is the reference: 32 in the first block
    depth  convolutions a block; 1 is the reference. Those inside are twice as wide (see architecture.py)

The number of blocks follows the edge: floor(log2 edge) - 2, five at the reference's 128. The rule for larger cubes is
that of the LBANN project's CosmoFlow.
"""

from __future__ import annotations

from collections.abc import Sequence

from saih.app import Dial, InputError, Point

BASE_FILTERS = 32
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
EXECUTIONS = ("plain", "compiled")
MEMORY, SYNTHETIC = "memory", "synthetic"
INPUTS = (
    "dataset", "dataset-cold", "dataset-warm", "staged", "staged-cold", "staged-warm", MEMORY, SYNTHETIC,
)  # fmt: skip

DIALS = {
    "edge": Dial("voxels a side of the input", int, minimum=8),
    "width": Dial(
        "multiplies the filters; 1 is 32 in the first block", float, 1.0, 1 / BASE_FILTERS, step=1 / BASE_FILTERS
    ),
    "depth": Dial("convolutions a block", int, 1, minimum=1),
}

MOST = {"edge": 4096, "width": 1024, "depth": 1024}
"""Limits beyond the capacity of devices: at edge 4096 a sample of four channels takes 1.1 TB.

Without a limit, one zero too many in a configuration would keep planning busy for hours.
"""


def block_count(edge: int) -> int:
    """Return the number of blocks of convolutions and pool for a cube of `edge` voxels a side."""
    return edge.bit_length() - 3  # floor(log2 edge) - 2


def validate(point: Point) -> None:
    """Raise InputError naming the key, the value and the allowed values, unless the point is legal."""
    for name, dial in DIALS.items():
        if name not in point.size:
            raise InputError(f"size.{name}: is required ({dial.help})")
        if dial.parse(point.size[name], f"size.{name}") > MOST[name]:
            raise InputError(f"size.{name} = {point.size[name]}: must be at most {MOST[name]}")
    edge, width = int(point.size["edge"]), float(point.size["width"])
    multiple = 2 ** block_count(edge)
    if edge % multiple:
        raise InputError(f"size.edge = {edge}: must be a multiple of {multiple}")
    if not (BASE_FILTERS * width).is_integer():
        raise InputError(f"size.width = {width:g}: must be a multiple of 1/{BASE_FILTERS}, for whole filters")
    run = point.run
    if run.batch < 1:
        raise InputError(f"run.batch = {run.batch}: must be at least 1")
    _one_of("run.precision", run.precision, PRECISIONS)
    _one_of("run.execution", run.execution, EXECUTIONS)
    _one_of("run.input", run.input, INPUTS)


def _one_of(where: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InputError(f"{where} = {value}: must be one of {', '.join(allowed)}")
