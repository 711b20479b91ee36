"""What colours a next point: torch's flags, which are put back, and processes, of which some may stay."""

import os
import subprocess
import sys

import pytest

from saih.worker import descendants, rank_settings
from saih.worker.leftovers import Before, Left, Streams, together

WAITS, SPINS = "import time; time.sleep(60)", "while True: pass"
KEPT = "torch/_inductor/compile_worker"


def test_torchs_flags_are_put_back(one_thread):
    import torch

    before = rank_settings.torch_flags()
    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_float32_matmul_precision("medium")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
    torch.set_autocast_enabled("cpu", True)
    assert rank_settings.put_back(before) == []
    assert rank_settings.torch_flags() == before
    assert (torch.get_num_threads(), torch.is_grad_enabled(), torch.zeros(1).dtype) == (1, True, torch.float32)


def test_surroundings_are_told_by_name(monkeypatch, tmp_path):
    before = rank_settings.surroundings()
    assert rank_settings.differing(before, rank_settings.surroundings()) == []
    monkeypatch.setenv("SOMETHING_NEW", "1")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "set by torch itself")
    mask = os.umask(0o077)
    changed = rank_settings.differing(before, rank_settings.surroundings())
    os.umask(mask)
    assert changed == [
        f"the umask ('{mask:04o}' before, '0077' now)",
        "the environment variable SOMETHING_NEW (not set before, '1' now)",
    ]


@pytest.fixture
def start():
    begun = []

    def start(code, *words):
        begun.append(subprocess.Popen([sys.executable, "-c", code, *words]))
        return begun[-1]

    yield start
    for each in begun:
        each.kill()
        each.wait()


def test_a_worker_of_torchs_compiler_may_wait_but_not_compute(start):
    earlier = start(WAITS)
    before = Before(Streams())
    waits, spins, own = start(WAITS, KEPT), start(SPINS, KEPT), start(WAITS)
    left = before.left()
    (words,) = left.words
    assert words.startswith("left 2 processes running, ended now: python")
    assert all(str(each.pid) in words for each in (spins, own))
    assert left.fresh
    running = {each.pid for each in descendants.all_now()}
    assert running & {each.pid for each in (earlier, waits, spins, own)} == {earlier.pid, waits.pid}


def test_open_files_are_told_and_many_of_them_end_the_group(tmp_path):
    before = Before(Streams())
    files = [(tmp_path / str(number)).open("w") for number in range(3)]
    left = before.left()
    assert left.words == [f"left 3 files open: {', '.join(each.name for each in files)}"]
    assert not left.fresh
    files += [(tmp_path / str(number)).open("w") for number in range(3, 101)]
    left = before.left()
    assert left.fresh
    assert left.words[0].endswith(" and 96 more")
    for each in files:
        each.close()


def test_what_ranks_left_is_told_rank_by_rank():
    assert together([Left(), Left(["left it"], True)]) == {"remarks": ["rank 1 left it"], "fresh": True}
    assert together([Left(["left it"])]) == {"remarks": ["the application left it"], "fresh": False}
