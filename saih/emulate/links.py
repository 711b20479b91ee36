"""Links of limited rate: each rank becomes a node of its own, with a network interface and cores of its own.

    rank 0 [saih0]---tbf---tbf---[n0]                     a rank's end is in its own network namespace,
                                     bridge (a namespace)     the bridge and the other ends in one more;
    rank 1 [saih0]---tbf---tbf---[n1]                     both ends send through a token bucket (tc-tbf(8))

Rank 0 sets everything up before any rank has become its command, and sends each of the others the descriptor of its
namespace through a socket. Nothing gets a name on the host: the kernel removes a namespace when its last process or
descriptor is gone, for whatever reason. MPICH is set to use the network between these ranks, gloo finds its interface
by GLOO_SOCKET_IFNAME, and in an /etc/hosts that only the rank sees the host's name has the rank's own address.

The rate is the link's own, frames with all headers, like that of a real one; large messages reached 95 to 99 % of it.
Needs iproute2 and root, or a kernel that lets users create namespaces.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from saih.emulate import kernel
from saih.errors import InputError
from saih.processes import launcher

MB = 1_000_000
KEY = "emulate.link_mb_s"
INTERFACE = "saih0"
MTU_BYTES = 9000
"""The usual size on clusters: each frame costs the host work, and larger frames cost less of it."""
BURST_MS = 1.0
"""The burst after a pause, as time on the link: shorter messages are not slowed.

With less, a busy host falls behind, since the kernel is late in filling the bucket and the overflow is lost.
"""
LEAST_BURST_BYTES = 16 * 1024
QUEUE_MS = 50
"""The time that a frame may wait for its turn before it is dropped."""
JOIN_TIMEOUT_S = 60.0
MOST_RANKS = 250
SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def join(mb_s: float, rank: int, size: int) -> dict[str, str]:
    """Put this process on its link of `mb_s` MB/s; return the environment variables that direct traffic to it.

    Every one of the `size` ranks calls it. Raises InputError if that fails.
    """
    if "OMPI_COMM_WORLD_RANK" in os.environ:
        raise InputError(f"{KEY} = {mb_s:g}: Open MPI's ranks cannot leave their daemon's network; use MPICH")
    if size > MOST_RANKS:
        raise InputError(f"{KEY} = {mb_s:g}: {size} ranks; must be at most {MOST_RANKS}")
    try:
        namespaces = _lead(mb_s, size) if rank == 0 else _follow(rank)
        for namespace in namespaces:
            kernel.enter(namespace)
        _name_addresses(rank, size)
    except OSError as error:
        raise InputError(f"{KEY} = {mb_s:g}: {error.strerror or error}; needs root or user namespaces") from error
    _take_cores(rank, size)
    return {
        "GLOO_SOCKET_IFNAME": INTERFACE,
        "MPIR_CVAR_NOLOCAL": "1",  # else MPICH's ranks use shared memory, which namespaces do not separate
        "MPIR_CVAR_CH4_NETMOD": "ofi",
        "FI_PROVIDER": "tcp",
        "FI_TCP_IFACE": INTERFACE,
    }


def address(rank: int) -> str:
    """Return a rank's address, the same in every run: its network is private."""
    return f"10.77.0.{rank + 1}"


# rank 0 and the others


def _meeting_point() -> str:
    """Return a name in the abstract namespace of sockets that only the ranks of one launcher share: unix(7)."""
    return f"\0saih-links-{launcher()}"


def _lead(mb_s: float, size: int) -> list[int]:
    """Set up every rank's namespace and hand them out; return rank 0's own."""
    with socket.socket(socket.AF_UNIX) as meeting:
        meeting.settimeout(JOIN_TIMEOUT_S)
        meeting.bind(_meeting_point())
        meeting.listen(size)
        others = [meeting.accept()[0] for _ in range(size - 1)]
    users, networks = _set_up(mb_s, size)
    for other in others:  # after a failure they find their sockets closed
        rank = int(other.recv(16))
        socket.send_fds(other, [b"."], [*users, networks[rank]])
        other.close()
    return [networks[0]]


