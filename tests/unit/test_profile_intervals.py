"""Sets of time, against counting on a grid."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from saih.profile.intervals import minus, shares, total, union

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10)).map(lambda s: (s[0], s[0] + s[1])), max_size=12)


def cells(intervals):
    return {cell for begin, end in intervals for cell in range(begin, end)}


@given(SPANS)
def test_a_union_covers_what_any_covers_once(spans):
    found = union(spans)
    assert cells(found) == cells(spans)
    assert total(found) == len(cells(spans))
    assert all(a[1] < b[0] for a, b in pairwise(found))


@given(SPANS, SPANS)
def test_a_difference_covers_what_only_the_first_covers(these, others):
    found = minus(union(these), union(others))
    assert cells(found) == cells(these) - cells(others)
    assert total(found) == len(cells(found))


@given(SPANS)
def test_every_moment_is_divided_equally_among_those_that_run(spans):
    expected = [0.0] * len(spans)
    for cell in cells(spans):
        running = [i for i, (begin, end) in enumerate(spans) if begin <= cell < end]
        for i in running:
            expected[i] += 1 / len(running)
    found = shares(spans)
    assert all(abs(a - b) < 1e-9 for a, b in zip(found, expected, strict=True))
