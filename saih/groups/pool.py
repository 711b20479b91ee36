"""The worker groups of a sweep: one at a time, kept warm while the points that follow suit it.

A point is served by the group that is there if it has as many ranks, bound alike, and the point is of the same
repeat: repeats must differ in all that differs between processes, or their spread would hide it. Two groups never live
at the same time, since ranks that wait for work would take cores and memory from those that are measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from saih.config.schema import Launch
from saih.groups.worker_group import Group, OnProgress, Patience, Say
from saih.launch.launchers import Launcher


@dataclass
class Groups:
    """Starts and ends groups; a context manager that leaves none behind. `cores_per_rank` 0: all of a host's.

    `emulated`: words before the ranks' commands of groups that serve points, and of no others. `say` is told what
    keeps a group from starting.
    """

    launch: Launch
    launcher: Launcher
    logs: Path
    on_progress: OnProgress
    cores_per_rank: int = 0
    emulated: Sequence[str] = ()
    say: Say = lambda _: None
    _group: Group | None = field(default=None, init=False)
    _repeat: int | None = field(default=None, init=False)
    _wrapper: list[str] = field(default_factory=list, init=False)

    def ask(
        self,
        request: Mapping[str, Any],
        ranks: int,
        name: str,
        patience: Patience,
        repeat: int | None = None,
        copies: int = 1,
    ) -> dict[str, Any]:
        """The answer of a group of `ranks` ranks, whose output goes to the log `name`. Raises GroupError.

        `repeat`: a group that served points serves those of the same repeat only; None suits any. `copies`: the
        ranks do the request in so many equal parts side by side, spread evenly over all nodes.
        """
        log = self.logs / f"{name}.log"
        group = self._suited(ranks, repeat, copies) or self._start(ranks, copies, self._words(repeat), log)
        self._repeat = repeat if repeat is not None else self._repeat
        answer = group.ask(request, log, patience, self.on_progress)
        for remark in answer.get("remarks", ()):
            self.say(remark)
        if answer.get("fresh"):  # an application left what a next point would meet
            self.end()
        return answer

    def served(self, ranks: int, repeat: int, copies: int) -> int:
        """Return the number of requests that the group for such a point has served; 0 for a fresh one."""
        group = self._suited(ranks, repeat, copies)
        return group.served if group else 0

    def fill(self, per_node: int, cores_per_rank: int, host_cores: int) -> None:
        """Place `per_node` ranks on a node from now on, each bound to `cores_per_rank` of its cores."""
        self.launcher, self.cores_per_rank = self.launcher.filling(per_node), cores_per_rank
        if self._group and cores_per_rank == host_cores:
            self._group.cores_per_rank = host_cores  # which it has already

    def end(self) -> None:
        """End the group that is there, in order."""
        group, self._group, self._repeat = self._group, None, None
        if group:
            group.close()

    def __enter__(self) -> Groups:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self.end()
        elif self._group:
            self._group.kill()

    def _suited(self, ranks: int, repeat: int | None, copies: int) -> Group | None:
        """The group that is there, if it may serve this."""
        group, wanted = self._group, (ranks, self.cores_per_rank, copies)
        if group is None or not group.alive or (group.ranks, group.cores_per_rank, group.copies) != wanted:
            return None
        if self._wrapper != self._words(repeat):
            return None
        return group if repeat is None or self._repeat in (None, repeat) else None

    def _words(self, repeat: int | None) -> list[str]:
        """Return the words before each rank's command: emulation for points only."""
        return [*(self.emulated if repeat is not None else ()), *self.launch.wrapper]

    def _start(self, ranks: int, copies: int, wrapper: list[str], log: Path) -> Group:
        self.end()
        launcher = self.launcher
        if copies > 1:
            launcher = launcher.filling(-(-ranks // launcher.allocation.nodes))
        self._wrapper = wrapper
        launch = self.launch.model_copy(update={"wrapper": wrapper})
        self._group = Group(launcher, ranks, launch, self.cores_per_rank, copies, log, self.say)
        return self._group
