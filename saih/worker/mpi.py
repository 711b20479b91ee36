"""The only module that imports mpi4py: who a rank is, small messages between ranks, torch.distributed's rendezvous."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections import Counter
from typing import Any, NoReturn

from mpi4py import MPI

from saih.common.host import affinity
from saih.errors import InputError
from saih.launch.launchers import own_cores
from saih.worker import rendezvous


class Communicator:
    """Ranks that speak with each other, as one of them sees them."""

    def __init__(self, comm: MPI.Comm) -> None:
        self._comm = comm
        self.rank: int = comm.rank
        self.size: int = comm.size

    def broadcast(self, value: Any) -> Any:
        """Rank 0's `value` on every rank."""
        return self._comm.bcast(value)

    def gather(self, value: Any) -> list[Any]:
        """Every rank's `value`, in order of rank, on every rank."""
        return self._comm.allgather(value)

    def barrier(self) -> None:
        """Return once every rank has come here."""
        self._comm.Barrier()

    def start_torch_distributed(self, backend: str) -> None:
        """Initialise torch.distributed over these ranks, at the address at which each of them reaches rank 0.

        MPI tells everyone where rank 0's store listens. The store chooses a free port itself, so that no two jobs of a
        host can collide. Raises InputError, on every rank, where one finds no way.
        """
        import torch.distributed as dist
        from torch.distributed import TCPStore  # type: ignore[attr-defined]

        way = self._way_to_rank_0()
        if way.interface:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", way.interface)
        store = TCPStore(way.address, 0, is_master=True, wait_for_workers=False) if self.rank == 0 else None
        port = self.broadcast(store.port if store else None)
        store = store or TCPStore(way.address, port, is_master=False)
        dist.init_process_group(backend, store=store, rank=self.rank, world_size=self.size)

    def _way_to_rank_0(self) -> rendezvous.Way:
        one_host = self._comm.Split_type(MPI.COMM_TYPE_SHARED).size == self.size
        with rendezvous.Door() if self.rank == 0 else contextlib.nullcontext() as door:
            offer = self.broadcast(door.offer(one_host) if door else None)
            ways = self.gather((socket.gethostname(), rendezvous.reach(offer)))
        found = [way for _, way in ways if isinstance(way, rendezvous.Way)]
        for rank, (host, way) in enumerate(ways):
            if isinstance(way, str):
                raise InputError(
                    f"rank {rank} on {host} reaches rank 0 on {ways[0][0]} at none of its addresses ({way}); name a "
                    "network that all hosts share in GLOO_SOCKET_IFNAME, or let these ports through"
                )
        if self.rank:
            return found[self.rank]
        (address, _), *_ = Counter(way.address for way in found[1:] or found).most_common(1)
        return rendezvous.Way(address, rendezvous.interface_of(address))


class World(Communicator):
    """All ranks of the worker group, and what their hosts have."""

    def __init__(self, asked_ranks: int, cores_per_rank: int) -> None:
        """Bind this rank to `cores_per_rank` cores (0: all that it was given).

        Raises InputError where the launcher started another number of ranks than `asked_ranks`.
        """
        super().__init__(MPI.COMM_WORLD)
        if self.size != asked_ranks:
            raise InputError(
                f"launch.mpiexec: {asked_ranks} ranks were asked for, but MPI counts {self.size}: the launcher and the "
                f"MPI library ({self.library()}) do not match; load one MPI module, or set launch.mpiexec to its own"
            )
        local = self._comm.Split_type(MPI.COMM_TYPE_SHARED)
        self.local_rank: int = local.rank
        self.local_size: int = local.size
        self.cores = affinity.own()
        given = local.allgather(self.cores)
        bound_already = any(other != self.cores for other in given)
        if cores_per_rank and not bound_already:
            self.cores = own_cores(self.cores, self.local_rank, cores_per_rank)
            os.sched_setaffinity(0, self.cores)
        self.host_cores = sorted(set().union(*given))
        self.spare_cores = sorted(set(self.host_cores).difference(*local.allgather(self.cores)))

    @staticmethod
    def library() -> str:
        """The MPI library's own description, first line."""
        return MPI.Get_library_version().strip("\0 \n").splitlines()[0].strip()

    def part(self, parts: int) -> Communicator:
        """The ranks of this one's part, where all are divided in order into so many parts of one size."""
        return self if parts == 1 else Communicator(self._comm.Split(self.rank * parts // self.size))

    @staticmethod
    def finalise() -> None:
        """Take leave of MPI, as every rank of the group must."""
        MPI.Finalize()

    def abort(self, status: int) -> NoReturn:
        """End every rank of the group at once."""
        sys.stderr.flush()
        self._comm.Abort(status)
        os._exit(status)
