"""The command line: the verbs, and the only place that prints for people and exits.

Exit status: 0 done; 1 a point failed, timed out or must not be believed; 2 bad usage, configuration or input;
75 stopped by a signal, to be gone on with.
"""

from __future__ import annotations

import argparse
import errno
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import saih
from saih.cli import augment_data, augment_model, status, submit
from saih.cli import peaks as peaks_verb
from saih.common.host import limits
from saih.common.terminal import printable, say, survive_lost_output
from saih.errors import InputError, Interrupted, lacking
from saih.processes import hear_no_more, interrupt_when_told

EX_TEMPFAIL = 75
LIMITED = (errno.EMFILE, errno.EFBIG, errno.EAGAIN, errno.ENOMEM)
"""Errors of the kernel when a resource limit is reached."""
NO_THREAD = "can't start new thread"


class _Parser(argparse.ArgumentParser):
    """Bad usage is one line, too."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {printable(message)}\n")


def main(words: list[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    arguments = _parser().parse_args(words)
    arguments.words = sys.argv[1:] if words is None else words
    limits.allow_many_files()
    try:
        _check_own_packages()
        command: Callable[[argparse.Namespace], int] = arguments.command
        return command(arguments)
    except InputError as error:
        say(f"saih: {error}", error=True)
        return 2
    except ImportError as error:
        lack = lacking(error)
        if lack is None:
            raise
        say(f"saih: {lack}", error=True)
        return 2
    except Interrupted as error:
        hear_no_more()
        say(f"saih: {error}; the same command goes on from here", error=True)
        return EX_TEMPFAIL
    except BrokenPipeError:  # the reader of our output has gone, as with | head
        sys.stderr.close()
        return 1
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and NO_THREAD not in str(error):
            raise
        what = "not enough memory" if isinstance(error, MemoryError) else str(error)
        say(f"saih: {what} ({limits.tight() or 'no resource limit is tight'})", error=True)
        return 2
    except OSError as error:  # a folder that cannot be written, a full disk
        tight = limits.tight() if error.errno in LIMITED else ""
        say(f"saih: {error.filename or 'output'}: {error.strerror or error}{tight and f' ({tight})'}", error=True)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="saih", description="How AI applications perform on an HPC system as their problem grows.")
    parser.add_argument("--version", action="version", version=f"saih {saih.__version__}")
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    sweep = verbs.add_parser("sweep", help="measure every point of a configuration, then write the report")
    sweep.add_argument("config", type=Path, metavar="CONFIG")
    sweep.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: runs/<name>)")
    sweep.add_argument("--dry-run", action="store_true", help="only show the points and what is measured already")
    sweep.add_argument("--fresh", action="store_true", help="move an existing folder aside and begin anew")
    sweep.add_argument("--retry", metavar="STATUS,...", default="", help="measure points of these statuses again")
    sweep.add_argument("--no-report", action="store_true", help="leave the report to `saih report`")
    sweep.set_defaults(command=_sweep)

    plan = verbs.add_parser("plan", help="show the points with parameters, FLOPs, memory and time to expect")
    plan.add_argument("config", type=Path, metavar="CONFIG")
    plan.add_argument("--out", type=Path, metavar="DIR", help="a run to learn times from (default: runs/<name>)")
    plan.add_argument("--json", action="store_true", help='as JSON: {"points": [...]}')
    plan.set_defaults(command=_plan)

    report = verbs.add_parser("report", help="write the HTML report of one or more runs")
    report.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    report.add_argument("--out", type=Path, metavar="FILE", help="default: report.html in the first run's folder")
    report.set_defaults(command=_report)

    augment = verbs.add_parser("augment", help="make a larger data set, show or grow a network")
    kinds = augment.add_subparsers(title="what", required=True, metavar="WHAT")
    augment_data.add_parser(kinds)
    augment_model.add_parser(kinds)

    peaks_verb.add_parser(verbs)
    submit.add_parser(verbs)
    status.add_parser(verbs)
    return parser


def _sweep(arguments: argparse.Namespace) -> int:
    from saih import launch
    from saih.cli import plan
    from saih.records.record import FAULTS
    from saih.records.run_folder import Folder
    from saih.sweep.driver import Sweep

    launch.refuse_ranks(arguments.words)
    retry = _statuses(arguments.retry)
    config, app, points = plan.read(arguments.config)
    folder = Folder(arguments.out or Path("runs", config.name))
    if arguments.dry_run:
        _print_plan(plan.rows(config, app, points, folder), folder, config.sweep.kind == "grow")
        return 0
    if arguments.fresh and (aside := folder.move_aside()):
        say(f"the earlier run is now {aside}")
    interrupt_when_told()
    survive_lost_output()
    from rich.console import Console

    from saih.cli.progress import Progress

    with Progress(Console()) as progress:
        found = Sweep(config, app, points, folder, progress, retry).run()
    _print_figures_of_merit(found)
    if not arguments.no_report:
        say(f"report: {_write_report([folder.path], None)}")
    if lost := getattr(sys.stdout, "lost", None):
        say(f"saih: standard output could not be written ({lost.strerror}); the sweep went on without", error=True)
    return 1 if any(record.status in FAULTS for record in found) else 0


def _plan(arguments: argparse.Namespace) -> int:
    from saih.cli import plan
    from saih.records.run_folder import Folder

    config, app, points = plan.read(arguments.config)
    rows = plan.rows(config, app, points, Folder(arguments.out or Path("runs", config.name)))
    if arguments.json:
        for line in json.dumps({"points": rows}, indent=1).split("\n"):
            say(line)
    else:
        _print_plan(rows, None, config.sweep.kind == "grow")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    say(_write_report(arguments.runs, arguments.out))
    return 0


def _write_report(runs: list[Path], out: Path | None) -> Path:
    from reports.page.write import write_report

    return write_report(runs, out)


def _print_plan(rows: list[dict[str, Any]], folder: Any, grows: bool) -> None:
    from saih.cli import plan

    kept = folder.records() if folder else {}
    for line in plan.table(rows, {id_: record.status for id_, record in kept.items()}, grows):
        say(line)


def _print_figures_of_merit(found: list[Any]) -> None:
    """One line a figure, for whoever reads standard output with a regular expression."""
    for record in found:
        for name in ("samples_per_s", "flop_per_s_per_device", "percent_of_measured_peak", "percent_of_peak"):
            if (value := record.value(name)) is not None:
                say(f"FOM {record.id} {name}={value:.6g} {record.metrics[name]['unit']}")


def _statuses(text: str) -> frozenset[str]:
    from saih.records.record import STATUSES

    asked = frozenset(word.strip() for word in text.split(",") if word.strip())
    unknown = sorted(asked - set(STATUSES))
    if unknown:
        raise InputError(f"--retry {unknown[0]}: must be of {', '.join(STATUSES)}")
    return asked


def _check_own_packages() -> None:
    """Our packages' names are common: a foreign one found first must be a loud error, never a silent mixture."""
    import importlib.util

    root = Path(saih.__file__).resolve().parent.parent
    for name in ("augment", "apps", "reports"):
        spec = importlib.util.find_spec(name)
        places = [Path(place).resolve() for place in (spec.submodule_search_locations or [])] if spec else []
        if places != [root / name]:
            found = ", ".join(map(str, places)) or "nothing"
            raise InputError(
                f"the package {name} must be {root / name}, but Python finds {found}: "
                "start saih from another folder, or clear PYTHONPATH"
            )


if __name__ == "__main__":
    sys.exit(main())
