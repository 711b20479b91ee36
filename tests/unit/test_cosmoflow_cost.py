"""What CosmoFlow says it costs, against the published table and against torch's own counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from apps.cosmoflow import APP, training
from apps.cosmoflow.cost import COMPUTE_BYTES
from apps.cosmoflow.network.architecture import blocks, describe, network_of
from apps.cosmoflow.network.module import CosmoFlow, make, volumes_of
from augment.model.cost import forward_flop, parameters, training_flop
from augment.model.deepen import deepen
from augment.model.grow import grow
from augment.model.network import Network
from augment.model.torch_weights import load_weights, weights_of
from augment.model.workspace import cpu_workspace_bytes
from saih.app import Execution, Point
from saih.cli import plan
from tests.unit.test_cosmoflow_training import Alone

pytestmark = pytest.mark.slow

BATCH = 2
SIZES = [(8, 1 / 32, 1), (16, 0.5, 2), (24, 0.25, 3), (48, 1.5, 1), (64, 1.0, 2), (128, 1.0, 1)]


def on_meta(architecture: Network) -> tuple[CosmoFlow, torch.Tensor]:
    net = CosmoFlow(architecture).to("meta").to(memory_format=torch.channels_last_3d)
    edge = architecture.edge
    counts = torch.ones(BATCH, edge, edge, edge, architecture.channels, dtype=torch.int16, device="meta")
    return net, volumes_of(counts)


@pytest.mark.parametrize(
    ("edge", "count", "forward", "training", "parameters"),
    [
        (64, 4, "8.16", "22.7", "3.27"),
        (128, 5, "68.86", "192.1", "8.91"),
        (256, 6, "558", "1558", "15.99"),
        (512, 7, "4472", "12488", "23.06"),
    ],
)
def test_reference_sizes(edge: int, count: int, forward: str, training: str, parameters: str) -> None:
    """2 x MAC of the reference's layers at edge 128, and of LBANN's rule above; as printed to these digits."""
    run = Execution(ranks=1, batch=1, precision="fp32", execution="plain", input="synthetic")
    cost = APP.cost(Point("cosmoflow", {"edge": edge, "width": 1.0, "depth": 1}, run))

    def digits(value: float, like: str) -> str:
        return f"{value:.{len(like.partition('.')[2])}f}"

    assert len(blocks(describe(edge))) == count
    assert digits(cost.forward_flop_per_sample / 1e9, forward) == forward
    assert digits(cost.flop_per_sample / 1e9, training) == training
    assert digits(cost.parameters / 1e6, parameters) == parameters
    assert cost.sample_bytes == edge**3 * 4 * 2


@pytest.mark.parametrize(("edge", "width", "depth"), SIZES)
def test_flops_are_torchs(edge: int, width: float, depth: int) -> None:
    architecture = describe(edge, width, depth)
    net, volumes = on_meta(architecture)
    with FlopCounterMode(display=False) as counter:
        prediction = net(volumes)
        assert counter.get_total_flops() == BATCH * forward_flop(architecture)
        prediction.sum().backward()
        assert counter.get_total_flops() == BATCH * training_flop(architecture)


@pytest.mark.parametrize(("edge", "width", "depth"), SIZES)
def test_parameters_are_torchs(edge: int, width: float, depth: int) -> None:
    architecture = describe(edge, width, depth)
    net, _ = on_meta(architecture)
    assert parameters(architecture) == sum(parameter.numel() for parameter in net.parameters())


def test_a_larger_batch_and_more_precision_hold_more() -> None:
    def memory(batch: int, precision: str) -> int:
        run = Execution(ranks=1, batch=batch, precision=precision, execution="plain", input="synthetic")
        return APP.cost(Point("cosmoflow", {"edge": 32, "width": 1.0, "depth": 1}, run)).memory_bytes

    assert memory(16, "bf16") < memory(16, "fp32") < memory(32, "fp32")


@pytest.mark.parametrize("depth", [2, 3])
def test_depth_is_what_deepening_makes(depth: int) -> None:
    """Every block deepened at its last layer, from the output to the input."""
    shallow = describe(32, 0.25)
    deep = shallow
    for block in reversed(range(3)):
        for layer in range(block, block + depth - 1):
            deep = deepen(deep, layer).network
    assert deep == describe(32, 0.25, depth)


def test_grows_in_width_and_depth_as_the_same_function() -> None:
    small, large = describe(16, 1 / 8), describe(16, 1 / 4, 3)
    net, larger = make(small, seed=1).double().eval(), make(large, seed=2).double().eval()
    grown = grow(small, large, weights_of(net, small))
    assert grown.weights is not None
    load_weights(larger, grown.weights)
    counts = torch.randint(0, 5, (2, 16, 16, 16, 4), dtype=torch.int16)
    volumes = volumes_of(counts).double()
    with torch.no_grad():
        torch.testing.assert_close(larger(volumes), net(volumes), rtol=1e-10, atol=1e-12)


def test_the_torch_free_half_is_torch_free() -> None:
    """Planning works without torch or HDF5, so none of it may be imported by then."""
    program = """if True:
        import sys
        from apps.cosmoflow import APP
        from saih.app import Execution, Point
        data = APP.resolve_data({"recipe": {"universes": 8, "edge": 32}})
        run = Execution(1, 1, "fp32", "plain", "dataset")
        point = Point("cosmoflow", {"edge": 32, "width": 1.0, "depth": 1}, run, data)
        APP.validate(point)
        APP.cost(point)
        print(sorted({"torch", "h5py", "scipy", "mpi4py"} & set(sys.modules)))
    """
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def drawn(size: tuple[int, float, int], batch: int, precision: str) -> Point:
    run = Execution(ranks=1, batch=batch, precision=precision, execution="plain", input="synthetic")
    return Point("cosmoflow", dict(zip(("edge", "width", "depth"), size, strict=True)), run)


def allocated(point: Point) -> tuple[int, int]:
    """The most bytes that torch's CPU allocator held in two steps: of tensors, and with the scratch of libraries.

    Scratch is what a convolution takes by itself and gives back before it returns. oneDNN has it from torch's
    allocator, so that the profiler counts it.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work = training.build(Alone(), point)
        work.run(2)
    work.close()
    events: list[tuple[int, int, bool]] = []

    def collect(node) -> None:
        own = [child for child in node.children if child.name == "[memory]"]
        scratch: set[int] = set()
        if node.name in ("aten::convolution_backward", "aten::mkldnn_convolution"):
            scratch = taken_and_given(own)
        events.extend((c.start_time_ns, c.extra_fields.alloc_size, id(c) in scratch) for c in own)
        for child in node.children:
            collect(child)

    for root in seen.profiler.kineto_results.experimental_event_tree():
        if root.name == "[memory]":
            events.append((root.start_time_ns, root.extra_fields.alloc_size, False))
        collect(root)
    tensors = both = most_tensors = most = 0
    for _, size, is_scratch in sorted(events):
        both += size
        tensors += 0 if is_scratch else size
        most_tensors, most = max(most_tensors, tensors), max(most, both)
    return most_tensors, most


