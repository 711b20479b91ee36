"""The house's rules: who may import whom, and what must start without torch."""

import ast
import subprocess
import sys

import pytest

from tests.conftest import ROOT

ALLOWED = {
    "saih": {"saih"},
    "augment": {"augment"},
    "apps": {"apps", "saih.app", "augment"},
    "reports": {
        "reports", "saih.records", "saih.metrics", "saih.diagnosis", "saih.errors", "saih.app", "saih.stats",
        "saih.emulate", "saih.plain_yaml",
    },
}  # fmt: skip
LAZY = {
    ("cli.py", "reports"),
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
    return any(name == each or name.startswith(f"{each}.") or each.startswith(f"{name}.") for each in allowed)


@pytest.mark.parametrize("package", OURS)
def test_packages_import_what_they_may(package):
    wrong = []
    for path in (ROOT / package).rglob("*.py"):
        for name in imports(path):
            ours = name.split(".")[0] in OURS
            lazily_from_the_command_line = (path.name, name.split(".")[0]) in LAZY
            if ours and not within(name, ALLOWED[package]) and not lazily_from_the_command_line:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


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
    assert [p.name for p in (ROOT / "saih").glob("*.py") if "mpi4py" in set(imports(p))] == ["mpi.py"]


@pytest.mark.parametrize(
    "statement",
    [
        "import saih.cli, saih.verbs.plan, saih.driver",
        "from saih.verbs import plan; from pathlib import Path; plan.rows(*plan.read(Path('configs/quickstart.yaml')))",
        "import reports",
    ],
)
def test_starts_without_torch_or_mpi(statement):
    code = f"{statement}; import sys; print([m for m in ('torch', 'mpi4py', 'h5py') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_foreign_package_of_our_name_is_a_loud_error(saih):
    (saih.folder / "apps").mkdir()
    (saih.folder / "apps" / "__init__.py").touch()
    done = saih("--help")
    assert "sweep" in done.stdout
    done = saih("plan", "x.yaml", status=2)
    assert "the package apps must be" in done.stderr
