"""Holders of locks, for tests that leave their locks behind."""

import subprocess
import sys

from saih.common.holder import Holder, parse
from tests.conftest import ROOT

SHOW = "from saih.common.holder import mine; print(mine().to_bytes().decode())"


def of_a_dead_process(*launcher: str) -> Holder:
    """A real process of this host that has ended, started by ``launcher`` if there is one."""
    words = [*launcher, sys.executable, "-c", SHOW]
    return parse(subprocess.run(words, cwd=ROOT, capture_output=True, check=True).stdout)
