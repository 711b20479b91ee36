"""What CosmoFlow says it costs, against the published table and against torch's own counts."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from apps.cosmoflow import APP
from apps.cosmoflow.architecture import HIDDEN_FEATURES, LABELS, Architecture, describe
from apps.cosmoflow.cost import activation_bytes, forward_flop, training_flop
from apps.cosmoflow.model import CosmoFlow, volumes_of
from saih.app import Execution, Point

BATCH = 2
SIZES = [(8, 1 / 32, 1), (16, 0.5, 2), (24, 0.25, 3), (48, 1.5, 1), (64, 1.0, 2), (128, 1.0, 1)]


def on_meta(architecture: Architecture) -> tuple[CosmoFlow, torch.Tensor]:
    net = CosmoFlow(architecture).to("meta").to(memory_format=torch.channels_last_3d)
    edge = architecture.edge
    counts = torch.ones(BATCH, edge, edge, edge, architecture.redshifts, dtype=torch.int16, device="meta")
    return net, volumes_of(counts)


@pytest.mark.parametrize(
    ("edge", "blocks", "forward", "training", "parameters"),
    [
        (64, 4, "8.16", "22.7", "3.27"),
        (128, 5, "68.86", "192.1", "8.91"),
        (256, 6, "558", "1558", "15.99"),
        (512, 7, "4472", "12488", "23.06"),
    ],
)
def test_reference_sizes(edge: int, blocks: int, forward: str, training: str, parameters: str) -> None:
    """2 x MAC of the reference's layers at edge 128, and of LBANN's rule above; as printed to these digits."""
    run = Execution(ranks=1, batch=1, precision="fp32", execution="plain", input="synthetic")
    cost = APP.cost(Point("cosmoflow", {"edge": edge, "width": 1.0, "depth": 1}, run))

    def digits(value: float, like: str) -> str:
        return f"{value:.{len(like.partition('.')[2])}f}"

    assert len(describe(edge).blocks) == blocks
    assert digits(cost.forward_flop_per_sample / 1e9, forward) == forward
    assert digits(cost.flop_per_sample / 1e9, training) == training
    assert digits(cost.parameters / 1e6, parameters) == parameters
    assert cost.sample_bytes == edge**3 * 4 * 2
    assert cost.state_bytes == cost.parameters * 3 * 4


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
    assert architecture.parameters == sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize(("edge", "width", "depth"), SIZES)
def test_activation_bytes_are_what_autograd_keeps(edge: int, width: float, depth: int) -> None:
    architecture = describe(edge, width, depth)
    net, volumes = on_meta(architecture)
    parameters = {parameter.untyped_storage()._cdata for parameter in net.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        net(volumes)
    found = sum(storage.nbytes() for address, storage in kept.items() if address not in parameters)
    dense = 4 * (3 * sum(HIDDEN_FEATURES) + LABELS)  # LeakyReLU's and dropout's outputs, dropout's mask; tanh's output
    counts = 2 * 4 * edge**3
    assert found == BATCH * (activation_bytes(architecture, 4) - counts + dense)


def test_half_precision_keeps_less() -> None:
    architecture = describe(32)
    assert activation_bytes(architecture, 2) < activation_bytes(architecture, 4)


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
