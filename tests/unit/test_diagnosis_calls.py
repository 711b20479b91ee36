"""What a CPU's profile holds besides work, taken out of groups of known times."""

import pytest

from saih.diagnosis.calls import fitted
from saih.diagnosis.groups import Group


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
