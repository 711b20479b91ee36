"""Ranks that meet although rank 0's name means another address, in network namespaces that stand for hosts."""

import os
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from saih.processes import die_with_parent
from saih.worker import rendezvous
from tests.conftest import ROOT

pytestmark = pytest.mark.mpi
MEET = """\
import os, sys
from saih.worker.mpi import World
world = World(2, 0)
world.start_torch_distributed("gloo")
import torch, torch.distributed as dist
value = torch.tensor([world.rank + 1.0])
dist.all_reduce(value)
if world.rank == 0:
    print("sum", value.item(), os.environ["GLOO_SOCKET_IFNAME"])
world.finalise()
"""


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def hosts(tmp_path):
    """Two network namespaces on one bridge, whose own names mean 127.0.1.1 in their hosts files, as Debian has it.

    Each also has a network of the same addresses that leads nowhere, as container software makes on every host.
    """
    if os.geteuid() or not all(map(shutil.which, ("ip", "nsenter", "unshare"))):
        pytest.skip("needs root and iproute2")
    names = [f"saih{os.getpid()}-{rank}" for rank in range(2)]
    try:
        for rank, name in enumerate(names):
            ip("netns", "add", name)
            Path("/etc/netns", name).mkdir(parents=True)
            Path("/etc/netns", name, "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 node{rank}\n")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "add", "docker0", "type", "bridge")
            ip("-n", name, "addr", "add", "172.17.0.1/16", "dev", "docker0")
            ip("-n", name, "link", "set", "docker0", "up")
        ip("link", "add", "name", "eth1", "netns", names[0], "type", "veth", "peer", "name", "eth1", "netns", names[1])
        for rank, name in enumerate(names):
            ip("-n", name, "addr", "add", f"10.99.0.{rank + 1}/24", "dev", "eth1")
            ip("-n", name, "link", "set", "eth1", "up")
        wrapper = tmp_path / "host.sh"
        inside = 'hostname node$PMI_RANK; exec "$@"'
        enter = f"ip netns exec saih{os.getpid()}-$PMI_RANK unshare --uts sh -c '{inside}' sh"
        wrapper.write_text(f'#!/bin/sh\nexec {enter} "$@"\n')
        wrapper.chmod(0o755)
        yield names, str(wrapper)
    finally:
        for name in names:
            with suppress(subprocess.CalledProcessError):
                ip("netns", "delete", name)
            shutil.rmtree(Path("/etc/netns", name), ignore_errors=True)


def meet(wrapper, tmp_path, timeout_s=60):
    (tmp_path / "meet.py").write_text(MEET)
    mpiexec = Path(sys.prefix, "bin", "mpiexec")
    environment = {name: value for name, value in os.environ.items() if name != "GLOO_SOCKET_IFNAME"}
    words = [mpiexec, "-n", "2", wrapper, sys.executable, "-W", "ignore", tmp_path / "meet.py"]
    return subprocess.run(words, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
                          timeout=timeout_s, check=False, preexec_fn=die_with_parent)  # fmt: skip


def test_ranks_meet_where_rank_0s_name_means_its_own_loopback(hosts, tmp_path):
    done = meet(hosts[1], tmp_path)
    assert "sum 3.0 eth1" in done.stdout, done.stderr


def test_ranks_that_cannot_meet_say_so_at_once_and_name_what_was_tried(hosts, tmp_path):
    ip("-n", hosts[0][1], "link", "set", "eth1", "down")
    done = meet(hosts[1], tmp_path, 40)
    assert done.returncode
    assert (
        "rank 1 on node1 reaches rank 0 on node0 at none of its addresses (127.0.0.1: Connection refused; "
        in done.stderr
    )
    assert "10.99.0.1: " in done.stderr
    assert "GLOO_SOCKET_IFNAME" in done.stderr


def test_ranks_of_one_host_meet_on_its_loopback(tmp_path):
    done = meet("/usr/bin/env", tmp_path)
    assert "sum 3.0 lo" in done.stdout, done.stderr


def test_an_address_at_which_somebody_else_answers_is_not_rank_0():
    with rendezvous.Door() as rank_0, rendezvous.Door() as stranger:
        offer = rank_0.offer(one_host=True)
        found = rendezvous.reach(offer)
        assert (found.address, found.interface) == ("127.0.0.1", "lo")
        wrong = rendezvous.Offer(("127.0.0.1",), stranger.offer(True).port, offer.word)
        assert rendezvous.reach(wrong) == "127.0.0.1 is another host's too"
    assert "Connection refused" in rendezvous.reach(offer)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("saih")]


def test_a_user_s_choice_of_network_comes_first(monkeypatch):
    others = list(rendezvous.addresses(one_host=False))
    if not others:
        pytest.skip("this host has no address but its loopback's")
    interface = rendezvous.interface_of(others[-1])
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", interface)
    assert rendezvous.interface_of(next(rendezvous.addresses(one_host=True))) == interface
    assert "127.0.0.1" not in others
