"""Where the leading cause of a growing problem changes, and what ends its path."""

from hypothesis import given
from hypothesis import strategies as st

from saih.diagnosis.growth_path import End, Turn, turns


def told(**shares):
    """A diagnosis with these causes; the largest share is first, as in a record."""
    causes = [{"verdict": f"{name}-bound", "share": share} for name, share in shares.items()]
    return {"causes": sorted(causes, key=lambda cause: -cause["share"])}


def test_a_turn_is_where_the_leading_cause_changes():
    path = turns([("16", told(host=0.9)), ("32", told(host=0.5, compute=0.3)), ("64", told(compute=0.8))])
    assert path.turns == (Turn("32", "64", "host-bound", "compute-bound"),)
    assert path.end is None


def test_sizes_at_which_nothing_is_named_lie_between():
    path = turns([("16", told(host=0.9)), ("32", told()), ("48", told()), ("64", told(compute=0.8)), ("96", told())])
    assert path.turns == (Turn("16", "64", "host-bound", "compute-bound", ("32", "48")),)


def test_causes_that_lead_by_little_do_not_take_turns():
    close = [told(memory=0.41, compute=0.4), told(memory=0.4, compute=0.42), told(memory=0.43, compute=0.4)]
    assert turns([(str(i), each) for i, each in enumerate(close)]).turns == ()
    clear = turns([("a", close[0]), ("b", told(memory=0.4, compute=0.46))])
    assert [(turn.before, turn.now) for turn in clear.turns] == [("memory-bound", "compute-bound")]


def test_the_end_is_the_first_size_without_result_after_the_last_with_one():
    path = turns(
        [("16", told(host=0.9)), ("24", "failed"), ("32", told(compute=0.9)), ("64", "oom"), ("96", "skipped")]
    )
    assert path.end == End("64", "oom", "32", "compute-bound")
    assert path.turns == (Turn("16", "32", "host-bound", "compute-bound"),)


def test_what_led_before_is_not_told_where_nothing_led():
    assert turns([("16", told(host=0.9)), ("32", told()), ("64", "flat")]).end == End("64", "flat", "32", None)
    assert turns([("16", "oom")]).end == End("16", "oom", None, None)
    assert turns([]) == turns([("16", {"verdict": "capacity-limited", "causes": [{"verdict": "x", "share": None}]})])


STEPS = st.lists(
    st.sampled_from(["oom", "failed"])
    | st.builds(told, host=st.floats(0.15, 0.5), compute=st.floats(0.15, 0.5))
    | st.just(told())
)


@given(STEPS)
def test_turns_follow_one_another(found):
    path = turns([(str(i), each) for i, each in enumerate(found)])
    for first, second in zip(path.turns, path.turns[1:], strict=False):
        assert first.now == second.before
        assert int(first.at) <= int(second.after)
    for turn in path.turns:
        assert turn.before != turn.now
        assert int(turn.after) < int(turn.at)
    assert (path.end is None) == (not found or not isinstance(found[-1], str))
