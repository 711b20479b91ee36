"""The wrapper before a rank's command line: sets up its rank's disturbances, then becomes the command.

It stays the same process, so that the launcher's pipes, signals and exit statuses reach the command itself; and the
kernel ends it when the launcher ends.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from saih import emulate, processes
from saih.emulate import links, pauses, storage
from saih.errors import InputError


def main() -> NoReturn:
    """Disturb this rank and become the command after `--`."""
    arguments, command = _arguments()
    try:
        rank, size = processes.place(os.environ)
        settings = emulate.Settings(**{name: vars(arguments)[name] for name in vars(emulate.Settings())})
        environment = _disturb(settings, rank, size, arguments.try_it)
    except (InputError, OSError) as error:
        _end(str(error))
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        _end(f"{command[0]}: {error.strerror}")


def _end(why: str) -> NoReturn:
    print(f"saih.emulate: {why}", file=sys.stderr)
    sys.exit(2)


def _disturb(settings: emulate.Settings, rank: int, size: int, trying: bool) -> dict[str, str]:
    """Set up this rank's disturbances; return the environment of the command. `trying`: links even with one rank."""
    processes.die_with_parent()
    disturbances = settings.at(rank, size)
    extra: dict[str, str] = {}
    if settings.storage_mb_s is not None:
        storage.throttle(settings.storage_mb_s)
    if settings.link_mb_s is not None and (size > 1 or trying):
        extra = links.join(settings.link_mb_s, rank, size)
    if "slow_rank" in disturbances:
        pauses.slow(disturbances["slow_rank"]["share"])
    if "stop_rank" in disturbances:
        pauses.stop(disturbances["stop_rank"]["after_s"])
    if settings.memory_gib is not None:
        emulate.limit_memory(settings.memory_gib)
    label = {**(emulate.label() or {}), **disturbances}
    return {**os.environ, **extra, **({emulate.LABEL: json.dumps(label)} if label else {})}


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="saih.emulate", usage="%(prog)s [settings] -- command [word ...]")
    parser.add_argument("--storage-mb-s", type=_number(1e-3, 1e6), help="what a host's ranks read from disks together")
    parser.add_argument("--link-mb-s", type=_number(1e-3, 1e6), help="rate of each rank's link")
    parser.add_argument("--slow-rank", nargs=2, metavar=("RANK", "SHARE"), help="share of the time it runs")
    parser.add_argument("--stop-rank", nargs=2, metavar=("RANK", "SECONDS"), help="when it stops for good")
    parser.add_argument("--memory-gib", type=_number(1e-3, 1e6), help="private memory of a rank")
    parser.add_argument("--try", action="store_true", dest="try_it", help="set up links for a lone rank, too")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    arguments, command = parser.parse_args(words[:end]), words[end + 1 :]
    if not command:
        parser.error("no command after --")
    for name, kind in (("slow_rank", _number(1e-2, 0.99)), ("stop_rank", _number(0, 1e7))):
        pair = getattr(arguments, name)
        try:
            setattr(arguments, name, pair and (int(_number(0, 1e6)(pair[0])), kind(pair[1])))
        except argparse.ArgumentTypeError as error:
            parser.error(f"--{name.replace('_', '-')}: {error}")
    return arguments, command


def _number(least: float, most: float) -> Callable[[str], float]:
    """Return a type for argparse: a number within both bounds."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text}: must be a number from {least:g} to {most:g}")
        return value

    return read


if __name__ == "__main__":
    main()
