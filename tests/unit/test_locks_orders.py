"""Taking over a dead one's lock: every order of the steps of several processes, deaths included, up to a few switches.

Processes are threads here that stop before each operation on a file; one at a time is let go on. Beside the processes
that ran without a break, an order has as many switches from one to another, or deaths, as are allowed: most faults of
concurrent programs need two (Musuvathi and Qadeer, PLDI 2007).
"""

import contextlib
import threading
from pathlib import Path

import pytest

from saih.common import files, locks
from saih.common.holder import Fate, Holder, Judgement

pytestmark = pytest.mark.slow


class Died(BaseException):
    """Killed: no clean-up of its own has any effect."""


class Process(threading.Thread):
    """Tries to get in once, step by step."""

    def __init__(self, world, number):
        super().__init__(daemon=True)
        self.world, self.number = world, number
        self.go, self.stopped = threading.Semaphore(0), threading.Semaphore(0)
        self.dies = self.dead = self.done = False

    def run(self):
        with contextlib.suppress(Died, locks.Refused), locks.held(self.world.lock, "a sweep"):
            self.world.inside.add(self.number)
            self.world.entered += 1
            self.world.two_inside |= len(self.world.inside) > 1
            self.step()
            self.world.inside.discard(self.number)
        self.done = True
        self.stopped.release()

    def step(self):
        """Wait for one's turn before the next operation."""
        if not self.dead:
            self.stopped.release()
            self.go.acquire()
            self.dead = self.dies
        if self.dead:
            self.world.inside.discard(self.number)
            raise Died

    def proceed(self, dies):
        self.dies = dies
        self.go.release()
        self.stopped.acquire()


class World:
    """A folder with the lock of a dead process (number -1), and what happens in it."""

    def __init__(self, folder, count, monkeypatch):
        self.lock, self.count = folder / "lock", count
        self.holders = {f"{number}": number for number in range(-1, count)}
        for module, name in ((files, "create"), (files, "read_small"), (Path, "replace"), (Path, "unlink")):
            monkeypatch.setattr(module, name, self.stepping(getattr(module, name)))
        monkeypatch.setattr(locks, "mine", lambda: self.holder(threading.current_thread().number))
        monkeypatch.setattr(locks, "judge", self.judge)

    def holder(self, number):
        return Holder("host", number + 2, token=f"{number} of order {self.orders}")

    def judge(self, holder, _):
        number = holder.pid - 2
        gone = number < 0 or self.processes[number].dead or self.processes[number].done
        return Judgement(Fate.GONE if gone else Fate.AT_WORK, "")

    def stepping(self, operation):
        def stepped(*words, **more):
            if isinstance(threading.current_thread(), Process):
                threading.current_thread().step()
            return operation(*words, **more)

        return stepped

    def all_orders(self, most):
        """Follow every order; returns how many there are."""
        self.orders, pending = 0, [[]]
        while pending:
            self.orders += 1
            taken, others = self.follow(pending.pop(), most)
            pending += others
            assert not self.two_inside, taken
            if not any(each.dead for each in self.processes):
                assert self.entered, f"nobody got in: {taken}"
                assert list(self.lock.parent.iterdir()) == [], taken
            self.afterwards(taken)
        return self.orders

    def follow(self, order, most):
        """Take the steps of ``order``, then go on without a switch; returns the steps, and what else was possible."""
        for path in self.lock.parent.iterdir():
            path.unlink()
        self.lock.write_bytes(self.holder(-1).to_bytes())
        self.inside, self.entered, self.two_inside = set(), 0, False
        self.processes = [Process(self, number) for number in range(self.count)]
        for each in self.processes:
            each.start()
            each.stopped.acquire()
        taken, others, spent, current = [], [], 0, 0
        while living := [each.number for each in self.processes if not each.done]:
            free = [(current, False)] if current in living else [(number, False) for number in living]
            deaths = [(number, True) for number in living if len(living) > 1]
            dear = [(number, False) for number in living if (number, False) not in free] + deaths
            options = free + (dear if spent < most else [])
            if len(taken) < len(order):
                choice = order[len(taken)]
            else:
                choice = options[0]
                others += [[*taken, other] for other in options[1:]]
            spent += choice not in free
            taken.append(choice)
            current = choice[0]
            self.processes[current].proceed(choice[1])
        return taken, others

    def afterwards(self, taken):
        """Whatever the dead have left, the next one gets in, and leaves nothing."""
        self.processes = [*self.processes, Process(self, self.count)]
        before, last = self.entered, self.processes[-1]
        last.start()
        last.stopped.acquire()
        while not last.done:
            last.proceed(False)
        assert self.entered == before + 1, f"the next one is kept out: {taken}"
        assert list(self.lock.parent.iterdir()) == [], taken


@pytest.mark.parametrize(("count", "switches"), [(2, 3), pytest.param(3, 2, marks=pytest.mark.long)])
def test_no_order_of_steps_and_deaths_lets_two_in_or_keeps_all_out(tmp_path, monkeypatch, count, switches):
    orders = World(tmp_path, count, monkeypatch).all_orders(switches)
    assert orders > 500


def test_the_search_finds_the_fault_of_a_takeover_without_a_right(tmp_path, monkeypatch):
    """As it was: the dead one's lock is moved away by whoever finds it, and with luck it is another's by then."""

    def claim(path, root, content, who):
        while True:
            with contextlib.suppress(FileExistsError):
                return files.create(path, content)
            found = locks.look(path)
            if found and not found.gone:
                raise locks.Refused(who)
            with contextlib.suppress(FileNotFoundError):
                away = path.with_name(f".lock.{threading.current_thread().number}.tmp")
                path.replace(away)
                away.unlink()

    monkeypatch.setattr(locks, "_claim", claim)
    with pytest.raises(AssertionError, match="two_inside"):
        World(tmp_path, 2, monkeypatch).all_orders(2)
