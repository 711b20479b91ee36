"""A worker group on its way: what has been heard of its launcher and its ranks until they are ready.

A launcher that has ended is known at once. One that waits, or whose helpers have ended, goes on as if all were well,
and what it had to say lies in a log: so its words are passed on within seconds, with the ranks not heard of.
"""

from __future__ import annotations

import re
import time
from collections import deque

from saih import processes
from saih.groups.protocol import Begun

TELL_S = 7.0
"""A group that is not ready by then is told of; ranks usually need some seconds to load torch."""
TELL_AGAIN_S = 30.0
ALONE_S = 5.0
"""A launcher that has had no process of its own for so long has nothing left that could start ranks."""
MOST_LINES, MOST_CHARACTERS = 200, 300
_REASON = re.compile(
    r"(?i)(fatal|error)\b:|unable to|not found|no such file|permission denied|retrying|queued and waiting"
)
_OVER = re.compile("Step created for|has been allocated resources")
"""What srun says once that for which it waited has come: the lines before are no reason any more."""
_WORDS = re.compile(r"[^\W\d_]{2}")
_MOST_NAMED = 8


class Starting:
    """The start of one group of `ranks` ranks. `works_alone`: the launcher needs no processes beside it (srun)."""

    def __init__(self, ranks: int, launcher_pid: int, works_alone: bool) -> None:
        self._ranks, self._pid, self._works_alone = ranks, launcher_pid, works_alone
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._begun: set[tuple[str, int]] = set()
        self._numbers: set[int] = set()
        now_s = time.monotonic()
        self._tell_s, self._repeat_s, self._accompanied_s = now_s + TELL_S, now_s, now_s
        self._told, self._had_company = "", False

    def hear(self, line: str) -> None:
        """Keep a line that launcher or ranks have printed."""
        if _OVER.search(line):
            self._lines.clear()
        if _WORDS.search(line):
            self._lines.append(" ".join(line[:MOST_CHARACTERS].split()))

    def begin(self, who: Begun) -> None:
        """A rank's process has begun."""
        self._begun.add((who.host, who.pid))
        if who.rank is not None:
            self._numbers.add(who.rank)

    def last_line(self) -> str:
        """The last line that gives a reason, else the last line; "" if nothing was said."""
        lines = list(self._lines)
        return next((line for line in reversed(lines) if _REASON.search(line)), lines[-1] if lines else "")

    def words(self) -> str:
        """Describe which ranks have begun, with the last line of output."""
        last = self.last_line()
        return self._heard() + (f"; last line: {last}" if last else "")

    def news(self) -> str:
        """Return a message if there is news, or the same one after a while; else ""."""
        now_s, words = time.monotonic(), self.words()
        if now_s < self._tell_s or (words == self._told and now_s < self._repeat_s):
            return ""
        self._told, self._tell_s, self._repeat_s = words, now_s + TELL_S, now_s + TELL_AGAIN_S
        return words

    def is_forsaken(self) -> bool:
        """Return True if the launcher runs on without any child that could still start a rank."""
        now_s = time.monotonic()
        if self._works_alone or any(each.parent == self._pid and not each.ended for each in processes.everyone()):
            self._accompanied_s, self._had_company = now_s, True
        slow = not self._had_company and not self._lines  # it may still load its libraries
        return not slow and now_s - self._accompanied_s > ALONE_S

    def _heard(self) -> str:
        count = len(self._begun)
        if count >= self._ranks:
            return f"{_ranks(self._ranks)} begun, but {'is' if self._ranks == 1 else 'are'} not ready"
        missing = [str(rank) for rank in range(self._ranks) if rank not in self._numbers]
        named = len(self._numbers) == count and count > 0 and len(missing) <= _MOST_NAMED
        who = f": rank{'' if len(missing) == 1 else 's'} {', '.join(missing)}" if named else ""
        if not count:
            return "the rank has not begun" if self._ranks == 1 else f"none of {self._ranks} ranks has begun"
        return f"{count} of {_ranks(self._ranks)} begun, nothing was heard of the others{who}"


def _ranks(count: int) -> str:
    return "the rank has" if count == 1 else f"{count} ranks have"
