"""Rendezvous of ranks on several hosts: an address of rank 0 that each of them has tried.

A host's name is no address that others reach: in its own /etc/hosts it may mean 127.0.1.1, in a cluster's a network
that compute nodes do not share. So rank 0 opens a `Door` and offers every address that it has; each rank takes the
first at which rank 0 itself answers, known by a word that only it can say. MPI carries the offer.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import secrets
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REACH_S = 3.0
"""How long one address may take to answer: a host that is there does so within milliseconds."""
_LOOPBACK = "lo"
_SIOCGIFCONF = 0x8912  # netdevice(7): all IPv4 addresses with their interfaces
_IFREQ_BYTES = 40
_WORD_BYTES = 32


@dataclass(frozen=True)
class Offer:
    """Rank 0's addresses, the better ones first, the port of its door, and the word that is said there."""

    addresses: tuple[str, ...]
    port: int
    word: bytes


@dataclass(frozen=True)
class Way:
    """The address at which one rank reaches rank 0, and that rank's own interface on the way, where it is known."""

    address: str
    interface: str | None


class Door:
    """Says its word to whoever connects, at every address of this host. A context manager."""

    def __init__(self) -> None:
        self.word = secrets.token_bytes(_WORD_BYTES)
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        self._socket = socket.create_server(("", 0), family=family, dualstack_ipv6=both, backlog=4096)
        self._thread = threading.Thread(target=self._answer, daemon=True)

    def offer(self, one_host: bool) -> Offer:
        """Return the offer for the other ranks. `one_host`: MPI takes all ranks to be on this host."""
        return Offer(tuple(addresses(one_host)), self._socket.getsockname()[1], self.word)

    def __enter__(self) -> Door:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # ends the accept that waits
        self._socket.close()
        self._thread.join(REACH_S)

    def _answer(self) -> None:
        while True:
            try:
                link, _ = self._socket.accept()
            except OSError:
                return
            with link, contextlib.suppress(OSError):
                link.settimeout(REACH_S)
                link.sendall(self.word)


def reach(offer: Offer) -> Way | str:
    """Return the first address at which rank 0 answers this rank; else why there is none."""
    tried = []
    for address in offer.addresses:
        try:
            with socket.create_connection((address, offer.port), REACH_S) as link:
                if _read(link) == offer.word:
                    return Way(address, interface_of(link.getsockname()[0]))
            tried.append(f"{address} is another host's too")
        except OSError as error:
            tried.append(f"{address}: {error.strerror or error}")
    return "; ".join(tried) or "rank 0 has no address but its loopback's"


def _read(link: socket.socket) -> bytes:
    found = b""
    while len(found) < _WORD_BYTES and (more := link.recv(_WORD_BYTES - len(found))):
        found += more
    return found


def addresses(one_host: bool) -> Iterator[str]:
    """This host's addresses, each once: on one host the loopback's first, otherwise those that its name means.

    GLOO_SOCKET_IFNAME, where a user has set it, names the network to try before all others.
    """
    own = dict(_interfaces())
    outside = [address for address, name in own.items() if name != _LOOPBACK]
    wanted = os.environ.get("GLOO_SOCKET_IFNAME", "").split(",")
    named = [address for address in outside if own[address] in wanted]
    loopback = ["127.0.0.1"] if one_host else []
    yield from dict.fromkeys([*named, *loopback, *(each for each in _meant_by_name() if each in outside), *outside])


def interface_of(address: str) -> str | None:
    """The interface that has an address of this host; None where that is not known."""
    plain = address.removeprefix("::ffff:")  # IPv4 on a socket of IPv6
    return _LOOPBACK if plain.startswith("127.") else dict(_interfaces()).get(plain)


def _meant_by_name() -> list[str]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(address[0]) for *_, address in found]


def _interfaces() -> Sequence[tuple[str, str]]:
    """(address, interface) of everything that is up: IPv4 as the kernel lists it, IPv6 of global scope."""
    room = array.array("B", bytes(256 * _IFREQ_BYTES))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("iL", len(room), room.buffer_info()[0])
        used = struct.unpack("iL", fcntl.ioctl(any_socket.fileno(), _SIOCGIFCONF, request))[0]
    raw, found = room.tobytes(), []
    for begin in range(0, used, _IFREQ_BYTES):
        name = raw[begin : begin + 16].partition(b"\0")[0].decode().partition(":")[0]  # eth0:1 is an alias of eth0
        found.append((socket.inet_ntoa(raw[begin + 20 : begin + 24]), name))
    with contextlib.suppress(OSError):  # a kernel without IPv6
        for line in Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines():
            digits, _, _, scope, _, name = line.split()
            if int(scope, 16) == 0:
                found.append((socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits)), name))
    return found
