"""The control groups that this process is in, as folders: of one controller, its own group and all above it.

/proc/self/cgroup tells the group's place in each hierarchy, /proc/self/mountinfo where hierarchies are mounted, and
from which place on. In a container the place may lie outside of what is mounted, or be "/" for the container's own
group: then the nearest folder above that exists is the nearest group that can be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PROC = Path("/proc")
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Group:
    """A control group: the folder of its files, its place in the hierarchy, the hierarchy's version (1 or 2)."""

    folder: Path
    place: str
    version: int

    def number(self, name: str) -> int | None:
        """Return the whole number in one of its files; None if there is no such file, or no number ("max")."""
        try:
            return int((self.folder / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def words(self, name: str) -> list[str]:
        """The words in one of its files; none where it cannot be read."""
        try:
            return (self.folder / name).read_text(encoding="ascii").split()
        except (OSError, ValueError):
            return []

    def figures(self, name: str) -> dict[str, int]:
        """A file of lines "key number"; empty where it cannot be read."""
        found = self.words(name)
        try:
            return {key: int(value) for key, value in zip(found[::2], found[1::2], strict=True)}
        except ValueError:
            return {}


@dataclass(frozen=True)
class _Mount:
    root: PurePosixPath
    folder: Path
    version: int


def groups(controller: str, proc: Path = PROC) -> list[Group]:
    """Yield the groups of `controller` ("memory", "cpu") of either version, from this process's own outwards."""
    return [group for place, mount in _mounted(controller, proc) for group in _upwards(place, mount)]


def _mounted(controller: str, proc: Path) -> Iterator[tuple[PurePosixPath, _Mount]]:
    for line in _lines(proc / "self" / "cgroup"):
        _, names, place = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        mounts = list(_mounts(controller if names else "", proc))
        if mounts:  # the one that shows most of the hierarchy
            yield PurePosixPath(place), min(mounts, key=lambda mount: len(mount.root.parts))


def _mounts(controller: str, proc: Path) -> Iterator[_Mount]:
    """Return the mounts of a controller's hierarchy, for "" that of version 2: proc(5), mountinfo."""
    for line in _lines(proc / "self" / "mountinfo"):
        about, _, source = line.partition(" - ")
        root, folder = (PurePosixPath(_plain(word)) for word in about.split()[3:5])
        kind, options = source.split()[0], source.split()[-1].split(",")
        if kind == ("cgroup" if controller else "cgroup2") and (not controller or controller in options):
            yield _Mount(root, Path(folder), 1 if controller else 2)


def _upwards(place: PurePosixPath, mount: _Mount) -> Iterator[Group]:
    """Yield the group at `place` and its ancestors up to the mount; the mount alone if `place` is not below it."""
    inside = place.relative_to(mount.root) if place.is_relative_to(mount.root) else place.relative_to("/")
    parts = () if ".." in inside.parts else inside.parts
    for length in range(len(parts), -1, -1):
        folder = mount.folder.joinpath(*parts[:length])
        if folder.is_dir():
            yield Group(folder, str(PurePosixPath("/", *parts[:length])), mount.version)


def _plain(word: str) -> str:
    """A name as it is: blanks and the like stand in octal."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), word)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
