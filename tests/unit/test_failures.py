"""Which kind of failure an exception of a rank is, what explains others, and what ranks wrote down."""

import json

import pytest

from saih.errors import Failure, InputError, Kind
from saih.groups import failures
from saih.records.record import STATUSES

MISSING = ModuleNotFoundError("No module named 'torch'", name="torch")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (InputError("data.path = x:\n no such file"), Kind.INPUT, "data.path = x: no such file"),
        (MISSING, Kind.INPUT, "this needs torch, which is not installed: pip install 'saih[run]'"),
        (MemoryError(), Kind.OOM, "no memory left"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), Kind.OOM, "CUDA out of memory. Tried to allocate"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            Kind.OOM,
            "DefaultCPUAllocator: can't allocate memory",
        ),
        (ZeroDivisionError("division by zero"), Kind.FAILED, "ZeroDivisionError: division by zero"),
        (SystemExit(0), Kind.FAILED, "SystemExit: 0"),
        (KeyboardInterrupt(), Kind.FAILED, "KeyboardInterrupt"),
        (ImportError("no such name", name="mine"), Kind.FAILED, "ImportError: no such name"),
        (ValueError("x" * 10_000), Kind.FAILED, f"ValueError: {'x' * 500}"),
    ],
)
def test_an_exception_has_a_kind(error, kind, message):
    assert failures.of_exception(error) == Failure(kind, message)


def test_lack_of_memory_in_the_profiled_pass_is_a_failure_of_the_pass():
    error = MemoryError("out of memory")
    error.add_note(failures.PROFILING)
    assert failures.of_exception(error) == Failure(Kind.FAILED, "MemoryError: out of memory", during="profiling")


def test_every_kind_gives_a_status_that_a_record_may_have():
    assert set(failures.STATUS) == set(Kind)
    assert set(failures.STATUS.values()) < set(STATUSES)


def test_lack_of_memory_explains_what_came_before_it_and_else_the_earliest_counts():
    early, late = Failure(Kind.FAILED, "a", 0, time=1.0), Failure(Kind.FAILED, "b", 1, time=2.0)
    oom = Failure(Kind.OOM, "c", 2, time=3.0)
    assert failures.first_cause([late, early]) is early
    assert failures.first_cause([late, early, oom]) is oom
    assert failures.first_cause([]) is None


def test_what_ranks_wrote_down_is_read_and_what_is_none_is_left_out(tmp_path):
    whole = Failure(Kind.OOM, "no memory left", 1, time=2.0)
    (tmp_path / "rank1.json").write_text(json.dumps(failures.to_dict(whole)))
    (tmp_path / "rank2.json").write_text('{"kind": "oom", "mess')
    (tmp_path / "rank3.json").write_text('{"kind": "bored", "message": "x", "time": 1}')
    (tmp_path / "rank4.json").write_text("[1]")
    assert failures.left_by_ranks(tmp_path) == [whole]
