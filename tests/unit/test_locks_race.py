"""Four real processes that find a dead one's lock at the same moment, hundreds of times: one is inside at a time."""

import contextlib
import multiprocessing
import os
import random
import time
from dataclasses import replace

import pytest

from saih.common import locks
from tests.holders import of_a_dead_process

FORK = multiprocessing.get_context("fork")


def enter(path, tries, barrier, found, seed):
    """Try to get in, again and again, all at once; what happened goes to ``found``: (inside, violations)."""
    chance = random.Random(seed)
    stale = of_a_dead_process()
    for number in range(tries):
        if barrier.wait() == 0 and number % 4:  # now and then there is none at all
            path.write_bytes(replace(stale, token=str(number)).to_bytes())
        barrier.wait()
        time.sleep(chance.random() * chance.choice((0, 1e-4, 1e-3)))
        with contextlib.suppress(locks.Refused), locks.held(path, "a sweep"):
            try:
                os.close(os.open(path.with_name("inside"), os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                found.put("two were inside")
            time.sleep(chance.random() * chance.choice((0, 1e-3)))
            path.with_name("inside").unlink(missing_ok=True)
            found.put(number)
        barrier.wait()


def race(folder, tries, processes=4):
    barrier, found = FORK.Barrier(processes, timeout=30), FORK.SimpleQueue()
    words = (folder / "lock", tries, barrier, found)
    racers = [FORK.Process(target=enter, args=(*words, seed)) for seed in range(processes)]
    for each in racers:
        each.start()
    happened = []
    while any(each.is_alive() for each in racers) or not found.empty():
        if found.empty():
            time.sleep(0.001)
        else:
            happened.append(found.get())
    assert [each.exitcode for each in racers] == [0] * processes
    assert "two were inside" not in happened
    assert set(happened) == set(range(tries))  # nobody inside is as wrong
    assert list(folder.iterdir()) == []


def test_of_four_processes_that_find_a_dead_ones_lock_one_gets_in(tmp_path):
    race(tmp_path, 300)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_of_four_processes_that_find_a_dead_ones_lock_one_gets_in_ten_thousand_times(tmp_path):
    race(tmp_path, 10_000)
