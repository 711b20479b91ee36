"""Numbers and words for people."""

import pytest

from reports.words import text


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (41.3e9, "FLOP/s", "41.3 GFLOP/s"),
        (999.6e9, "FLOP/s", "1.00 TFLOP/s"),
        (0.00124, "s", "1.24 ms"),
        (7.2e-6, "s", "7.20 µs"),
        (123.4, "s", "123 s"),
        (5000.0, "s", "5,000 s"),
        (3.2 * 2**30, "B", "3.20 GiB"),
        (512, "B", "512 B"),
        (2**20, "B/s", "1 MiB/s"),
        (0.0, "s", "0 s"),
        (-0.00002, "s", "-20.0 µs"),
        (8.12, "%", "8.1 %"),
        (0.0964, "%", "0.096 %"),
        (1364.3, "%", "1,364 %"),
        (100.0, "%", "100 %"),
        (3_270_000, "1", "3,270,000"),
        (12345.6, "samples/s", "12,346 samples/s"),
        (1e-7, "1", "1.00e-07"),
        (float("inf"), "s", "inf s"),
        (None, "s", "\u2013"),
    ],
)
def test_quantity(value, unit, shown):
    assert text.quantity(value, unit).replace("\u00a0", " ") == shown


def test_an_interval_takes_the_prefix_of_its_value():
    assert text.interval(0.00124, 0.00122, 0.00126, "s").replace("\u00a0", " ") == "1.22 to 1.26"
    assert text.interval(0.0, -1e-6, 2e-6, "s").replace("\u00a0", " ") == "-1 to 2 µs"


@pytest.mark.parametrize("ends", [(None, 1.0), (1.0, None), (2.0, 2.0)])
def test_no_interval_is_shown_where_there_is_none(ends):
    assert text.interval(1.0, *ends, "s") == ""


def test_lists_count_what_they_leave_out():
    assert text.listed([]) == ""
    assert text.listed(["a"]) == "a"
    assert text.listed(["a", "b", "c"]) == "a, b and c"
    assert text.listed("abcdef", 3) == "a, b, c and 3 more"
    assert text.clauses(["a, b", "c", "d"], 2) == "a, b; c; and 1 more"


def test_words():
    assert text.count(1, "point") == "1 point"
    assert text.count(1200, "point") == "1,200 points"
    assert text.fold(256.2) == "256-fold"
    assert text.fold(8.26) == "8.3-fold"
    assert text.signed_percent(-0.493).replace("\u00a0", " ") == "-49 %"
    assert text.span([3, 40], "s").replace("\u00a0", " ") == "3 to 40 s"
    assert text.span([0.05, 3], "s").replace("\u00a0", " ") == "50 ms to 3 s"
    assert text.span([2, 2]) == "2"
    assert [text.scalar(value) for value in (None, True, 1.0, 0.25, 16, "x")] == [
        "not recorded", "True", "1", "0.25", "16", "x",
    ]  # fmt: skip


@pytest.mark.parametrize(("n", "sizes"), [(0, []), (1, [1]), (20, [20]), (22, [11, 11]), (41, [13, 14, 14])])
def test_chunks_are_of_about_equal_length(n, sizes):
    parts = list(text.chunks(range(n), 20))
    assert [len(part) for part in parts] == sizes
    assert [item for part in parts for item in part] == list(range(n))