def _follow(rank: int) -> list[int]:
    """Return this rank's namespaces, from rank 0: that of users if there is one, and its network's.

    Raises InputError if rank 0 failed.
    """
    with socket.socket(socket.AF_UNIX) as leader:
        leader.settimeout(JOIN_TIMEOUT_S)
        _connect(leader)
        leader.send(str(rank).encode())
        said, namespaces, *_ = socket.recv_fds(leader, 1, 2)
    if not said:
        raise InputError(f"{KEY}: rank 0 could not set up the links")
    return namespaces


def _connect(leader: socket.socket) -> None:
    deadline = time.monotonic() + JOIN_TIMEOUT_S
    while leader.connect_ex(_meeting_point()):
        if time.monotonic() > deadline:
            raise InputError(f"{KEY}: no rank 0 on this host; links are emulated between the ranks of one host")
        time.sleep(0.01)


# namespaces and interfaces


def _set_up(mb_s: float, size: int) -> tuple[list[int], list[int]]:
    """Return ([the namespace of users if one was needed], every rank's network), as descriptors."""
    users: list[int] = []
    if os.geteuid():
        _become_root()
        users = [os.open("/proc/self/ns/user", os.O_RDONLY)]
    networks = [_new_network() for _ in range(size)]
    os.set_inheritable(_new_network(), True)  # the bridge's, which lasts as long as rank 0 keeps it open
    commands = ["link add name bridge type bridge", "link set bridge up"]
    for rank, network in enumerate(networks):
        commands += [f"link add name n{rank} type veth peer name {INTERFACE} netns /proc/self/fd/{network}"]
        commands += [f"link set n{rank} master bridge", f"link set n{rank} mtu {MTU_BYTES} up"]
    _batch("ip", commands, networks)
    _batch("tc", [_limit(f"n{rank}", mb_s) for rank in range(size)])
    for rank, network in enumerate(networks):
        kernel.enter(network)
        up = ["link set lo up", f"link set {INTERFACE} mtu {MTU_BYTES} up"]
        _batch("ip", [*up, f"address add {address(rank)}/24 dev {INTERFACE}"])
        _batch("tc", [_limit(INTERFACE, mb_s)])
    return users, networks


def _limit(interface: str, mb_s: float) -> str:
    burst_bytes = max(LEAST_BURST_BYTES, int(mb_s * MB * BURST_MS / 1000))
    rate = f"rate {int(mb_s * MB)}bps"  # tc's bps are bytes
    return f"qdisc add dev {interface} root tbf {rate} burst {burst_bytes} latency {QUEUE_MS}ms"


def _new_network() -> int:
    """Continue in a new network; return its descriptor."""
    kernel.unshare(kernel.NEW_NETWORK)
    return os.open("/proc/self/ns/net", os.O_RDONLY)


def _become_root() -> None:
    """Continue as root of a new namespace of users, in which only this user exists: user_namespaces(7)."""
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEW_USERS)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")


def _batch(program: str, commands: Sequence[str], descriptors: Sequence[int] = ()) -> None:
    """Run several commands of ip or tc. Raises InputError with the program's own words if they fail."""
    path = shutil.which(program, path=SYSTEM_PATH)
    if path is None:
        raise InputError(f"{KEY}: needs the program {program} (of iproute2)")
    text = "\n".join([*commands, ""])
    words = [path, "-batch", "-"]
    done = subprocess.run(words, input=text, capture_output=True, text=True, pass_fds=descriptors, check=False)
    if done.returncode:
        raise InputError(f"{KEY}: {program}: {' '.join(done.stderr.split())}")


def _name_addresses(rank: int, size: int) -> None:
    """Give the host's name this rank's address, in an /etc/hosts of its own that also names the others."""
    names = [socket.gethostname() if each == rank else f"node{each}" for each in range(size)]
    kernel.unshare(kernel.NEW_MOUNTS)
    kernel.keep_mounts_private()
    with tempfile.NamedTemporaryFile("w", encoding="ascii") as hosts:  # the mount keeps the file without its name
        hosts.write("127.0.0.1 localhost\n" + "".join(f"{address(i)} {name}\n" for i, name in enumerate(names)))
        hosts.flush()
        Path(hosts.name).chmod(0o644)
        kernel.bind(Path(hosts.name), Path("/etc/hosts"))


def _take_cores(rank: int, size: int) -> None:
    """Take a node's share of the host's cores; each rank, alone on its node, would otherwise take the first ones."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) >= size:
        os.sched_setaffinity(0, cores[rank * len(cores) // size : (rank + 1) * len(cores) // size])