def one_dnn_bytes(point: Point) -> int:
    return cpu_workspace_bytes(network_of(point), COMPUTE_BYTES[point.run.precision], 1)


def taken_and_given(own) -> set[int]:
    """Events (by id) of memory that is taken and given back among these; the same place may be taken again and kept."""
    found: set[int] = set()
    taken: dict[int, object] = {}
    for event in sorted(own, key=lambda each: each.start_time_ns):
        place = event.extra_fields.ptr
        if event.extra_fields.alloc_size > 0:
            taken[place] = event
        elif place in taken:
            found |= {id(taken.pop(place)), id(event)}
    return found


ON_CPU = [
    ((8, 1 / 8, 1), 2), ((8, 1.0, 2), 4), ((16, 0.25, 1), 1), ((16, 1.0, 1), 4), ((16, 0.5, 3), 2), ((24, 0.5, 2), 1),
    ((32, 1 / 8, 1), 8), ((32, 1.0, 1), 2), ((32, 2.0, 1), 1), ((40, 0.25, 1), 2), ((48, 0.25, 2), 1),
    ((64, 1 / 32, 1), 1), ((64, 1 / 4, 1), 2),
]  # fmt: skip


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("size", "batch"), ON_CPU)
def test_memory_is_what_a_cpu_step_allocates(
    size: tuple[int, float, int], batch: int, precision: str, one_thread: None
) -> None:
    """Tensors from above, by less than 0.2 % or 1.5 kB, and what oneDNN takes besides within its cap."""
    if precision == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bf16 convolutions in oneDNN")
    point = drawn(size, batch, precision)
    cost = APP.cost_on(point, "cpu", 1)
    tensors, most = allocated(point)
    assert tensors <= cost.memory_bytes <= 1.002 * tensors + 1500
    if torch.backends.cpu.get_cpu_capability() == "AVX512" and not torch.cpu._is_amx_tile_supported():
        assert most <= 1.01 * (cost.memory_bytes + one_dnn_bytes(point))


