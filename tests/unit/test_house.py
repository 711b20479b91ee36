"""The house's rules: who may import whom, and what must start without torch."""

import ast
import subprocess
import sys

import pytest

from tests.conftest import ROOT

ALLOWED = {
    "saih": {"saih"},
    "augment": {"augment", "saih.common"},
    "apps": {"apps", "saih.app", "augment"},
    "reports": {
        "reports", "saih.app", "saih.common", "saih.config.yaml_values", "saih.diagnosis", "saih.emulate",
        "saih.errors", "saih.judge", "saih.metrics", "saih.peaks.highest", "saih.records", "saih.statistics",
    },
}  # fmt: skip
FLOORS = {
    "saih": (
        {"common", "errors"},
        {"paths", "processes", "statistics"},
        {"app", "telemetry"},
        {"emulate", "interference"},
        {"config", "measure"},
        {"launch", "records"},
        {"groups", "metrics"},
        {"diagnosis"},
        {"peaks"},
        {"applications", "judge", "profile"},
        {"sweep", "worker"},
        {"cli"},
        {"__main__"},
    ),
    "reports": ({"words"}, {"analysis"}, {"charts", "findings", "tables"}, {"sections"}, {"draw"}, {"page"}),
}
"""The rooms of a package, from the ground up: a room imports rooms below its own floor only."""
LAZY = {
    ("main.py", "reports"),
    *((f"augment_{what}.py", "augment") for what in ("data", "plans", "model")),
}
OURS = ("saih", "augment", "apps", "reports")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}


def within(name, allowed):
    """Whether an import is of something allowed, or of a package on the way to it (`from saih import common`)."""
    return any(name == each or name.startswith(f"{each}.") or each.startswith(f"{name}.") for each in allowed)


def test_a_package_on_the_way_allows_no_more_than_the_way():
    assert within("saih.common.files.write_text", {"saih.common"})
    assert within("saih", {"saih.common"})
    assert not within("saih.records", {"saih.common"})


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_import_what_they_may(package):
    wrong = []
    for path in (ROOT / package).rglob("*.py"):
        for name in imports(path):
            ours = name.split(".")[0] in OURS
            lazily_from_the_command_line = (path.name, name.split(".")[0]) in LAZY
            if ours and not within(name, ALLOWED[package]) and not lazily_from_the_command_line:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


@pytest.mark.parametrize("package", FLOORS)
def test_rooms_import_only_what_is_below_them(package):
    floor_of = {room: number for number, floor in enumerate(FLOORS[package]) for room in floor}
    assert {path.stem for path in (ROOT / package).iterdir() if is_room(path)} == set(floor_of)
    wrong = []
    for path in (ROOT / package).rglob("*.py"):
        room = path.relative_to(ROOT / package).parts[0].removesuffix(".py")
        for name in imports(path) if room != "__init__" else ():
            other = name.split(".")[1] if name.startswith(f"{package}.") else room
            if other in floor_of and other != room and floor_of[other] >= floor_of[room]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


def is_room(path):
    return (path / "__init__.py").exists() or (path.suffix == ".py" and path.stem != "__init__")


def test_applications_do_not_import_one_another():
    for folder in (path for path in (ROOT / "apps").iterdir() if path.is_dir()):
        for path in folder.rglob("*.py"):
            for name in imports(path):
                assert not name.startswith("apps.") or name.split(".")[1] == folder.name, path


def test_the_harness_knows_no_application_by_name():
    names = [path.name for path in (ROOT / "apps").iterdir() if (path / "__init__.py").exists()]
    assert names
    for path in (ROOT / "saih").rglob("*.py"):
        code = path.read_text()
        tree = ast.parse(code)
        docs = {
            ast.get_docstring(n, clean=False) for n in ast.walk(tree) if isinstance(n, ast.Module | ast.FunctionDef)
        }
        for doc in docs - {None}:
            code = code.replace(doc, "")
        for name in names:
            assert name not in code.lower(), path


def test_only_one_module_imports_mpi4py():
    importing = [path for path in (ROOT / "saih").rglob("*.py") if "mpi4py" in set(imports(path))]
    assert importing == [ROOT / "saih" / "worker" / "mpi.py"]


@pytest.mark.parametrize(
    "statement",
    [
        "import saih.cli.main, saih.cli.plan, saih.sweep.driver",
        "from saih.cli import plan; from pathlib import Path; plan.rows(*plan.read(Path('configs/quickstart.yaml')))",
        "import reports",
    ],
)
def test_starts_without_what_only_running_needs(statement):
    code = f"{statement}; import sys; print([m for m in ('torch', 'mpi4py', 'h5py', 'pynvml') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_foreign_package_of_our_name_is_a_loud_error(saih):
    (saih.folder / "apps").mkdir()
    (saih.folder / "apps" / "__init__.py").touch()
    done = saih("--help")
    assert "sweep" in done.stdout
    done = saih("plan", "x.yaml", status=2)
    assert "the package apps must be" in done.stderr
