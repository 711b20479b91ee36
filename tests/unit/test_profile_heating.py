"""How many steps run right before a GPU's profiled ones."""

import pytest

from saih.profile.run import heating

MIB = 2**20


@pytest.mark.parametrize(
    ("step_s", "step_bytes", "steps"),
    [
        (0.0084, 40_000, 59),  # half a second
        (0.001, MIB, 2),  # what a trace may hold, three profiled steps included
        (0.3, MIB, 1),
        (0.6, MIB, 0),  # longer than that by itself
        (0.01, 6 * MIB, 0),  # a long trace
    ],
)
def test_half_a_second_of_them_as_far_as_the_trace_has_room(step_s, step_bytes, steps):
    assert heating(step_s, step_bytes) == steps
