"""Real ranks on emulated links: each a node of its own, all traffic on the link, nothing left behind."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from saih import launch
from saih.config.schema import Launch
from saih.emulate import LABEL, Settings, links, require

pytestmark = pytest.mark.mpi
MB = 1_000_000
LINK = Settings(link_mb_s=10.0)
IPROUTE2 = all(shutil.which(name, path=links.SYSTEM_PATH) for name in ("ip", "tc"))
AS_ROOT = () if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user")
AS_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


def works(*words):
    return subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0


linked = pytest.mark.skipif(
    not (IPROUTE2 and works(*AS_ROOT, "unshare", "--net")), reason="needs iproute2, and root or user namespaces"
)


@pytest.fixture(scope="module")
def launcher():
    found = launch.find(Launch(device="cpu"))
    if found.flavour != "mpich":
        pytest.skip("the MPI that is loaded is not MPICH")
    return found


SAY = """
import json, os
from pathlib import Path

def say(value):
    Path(os.environ["SAYINGS"], os.environ["PMI_RANK"]).write_text(json.dumps(value))
"""


def start(launcher, folder, ranks, settings, code, before=()):
    """Ranks that run ``code``, which may leave a value with say()."""
    words = launcher.command(ranks, [sys.executable, "-c", SAY + code], settings.wrapper())
    environment = {**os.environ, **launcher.environment(), "SAYINGS": str(folder)}
    return subprocess.Popen([*before, *words], env=environment)


def said(launcher, folder, ranks, settings, code, before=()):
    """What each rank says, in order."""
    assert start(launcher, folder, ranks, settings, code, before).wait(120) == 0
    return [json.loads((folder / str(rank)).read_text()) for rank in range(ranks)]


def ids(kind):
    """The namespaces of a kind that this host's processes are in."""
    found = set()
    for path in Path("/proc").glob(f"[0-9]*/ns/{kind}"):
        with contextlib.suppress(OSError):
            found.add(path.readlink().name)
    return found


def interfaces():
    return {path.name for path in Path("/sys/class/net").iterdir()}


