"""The least bytes that an operation moves: its inputs read once and its output written once. Pure.

They are computed from the shapes and types of the inputs that the profiler records. Arrays that are not recorded count
as nothing, so that the figure is a lower bound; operations that must read an array again move more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

SIZES = {
    "double": 8, "float": 4, "c10::BFloat16": 2, "c10::Half": 2, "half": 2, "long int": 8, "long": 8, "int": 4,
    "short int": 2, "short": 2, "signed char": 1, "unsigned char": 1, "char": 1, "bool": 1, "c10::complex<float>": 8,
    "c10::complex<double>": 16, "c10::Float8_e4m3fn": 1, "c10::Float8_e5m2": 1,
}  # fmt: skip
"""Bytes of a number, by the profiler's name of its type."""
NO_TENSORS = ("", "Scalar", "ScalarList", "GenericList", "Device", "Generator")


ONLY_WRITTEN = ("copy_", "fill_", "zero_")
"""Operations whose first input is written and not read."""

Given = tuple[list[list[int]], int]
"""The shapes of a tensor (one) or of a list of them, and the bytes of a number."""


def bytes_of(name: str, kind: str, args: Mapping[str, Any], list_item_bytes: int | None) -> int | None:
    """Return the bytes of operation `name` of class `kind`, with the profiler's `args`; None if a type is unknown.

    Lists of tensors have shapes but no type: their numbers have `list_item_bytes` bytes, if that is known.
    """
    given = _inputs(args, list_item_bytes)
    if given is None:
        return None
    if looks_up(name):  # reads only the elements of the first that the others select, possibly few
        return sum(_bytes(each) for each in given[1:])
    return sum(map(_bytes, given)) + _written(name, kind, args, given)


def _inputs(args: Mapping[str, Any], list_item_bytes: int | None) -> list[Given] | None:
    """Return every tensor or list of tensors among the inputs; None if a type is unknown."""
    if "Input Dims" not in args or "Input type" not in args:
        return None
    given: list[Given] = []
    for dims, kind in zip(args["Input Dims"], args["Input type"], strict=False):
        if kind in NO_TENSORS or not dims:
            continue
        item = list_item_bytes if kind == "TensorList" else SIZES.get(kind)
        if item is None:
            return None
        given.append(([dims] if isinstance(dims[0], int) else dims, item))
    return given


def _written(name: str, kind: str, args: Mapping[str, Any], given: Sequence[Given]) -> int:
    """Return the bytes written, without an input that is only written, which has been counted as if read."""
    bare = name.rpartition("::")[2]
    if not given or bare in ONLY_WRITTEN or (kind == "random" and bare.endswith("_")):
        return 0
    if kind == "optimiser":  # parameters and the optimiser's state, but not the gradients
        return sum(_bytes(each) for number, each in enumerate(given) if number != 1)
    if bare.endswith("_") or bare.startswith("_foreach"):
        return _bytes(given[0])
    if kind == "elementwise":
        return _numbers_broadcast(given) * (1 if _answers(bare) else max(item for _, item in given))
    if kind == "matrix product":
        return _product_bytes(bare, given)
    if kind == "convolution":
        return _convolution_bytes(bare, args, given)
    if kind in ("attention", "normalisation") or bare in ("cat", "stack"):
        return _bytes(given[0])
    if "backward" in bare or "softmax" in bare or "dropout" in bare:
        return max(map(_bytes, given))
    return 0


def looks_up(name: str) -> bool:
    """True if the operation takes some numbers out of an array, and need not read all of it."""
    bare = name.rpartition("::")[2]
    return bare.startswith(("index", "gather", "embedding", "_index", "take"))


def _answers(bare: str) -> bool:
    """True if the result is boolean."""
    return bare in ("eq", "ne", "lt", "le", "gt", "ge", "isnan", "isinf", "isfinite") or bare.startswith("logical_")


def _bytes(given: Given) -> int:
    shapes, item = given
    return sum(map(math.prod, shapes)) * item


def _numbers_broadcast(given: Sequence[Given]) -> int:
    """Return the number of elements of the inputs' common shape."""
    shapes = [shape for tensors, _ in given for shape in tensors]
    longest = max(map(len, shapes))
    padded = [[1] * (longest - len(shape)) + list(shape) for shape in shapes]
    return math.prod(max(sizes) for sizes in zip(*padded, strict=True))


def _product_bytes(bare: str, given: Sequence[Given]) -> int:
    """Return the bytes of the output of a product of the last two inputs, or of a dense layer's first two."""
    tensors = [shapes[0] for shapes, _ in given]
    if bare == "linear" and len(tensors) > 1:
        return math.prod(tensors[0][:-1]) * tensors[1][0] * given[0][1]
    if len(tensors) < 2 or len(tensors[-2]) < 2:
        return 0
    columns = tensors[-1][-1] if len(tensors[-1]) > 1 else 1
    return math.prod(tensors[-2][:-1]) * columns * given[-1][1]


def _convolution_bytes(bare: str, args: Mapping[str, Any], given: Sequence[Given]) -> int:
    """Return the bytes of the output, or in backward of the requested gradients of input and weight."""
    if "backward" in bare:
        mask = _numbers(str(args.get("Concrete Inputs", [""])[-1]).replace("True", "1").replace("False", "0"))
        wanted = [size for size, asked in zip(given[1:3], mask, strict=False) if asked]
        return sum(map(_bytes, wanted))
    if len(given) < 2:
        return 0
    (images, item), (kernels, _) = (given[0][0][0], given[0][1]), (given[1][0][0], given[1][1])
    stride, padding = (_numbers(text) for text in (args.get("Concrete Inputs", []) + [""] * 5)[3:5])
    voxels = images[2:]
    if len(stride) != len(voxels):
        return 0
    if len(padding) != len(voxels):  # "same" is not given as numbers
        return math.prod([images[0], kernels[0], *voxels]) * item if set(stride) == {1} else 0
    out = [(n + 2 * p - k) // s + 1 for n, k, s, p in zip(voxels, kernels[2:], stride, padding, strict=False)]
    return math.prod([images[0], kernels[0], *out]) * item


def _numbers(text: str) -> list[int]:
    """Return the whole numbers in a list as text, "[1, 2]" -> [1, 2]; [] if it has others."""
    words = text.strip("[]").replace(" ", "").split(",")
    return [int(word) for word in words] if all(word.isdigit() for word in words) else []
