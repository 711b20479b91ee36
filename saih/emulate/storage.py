"""Slow storage: a control group with a limit on the rate at which its processes read from the host's disks.

The kernel delays each request to a block device until the limit allows it (blk-throttle, documented in
cgroup-v1/blkio-controller.rst). Reads from the page cache are not delayed, nor are those of file systems without a disk
of this host, which `require_disks` refuses. All ranks of a host share one group, and so one limit, as they share
storage.

Needs the right to make a group in the hierarchy of the blkio controller (cgroup version 1), usually root's.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from saih.emulate.pauses import close_all
from saih.errors import InputError
from saih.processes import launcher

MB = 1_000_000
LOOK_S = 0.2
TRIES = 20
KEY = "emulate.storage_mb_s"
LIMIT = "blkio.throttle.read_bps_device"


def throttle(mb_s: float) -> None:
    """Limit this process, its command and their children to reading `mb_s` MB/s, together with the other ranks.

    Raises InputError if that is not possible here.
    """
    parent = _own_group(mb_s)
    for left in parent.glob("saih-*"):  # left if even the process that removes them was killed
        with contextlib.suppress(OSError):  # busy: another run's
            left.rmdir()
    group = parent / _name(mb_s)
    for _ in range(TRIES):
        try:
            if not group.exists():
                _remove_when_empty(group)
            group.mkdir(exist_ok=True)
            for disk in disks():
                (group / LIMIT).write_text(f"{disk} {int(mb_s * MB)}", encoding="ascii")
            (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
        except FileNotFoundError:  # ranks that ran before these have just ended, and their group with them
            continue
        except OSError as error:
            raise InputError(f"{KEY} = {mb_s:g}: {group}: {error.strerror}; needs root") from error
        return
    raise InputError(f"{KEY} = {mb_s:g}: {group}: vanished {TRIES} times")


def _name(mb_s: float) -> str:
    """Return a name that is the same for all ranks of a launcher on this host, and for no others."""
    return f"saih-{launcher()}-{int(mb_s * MB)}"


def disks() -> list[str]:
    """Return major:minor of every block device of this host that is not empty."""
    devices = sorted(Path("/sys/block").iterdir())
    return [_word(device / "dev") for device in devices if int(_word(device / "size"))]


def require_disks(mb_s: float | None, paths: Iterable[str]) -> None:
    """Raise InputError if `mb_s` is set and one of the paths is on no block device of this host."""
    for path in paths if mb_s is not None else ():
        mount = _mount_of(Path(path))
        if not mount.source.startswith("/dev/"):
            reason = f"{path} lies on {mount.kind} ({mount.source}), which has no disk here that could be slowed"
            raise InputError(f"{KEY} = {mb_s:g}: {reason}")


class _Mount:
    """A line of /proc/self/mountinfo, proc(5)."""

    def __init__(self, line: str) -> None:
        before, after = line.split(" - ", 1)
        self.where = Path(before.split()[4].encode().decode("unicode_escape"))
        self.root = before.split()[3]
        self.kind, self.source, self.options = after.split()[:3]


def _mounts() -> list[_Mount]:
    return [_Mount(line) for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]


def _mount_of(path: Path) -> _Mount:
    """Return the mount of a path: of those above it the deepest, and of several there the last."""
    real = path.resolve()
    above = [mount for mount in _mounts() if real.is_relative_to(mount.where)]
    return max(reversed(above), key=lambda mount: len(mount.where.parts))


def _own_group(mb_s: float) -> Path:
    """Return the folder of this process's group in the blkio hierarchy. Raises InputError if there is none."""
    mounted = [mount for mount in _mounts() if mount.kind == "cgroup" and "blkio" in mount.options.split(",")]
    lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    paths = [path for _, names, path in (line.split(":", 2) for line in lines) if "blkio" in names.split(",")]
    for mount, path in zip(mounted, paths, strict=False):
        group = mount.where / os.path.relpath(path, mount.root)
        if (group / LIMIT).exists():
            return group
    raise InputError(f"{KEY} = {mb_s:g}: needs the blkio controller of cgroup version 1, which this host does not have")


def _remove_when_empty(group: Path) -> None:
    """Leave a process behind that removes the group after its last process, once this one has become its command.

    That process exists before the group does: this one may be killed at any time.
    """
    waiting, held = os.pipe()  # closed when this process becomes its command, or ends
    child = os.fork()
    if child:
        os.close(waiting)
        os.waitpid(child, 0)
        return
    try:
        os.setsid()  # not ended with the ranks
        if os.fork() == 0:  # a grandchild belongs to init: the rank has no unknown child
            os.close(held)
            os.read(waiting, 1)
            close_all()
            _remove(group)
    finally:
        os._exit(0)


def _remove(group: Path) -> None:
    while group.exists():
        with contextlib.suppress(OSError):  # busy: its processes run
            group.rmdir()
        time.sleep(LOOK_S)


def _word(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()
