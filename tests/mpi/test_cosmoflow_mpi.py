"""CosmoFlow on two real MPI ranks: the joint batch of two ranks is the batch of one, and replicas stay equal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from apps.cosmoflow import APP, training
from apps.cosmoflow.training.sanity import checksum
from apps.cosmoflow.training.step import Training
from tests.conftest import ROOT
from tests.unit.test_cosmoflow_training import Alone, no_dropout, point

pytestmark = pytest.mark.mpi

STEPS = (1, 3, 2)  # runs of the full step; the second is followed by BETWEEN steps without communication
BETWEEN = 3


class Ranks(Alone):
    """The context of a group of ranks, over MPI."""

    def __init__(self) -> None:
        from mpi4py import MPI

        super().__init__()
        comm = MPI.COMM_WORLD
        self.rank, self.size = comm.rank, comm.size
        self.broadcast, self.gather = comm.bcast, comm.allgather


def state(work: Training) -> dict[str, list[torch.Tensor]]:
    """Parameters, and torch's momentum, which after one step is the gradient."""
    parts = work._parts
    held = {"parameters": parts.net.parameters(), "velocities": parts.update.optimizer.velocities()}
    return {name: [tensor.detach().clone() for tensor in tensors] for name, tensors in held.items()}


def as_rank(folder: Path) -> dict[str, Any]:
    """What one rank of two finds."""
    context = Ranks()
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=context.rank, world_size=context.size
    )
    work = training.build(context, point(folder, ranks=2, batch=2))
    no_dropout(work._parts.net)
    states, found = [], {}
    for n in STEPS[:2]:
        found["samples"] = work.run(n).samples
        states.append(state(work))
    found["apart"] = without_communication(context, work)
    found["after"] = state(work)
    work.run(STEPS[2])
    states.append(state(work))
    found["replicas"] = context.gather(checksum(states[-1]["parameters"]))
    found["sane"] = context.gather(work.check())
    if context.rank == 1:
        with torch.no_grad():
            work._parts.net.head[1].weight[0, 0] += 1e-6
    found["planted"] = context.gather(work.check())
    work.close()
    torch.distributed.destroy_process_group()
    return found | {"states": states}


def without_communication(context: Ranks, work: Training) -> list[int]:
    """Checksums of all ranks' own momentum after steps without communication: they must differ."""
    lacking = work.without("communication")
    assert lacking is not None
    ran = lacking.run(BETWEEN)
    assert ran.samples == BETWEEN * 2
    return context.gather(checksum(lacking._parts.update.optimizer.velocities()))


def as_one_rank(folder: Path) -> list[dict[str, list[torch.Tensor]]]:
    """The same on one rank with the joint batch."""
    work = training.build(Alone(), point(folder, batch=4))
    no_dropout(work._parts.net)
    states = []
    for n in STEPS[:2]:
        work.run(n)
        states.append(state(work))
    with work._parts.source.reading():
        for _ in range(BETWEEN):
            work._parts.source.next()
    work.run(STEPS[2])
    states.append(state(work))
    work.close()
    return states


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("two")
    APP.prepare(Alone(), [point(folder)])
    mpiexec = Path(sys.executable).with_name("mpiexec")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-W", "error", "-m", "tests.mpi.test_cosmoflow_mpi", str(folder)]
    done = subprocess.run(
        [str(mpiexec), "-n", "2", *program], capture_output=True, text=True, timeout=120, env=environment, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return {"folder": folder, **torch.load(folder / "found.pt", weights_only=True)}


def test_two_ranks_step_as_one_rank_on_the_joint_batch(two_ranks) -> None:
    """Gradients (momentum after the first step), then parameters and momentum after more steps."""
    assert two_ranks["samples"] == STEPS[1] * 2
    for found, expected in zip(two_ranks["states"], as_one_rank(two_ranks["folder"]), strict=True):
        for name in ("velocities", "parameters"):
            for a, b in zip(found[name], expected[name], strict=True):
                assert (a - b).norm() <= 1e-4 * b.norm()


def test_without_communication_gradients_differ_but_replicas_do_not(two_ranks) -> None:
    first, second = two_ranks["apart"]
    assert first != second
    for name, before in two_ranks["states"][1].items():
        for a, b in zip(before, two_ranks["after"][name], strict=True):
            assert torch.equal(a, b)
    assert len(set(two_ranks["replicas"])) == 1


def test_check_finds_replicas_that_differ_on_every_rank(two_ranks) -> None:
    assert two_ranks["sane"] == [None, None]
    for doubt in two_ranks["planted"]:
        assert doubt.startswith("rank 1 holds other parameters or momentum than rank 0")


if __name__ == "__main__":
    given = Path(sys.argv[1])
    answers = as_rank(given)
    if Ranks().rank == 0:
        torch.save(answers, given / "found.pt")