def until(true, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


TALK = """
import socket, time
import numpy as np
import torch, torch.distributed as dist
from mpi4py import MPI

def sent():
    lines = open("/proc/net/dev").read().splitlines()
    return next(int(line.split()[9]) for line in lines if line.strip().startswith("saih0:"))

world = MPI.COMM_WORLD
own = socket.gethostbyname(socket.gethostname())
found = {"size": world.size, "address": own, "sent": {}}
found["cores"], found["here"] = sorted(os.sched_getaffinity(0)), world.Split_type(MPI.COMM_TYPE_SHARED).size
address = world.bcast(own)
block = np.zeros(2**20, np.uint8)

before = sent()
world.Send(block, 1) if world.rank == 0 else world.Recv(block, 0)
world.Barrier()  # which comes after the data in the link's queue
found["sent"]["mpi"] = sent() - before

store = dist.TCPStore(address, 0, is_master=True, wait_for_workers=False) if world.rank == 0 else None
port = world.bcast(store.port if store else None)
store = store or dist.TCPStore(address, port, is_master=False)
dist.init_process_group("gloo", store=store, rank=world.rank, world_size=world.size)
before = sent()
dist.all_reduce(torch.zeros(2**18))
world.Barrier()
found["sent"]["gloo"] = sent() - before

if world.rank == 0:
    with socket.create_server((address, 0)) as server:
        world.bcast(server.getsockname()[1])
        with server.accept()[0] as connection:
            size, start = len(connection.recv(65536)), time.monotonic()
            while part := connection.recv(65536):
                size += len(part)
            found["bytes_per_s"] = size / (time.monotonic() - start)
else:
    with socket.create_connection((address, world.bcast(None))) as connection:
        connection.sendall(bytes(4 * 2**20))
world.Barrier()
dist.destroy_process_group()
say(found)
"""


@linked
def test_all_that_ranks_say_to_each_other_goes_over_the_link_at_its_rate(launcher, tmp_path):
    before = interfaces()
    ranks = said(launcher, tmp_path, 2, LINK, TALK)
    assert [each["address"] for each in ranks] == [links.address(0), links.address(1)]
    assert [(each["size"], each["here"]) for each in ranks] == [(2, 1), (2, 1)]
    assert ranks[0]["sent"]["mpi"] > 2**20
    assert all(each["sent"]["gloo"] > 2**20 for each in ranks)  # of 2^18 floats each half is sent twice
    assert 0.5 * 10 * MB < ranks[0]["bytes_per_s"] < 1.2 * 10 * MB
    if len(os.sched_getaffinity(0)) > 1:
        assert not set(ranks[0]["cores"]) & set(ranks[1]["cores"])
    assert interfaces() == before


@linked
def test_each_end_of_a_link_holds_the_rate(launcher, tmp_path):
    code = (
        "import socket, subprocess; from mpi4py import MPI\n"
        f"environment = {{**os.environ, 'PATH': {links.SYSTEM_PATH!r}}}\n"
        "shown = subprocess.check_output(['tc', 'qdisc', 'show', 'dev', 'saih0'], env=environment, text=True)\n"
        "say([socket.gethostbyname(socket.gethostname()), shown])\n"
        "MPI.COMM_WORLD.Barrier()"  # a rank that ends takes its end of the links with it
    )
    shown = said(launcher, tmp_path, 3, LINK, code)
    assert [address for address, _ in shown] == [links.address(rank) for rank in range(3)]
    assert all("tbf" in limit and "rate 80Mbit" in limit for _, limit in shown)


@linked
@pytest.mark.skipif(not works(*AS_USER), reason="needs user namespaces")
def test_a_user_without_rights_has_links_too(launcher, tmp_path):
    code = (
        "import socket; from mpi4py import MPI\n"
        "say(MPI.COMM_WORLD.allgather(socket.gethostbyname(socket.gethostname())))"
    )
    assert said(launcher, tmp_path, 2, LINK, code, AS_USER) == [[links.address(0), links.address(1)]] * 2


@linked
def test_a_killed_launcher_leaves_no_rank_and_no_network(launcher, tmp_path):
    running = start(launcher, tmp_path, 2, LINK, "import time; say(os.readlink('/proc/self/ns/net')); time.sleep(600)")
    files = [tmp_path / "0", tmp_path / "1"]
    until(lambda: all(file.exists() and file.read_text() for file in files))
    networks = {json.loads(file.read_text()) for file in files}
    assert len(networks) == 2
    assert networks <= ids("net")
    running.kill()
    running.wait()
    until(lambda: not networks & ids("net"))


GROUP = """
import json, sys
from pathlib import Path
from saih import launch
from saih.config.schema import Launch
from saih.errors import GroupError
from saih.groups.worker_group import Patience
from saih.groups import failures
from saih.groups.pool import Groups

asked = Launch(device="cpu", wrapper=sys.argv[3:])
with Groups(asked, launch.find(asked), Path(sys.argv[1]), lambda *_: None) as groups:
    try:
        found = groups.ask({"do": "describe"}, 2, "group", Patience(float(sys.argv[2])))
    except GroupError as error:
        found = failures.to_dict(error.failure)
print(json.dumps(found))
"""


def ask(settings, folder, timeout_s):
    """What a worker group of two ranks answers, or how it fails."""
    words = [sys.executable, "-c", GROUP, str(folder), str(timeout_s), *settings.wrapper()]
    return json.loads(subprocess.check_output(words, text=True, timeout=150))


@linked
def test_workers_meet_on_their_links(launcher, tmp_path):
    assert ask(LINK, tmp_path, 120)["machine"]["device_kind"] == "cpu"


def test_each_rank_suffers_its_own(launcher, tmp_path):
    settings = Settings(slow_rank=(1, 0.9), memory_gib=4.0)
    assert said(launcher, tmp_path, 2, settings, f"say(json.loads(os.environ['{LABEL}']))") == [
        {"memory_gib": 4.0},
        {"slow_rank": {"rank": 1, "share": 0.9}, "memory_gib": 4.0},
    ]


def test_a_stopped_rank_hangs_its_group_and_goes_with_it(launcher, tmp_path):
    assert ask(Settings(stop_rank=(1, 0.0)), tmp_path, 3)["kind"] == "timeout"

    def stays(path):
        with contextlib.suppress(OSError):
            return str(tmp_path).encode() in path.read_bytes()

    until(lambda: not any(stays(path) for path in Path("/proc").glob("[0-9]*/cmdline")))


@linked
def test_links_can_be_tried_beforehand():
    require(LINK)
