"""Python runs this at its start where the folder is on PYTHONPATH: from then on the time of day jumps, twice a second.

By hours and years, forward and back, in every process at other moments: what a wrong hardware clock, a resumed virtual
machine or a daemon that sets the time does. The monotonic clocks go on as they are, as they do there.
"""

import datetime
import os
import time

JUMPS_S = (-2 * 3600.0, 5 * 3600.0, -3 * 86400.0, 20 * 365 * 86400.0)
_time = time.time
_datetime = datetime.datetime


def jump_s() -> float:
    return JUMPS_S[int(2 * time.monotonic() + os.getpid()) % len(JUMPS_S)]


class _Jumping(_datetime):
    @classmethod
    def now(cls, tz=None):
        return _datetime.now(tz) + datetime.timedelta(seconds=jump_s())


time.time = lambda: _time() + jump_s()
time.time_ns = lambda: int(1e9 * time.time())
datetime.datetime = _Jumping
