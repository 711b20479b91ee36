"""What CosmoFlow says it costs, against the published table and against torch's own counts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from apps.cosmoflow import APP
from apps.cosmoflow.architecture import blocks, describe
from apps.cosmoflow.model import CosmoFlow, make, volumes_of
from augment.model.cost import forward_flop, parameters, training_flop
from augment.model.deepen import deepen
from augment.model.grow import grow
from augment.model.network import Network
from augment.model.torch_weights import load_weights, weights_of
from saih.app import Execution, Point

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


@pytest.mark.parametrize("machine", ["h100", "h200"])
def test_memory_is_what_gpus_held(machine: str) -> None:
    """Against the peaks that torch's allocator reported on GPUs, kept with the benchmarks: within 10 %."""
    results = Path(__file__).parents[2] / "benchmarks" / "results" / f"cosmoflow-{machine}.json"
    compared = 0
    for point in json.loads(results.read_text(encoding="utf-8"))["points"]:
        run = Execution(**point["run"])
        if run.execution == "plain" and point["size"]["depth"] == 1 and point["peak_mem_bytes"]:
            cost = APP.cost(Point("cosmoflow", point["size"], run))
            assert cost.memory_bytes + cost.workspace_bytes == pytest.approx(point["peak_mem_bytes"], rel=0.1)
            compared += 1
    assert compared >= 10