def test_a_process_grows_by_what_is_allocated() -> None:
    """Resident memory, with the C library told to keep no holes: the prediction, and little that torch does not see."""
    precisions = ["fp32", "bf16"] if torch.ops.mkldnn._is_mkldnn_bf16_supported() else ["fp32"]
    program = f"""if True:
        import re
        import torch
        from apps.cosmoflow import training
        from tests.unit.test_cosmoflow_cost import Alone, drawn
        torch.set_num_threads(1)
        def held(key):
            return 1024 * int(re.search(key + r":\\s+(\\d+)", open("/proc/self/status").read())[1])
        def run(point):
            work = training.build(Alone(), point)
            work.run(2)
            work.close()
        for precision in {precisions}:
            run(drawn((16, 0.25, 1), 2, precision))
            open("/proc/self/clear_refs", "w").write("5")
            before = held("VmRSS")
            run(drawn((64, 0.25, 1), 2, precision))
            print(held("VmHWM") - before)
    """
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    for precision, grown_bytes in zip(precisions, map(int, found.stdout.split()), strict=True):
        point = drawn((64, 0.25, 1), 2, precision)
        cost = APP.cost_on(point, "cpu", 1)
        assert 0.95 * cost.memory_bytes < grown_bytes < cost.memory_bytes + one_dnn_bytes(point) + 16 * 2**20


def test_a_process_grows_by_no_more_than_is_predicted() -> None:
    """As a rank measures it, check included: libraries that come with the first point, and holes where tensors were."""
    sizes = [((16, 0.25, 1), 4), ((48, 0.5, 1), 4), ((16, 1.0, 2), 1), ((32, 0.25, 1), 4), ((48, 0.25, 1), 4)]
    program = f"""if True:
        import ctypes
        import re
        import torch
        from apps.cosmoflow import training
        from tests.unit.test_cosmoflow_cost import Alone, drawn
        torch.set_num_threads(1)
        def held(key):
            return 1024 * int(re.search(key + r":\\s+(\\d+)", open("/proc/self/status").read())[1])
        for size, batch in {sizes}:
            ctypes.CDLL(None).malloc_trim(0)
            open("/proc/self/clear_refs", "w").write("5")
            before = held("VmRSS")
            work = training.build(Alone(), drawn(size, batch, "fp32"))
            work.run(5)
            work.check()
            print(held("VmHWM") - before)
            work.close()
    """
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    grown = list(map(int, found.stdout.split()))
    assert grown[0] > 50 * 2**20, "the first point loads libraries"
    for (size, batch), grown_bytes in zip(sizes, grown, strict=True):
        cost = APP.cost_on(drawn(size, batch, "fp32"), "cpu", 1)
        assert grown_bytes <= cost.memory_bytes + cost.workspace_bytes


def test_a_plan_tells_memory_for_the_devices_that_may_be_meant(tmp_path: Path) -> None:
    def planned(launch: str) -> tuple[list[dict], list[str]]:
        config = tmp_path / "c.yaml"
        config.write_text(
            "{schema: 1, name: x, app: cosmoflow, size: {edge: 64, width: 0.5}, "
            f"run: {{precision: bf16, input: synthetic, ranks: [1, 2]}}, launch: {launch}}}"
        )
        rows = plan.rows(*plan.read(config))
        return rows, plan.table(rows, {})

    rows, table = planned("{cores_per_rank: 3}")
    point = Point.from_dict(rows[0]["point"])
    for kind, told in rows[0]["memory_bytes"].items():
        cost = APP.cost_on(point, kind, 3)
        assert (told, rows[0]["workspace_bytes"][kind]) == (
            cost.memory_bytes + cost.workspace_bytes,
            cost.workspace_bytes,
        )
    assert list(rows[0]["memory_bytes"]) == ["cuda", "cpu"]
    assert table[0].endswith("GPU memory <=  CPU memory <=")
    assert "for 3 cores a rank" in table[-1]
    assert list(planned("{device: cpu}")[0][0]["memory_bytes"]) == ["cpu"]
    rows, table = planned("{device: cuda}")
    assert list(rows[0]["memory_bytes"]) == ["cuda"]
    assert "core" not in table[-1]
