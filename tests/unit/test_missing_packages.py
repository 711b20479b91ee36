"""Every verb without the packages that only some of the work needs: one line, exit status 2, in ranks too."""

import pytest

from tests.conftest import toy_config

pytestmark = pytest.mark.slow

BLOCKER = """\
import os, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == os.environ["BLOCKED"]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
"""
SIMULATE = ("augment", "data", "simulate", "--universes", "2", "--edge", "8", "--out", "s")


@pytest.fixture
def without(saih):
    """The command line where one package is missing, for ranks too."""
    (saih.folder / "blocker").mkdir()
    (saih.folder / "blocker" / "sitecustomize.py").write_text(BLOCKER)
    saih.env["PYTHONPATH"] = f"{saih.folder / 'blocker'}:{saih.env['PYTHONPATH']}"
    saih.write("toy.yaml", toy_config(size={"n": [8]}, run={"ranks": [1]}))
    (saih.folder / "a.tfrecord").touch()

    def run(package, *words, status=2):
        saih.env["BLOCKED"] = package
        return saih(*words, status=status)

    return run


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("torch", SIMULATE),
        ("h5py", SIMULATE),
        ("colossus", SIMULATE),
        ("scipy", SIMULATE),
        ("google_crc32c", SIMULATE),
        ("h5py", ("augment", "data", "verify", "s")),
        ("google_crc32c", ("augment", "data", "link", "a.tfrecord", "--out", "s")),
        ("h5py", ("augment", "data", "convert", "a.tfrecord", "--out", "s")),
        ("h5py", ("augment", "data", "coarsen", "s", "--factor", "2", "--out", "t")),
        ("torch", ("augment", "model", "cosmoflow", "edge=8", "--checkpoint", "a.tfrecord", "--out", "b")),
    ],
)
def test_a_missing_package_is_one_line_with_what_to_install(without, package, words):
    done = without(package, *words)
    assert done.stderr == f"saih: this needs {package}, which is not installed: pip install 'saih[run]'\n"


@pytest.mark.mpi
@pytest.mark.parametrize("package", ["torch", "mpi4py"])
@pytest.mark.parametrize(
    "words", [("sweep", "toy.yaml"), ("peaks", "--quick", "--device", "cpu")], ids=["sweep", "peaks"]
)
def test_ranks_that_lack_a_package_say_so_in_one_line(without, package, words):
    done = without(package, *words)
    said = f"saih: this needs {package}, which is not installed: pip install 'saih[run]'"
    assert said in done.stderr
    assert not [line for line in done.stderr.splitlines() if line.startswith("Traceback")]


@pytest.mark.parametrize("package", ["torch", "h5py", "mpi4py", "colossus", "google_crc32c", "scipy", "pynvml"])
@pytest.mark.parametrize(
    "words",
    [
        ("plan", "toy.yaml"),
        ("sweep", "toy.yaml", "--dry-run"),
        ("submit", "toy.yaml", "--site", "example", "--dry-run"),
        ("augment", "model", "cosmoflow", "edge=8"),
    ],
    ids=["plan", "dry run", "submit", "network"],
)
def test_what_only_plans_needs_none_of_them(without, package, words):
    without(package, *words, status=0)


def test_a_fault_of_our_own_is_no_missing_package():
    from saih.errors import lacking

    assert lacking(ModuleNotFoundError("No module named 'saih.nothing'", name="saih.nothing")) is None
    assert lacking(ImportError("cannot import name 'x' from 'saih.app'", name="saih.app")) is None
    broken = lacking(ImportError("libcudart.so.12:\ncannot open shared object file", name="torch._C"))
    assert str(broken) == (
        "this needs torch, which cannot be loaded (libcudart.so.12: cannot open shared object file): "
        "pip install 'saih[run]'"
    )
