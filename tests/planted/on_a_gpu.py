"""What is planted on GPUs: products of 8192 x 8192 matrices in bf16, passes over arrays of 1 GiB."""

from tests.planted.plants import Planting, control, distinct, strengths

SIZE = {"n": 8192, "array_mb": 1024}
BASE = {"products": 2}
GIB = 16
FEW = Planting(
    "few",
    distinct(
        control(BASE),
        control({**BASE, "passes": 8}),
        control({**BASE, "calls": 4000}),
        control({**BASE, "copies_mb": 512}),
        control({**BASE, "passes": 8, "copies_mb": 512}),
    ),
    size=SIZE,
)
"""One strong plant each, and a pair."""
MANY = Planting(
    "alone",
    distinct(
        control(BASE),
        strengths(BASE, "passes", [1, 2, 4, 8]),
        strengths(BASE, "calls", [500, 1000, 2000, 4000]),
        strengths(BASE, "inflate_mb", [1, 4, 8]),
        strengths(BASE, "parse_kb", [100, 400]),
        strengths(BASE, "reads_mb", [16, 64]),
        strengths(BASE, "copies_mb", [32, 128, 512]),
        strengths({"passes": 4}, "products", [1, 2, 8]),
        control({**BASE, "passes": 4, "calls": 4000}),
        control({**BASE, "passes": 4, "copies_mb": 512}),
        strengths(BASE, "hoard_mb", [256, 65536]),
    ),
    size=SIZE,
    memory_gib=GIB,
)
"""Each plant at several strengths, and pairs."""
LONGER = {"products": 4}
SEVERAL = Planting(
    "several",
    distinct(
        control(LONGER),
        strengths(LONGER, "sums_mb", [128, 512, 2048, 8192]),
        strengths(LONGER, "late", [1, 2, 4, 8]),
        control({**LONGER, "late": 4, "sums_mb": 2048}),
        control({**LONGER, "passes": 8, "sums_mb": 2048}),
    ),
    ranks=2,
    size=SIZE,
)
"""What two GPUs have to wait for: sums over both, and a late one of them."""
