"""What a CPU's profile holds besides work, taken out of groups of known times."""

import pytest

from saih.diagnosis.profiler_cost import SLOWER, TINY, fitted, less_calling, less_profiler
from saih.metrics.work_groups import Group

LAUNCH_S = 1e-6


def group(own_s, alone_s):
    return Group("layer", "forward", own_s, own_s, 1.0, None, None, None, None, alone_s)


def test_a_thread_that_held_up_one_layer_is_taken_out_of_that_layer():
    """Two layers of 3 s; beside the second a thread took its core for 4 s."""
    found = fitted([group(3.0, 3.1), group(7.0, 2.9), group(1.0, None)], 7.0)
    assert [each.own_s for each in found] == pytest.approx([3.0, 3.0, 1.0])


def test_what_is_still_too_long_shrinks_alike():
    found = fitted([group(4.0, 3.0), group(6.0, None)], 4.5)
    assert [each.own_s for each in found] == pytest.approx([1.5, 3.0])


@pytest.mark.parametrize("there_s", [10.0, 12.0])
def test_what_fits_stays_also_where_it_is_slower_than_alone(there_s):
    found = fitted([group(4.0, 1.0), group(6.0, None)], there_s)
    assert [each.own_s for each in found] == [4.0, 6.0]


def test_where_there_is_no_time_nothing_is_left():
    assert [each.own_s for each in fitted([group(4.0, 1.0)], -0.5)] == [0.0]


def called(calls, each_s, limit_s=0.0):
    """Operations outside layers that last so long each; the least time for what they move is ``limit_s`` together."""
    own_s = calls * each_s
    return Group("elementwise", "outside", own_s, own_s, calls, 0.0, 1.0, 0.0, limit_s, None)


def test_operations_that_last_hardly_longer_than_a_tiny_one_are_calling_however_many_were_expected():
    """8000 of 1.5 µs beside work of 12 ms, on a machine that called one in 0.5 µs when it was left alone."""
    found, launch_s = less_calling([group(12e-3, None), called(8000, 1.5e-6)], 4e-3, LAUNCH_S, 24e-3)
    assert launch_s == pytest.approx(12e-3)
    assert [each.own_s for each in found] == pytest.approx([12e-3, 0.0])


def test_what_is_called_takes_time_between_operations_too():
    """4000 of 0.7 µs, 1.7 µs each with what lies between them, though 1 µs was expected."""
    found, launch_s = less_calling([group(12e-3, None), called(4000, 0.7e-6)], 4e-3, LAUNCH_S, 18.8e-3)
    assert launch_s == pytest.approx(6.8e-3)
    assert [each.own_s for each in found] == pytest.approx([12e-3, 0.0])


def test_time_between_operations_that_calling_does_not_explain_is_something_else():
    """Ten operations, and 5 ms in which none ran."""
    found, launch_s = less_calling([group(12e-3, None), called(10, 0.7e-6)], 10e-6, LAUNCH_S, 17e-3)
    assert launch_s == pytest.approx(SLOWER * 10e-6)
    assert [each.own_s for each in found] == pytest.approx([12e-3, 0.0])


def test_the_profiler_makes_no_operation_shorter_than_calling_it():
    """Half of a profiled step is the profiler's, which would leave nothing of 4000 calls."""
    work, calls = group(10e-3, None), called(4000, 1.5e-6)
    profile = {"operations": 4001, "busy_s": 16e-3, "step_s": 32e-3}
    found = less_profiler([work, calls], profile, 16e-3, LAUNCH_S)
    assert [each.own_s for each in found] == pytest.approx([10e-3, 4e-3], rel=1e-3)
    assert less_profiler([calls], profile, 16e-3)[0].own_s == 0.0


@pytest.mark.parametrize("work", [called(1000, 1.1 * TINY * LAUNCH_S), called(1000, LAUNCH_S, limit_s=0.5e-3)])
def test_longer_operations_and_those_near_a_ceiling_are_work(work):
    found, launch_s = less_calling([work], 0.0, LAUNCH_S, work.own_s)
    assert (found, launch_s) == ([work], 0.0)
