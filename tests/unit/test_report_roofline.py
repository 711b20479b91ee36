"""Roofs, the points below them, and names that may be read."""

import itertools
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.analysis.roofs import find_roofs
from reports.analysis.trend import find_trend
from reports.charts.roofline import roof_charts
from reports.draw import label_placement
from reports.draw.roofline import draw_roof
from reports.draw.svg import settings as svg_settings
from reports.draw.svg import to_svg
from reports.tables.roofline import roofline
from tests.gold.small import cases_of, lost, measured

FLOP_PER_S, BYTES_PER_S = 1e11, 1e10
"""They meet at 10 FLOP/B."""


def mark(name, part, flop, moved, seconds):
    return {"name": name, "part": part, "flop": flop, "bytes": moved, "intensity": flop / moved, "seconds": seconds,
            "flop_per_s": flop / seconds, "limit": "memory", "limit_s": 0.0, "alone_s": None}  # fmt: skip


def point(size, flop, moved, seconds, layers=(), **more):
    """A point with a roofline in its diagnosis."""
    told = {
        "ridge_flop_per_byte": FLOP_PER_S / BYTES_PER_S, "flop_per_s": FLOP_PER_S, "bytes_per_s": BYTES_PER_S,
        "point": {"flop": flop, "bytes": moved, "intensity": flop / moved, "flop_per_s": flop / seconds},
        "layers": list(layers), "bound_s": None,
    }  # fmt: skip
    diagnosis = {"verdict": "undetermined", "evidence": "e", "causes": [], "shares": {}, "roofline": told}
    return measured(size, 10, flop=flop, diagnosis=diagnosis, **more)


def plain(text):
    return text.replace("\u00a0", " ")


def roofs_of(*found):
    cases = cases_of(*found)
    trend = find_trend(cases)
    return find_roofs(cases, trend), trend


def test_points_stand_below_the_roof_of_their_intensity():
    roofs, trend = roofs_of(point({"edge": 16}, 4e8, 1e8, 0.02), point({"edge": 32}, 4e9, 2e8, 0.08))
    (roof,) = roofs
    assert roof.ridge == 10
    assert [roof.at(dot.intensity) for dot in roof.dots] == [4e10, FLOP_PER_S]  # 4 FLOP/B x 1e10 B/s; beyond the ridge
    table = roofline(roofs, trend.axes)
    told = [[plain(f"{cell.text} {cell.detail}".strip()) for cell in row] for row in table.rows]
    assert told[0][4:] == ["4 FLOP/B", "10 FLOP/B", "memory 40 GFLOP/s", "20 GFLOP/s", "50.0 %"]
    assert told[1][4:] == ["20 FLOP/B", "10 FLOP/B", "arithmetic 100 GFLOP/s", "50 GFLOP/s", "50.0 %"]


def test_counted_traffic_stands_beside_the_least_where_any_was_counted():
    counted = {"dram_bytes_per_step": {"value": 2.5e8, "unit": "B", "better": "lower", "method": "m"}}
    not_so = {"dram_bytes_per_step": counted["dram_bytes_per_step"] | {"value": None, "why": "no counters"}}
    roofs, trend = roofs_of(
        point({"edge": 16}, 4e8, 1e8, 0.02, metrics=counted), point({"edge": 32}, 4e9, 2e8, 0.08, metrics=not_so)
    )
    table = roofline(roofs, trend.axes)
    place = [head.text for head in table.head].index("traffic, counted")
    first, second = (row[place] for row in table.rows)
    assert (plain(first.text), first.detail) == ("238 MiB", "x 2.5")
    assert (second.note, *table.notes) == ("a", ("a", "no counters"))


def test_a_roof_for_each_precision_and_number_of_ranks():
    found = [
        point({"edge": edge}, 4e8 * edge, 1e8, 0.02, run={"precision": precision}, ranks=ranks)
        for edge in (16, 32)
        for precision in ("fp32", "bf16")
        for ranks in (1, 2)
    ]
    roofs, trend = roofs_of(*found)
    assert [roof.label for roof in roofs] == [
        "ranks=1, precision=fp32", "ranks=2, precision=fp32", "ranks=1, precision=bf16", "ranks=2, precision=bf16",
    ]  # fmt: skip
    assert [len(roof.dots) for roof in roofs] == [2] * 4
    assert [chart.name for chart in roof_charts(roofs, trend)] == [
        "roofline", "roofline-2", "roofline-3", "roofline-4",
    ]  # fmt: skip


def test_the_datasheet_s_roof_is_the_one_that_points_were_held_against():
    quoted = {"percent_of_peak": {"value": 5.0, "unit": "%", "better": "higher", "method": "m"}}
    roofs, _ = roofs_of(point({"edge": 16}, 4e8, 1e8, 0.02, metrics=quoted))
    assert roofs[0].datasheet == pytest.approx(2e11)  # 10 GFLOP/s are 5 % of it
    roofs, _ = roofs_of(point({"edge": 16}, 4e8, 1e8, 0.02))
    assert roofs[0].datasheet is None


def test_points_without_roof_or_place_are_left_out():
    nowhere = point({"edge": 32}, 4e8, 1e8, 0.02)
    nowhere.diagnosis["roofline"]["point"]["bytes"] = None
    roofs, _ = roofs_of(
        point({"edge": 16}, 4e8, 1e8, 0.02), nowhere, measured({"edge": 64}), lost({"edge": 128}, "oom")
    )
    assert [dot.case.number for dot in roofs[0].dots] == [1]
    assert roofs_of(measured({"edge": 16}))[0] == []
    assert roofline([], ()) is None


def test_a_chart_has_a_line_a_path_and_the_longest_layers_of_the_largest_point():
    many = [
        mark(f"layer {i}", part, flop * 1e6, 1e7, 1e-3 * (i + 1))
        for i, flop in enumerate((5, 6, 7, 8, 9, 10, 11, 12, 13))
        for part in ("forward", "backward")
    ]
    idle = mark("copying", "forward", 1.0, 1e9, 0.5) | {"flop": 0, "intensity": 0.0, "flop_per_s": 0.0}
    found = [
        point({"edge": 16 * 2**i, "width": width}, 4e6 * 8**i, 1e6 * 4**i * width, 2e-4 * 8**i, [*many, idle])
        for i in range(3)
        for width in (1, 2)
    ]
    roofs, trend = roofs_of(*found)
    (chart,) = roof_charts(roofs, trend)
    assert [[spot.label for spot in path.spots] for path in chart.paths] == [["16", "32", "64"]] * 2
    assert [layer.label for layer in chart.layers if layer.label] == [f"layer {i}" for i in range(2, 9)]
    assert sum(layer.forward for layer in chart.layers) == 7
    assert "true traffic is higher" in plain(chart.caption)
    assert "Those without arithmetic have no place here" in chart.caption
    with svg_settings():
        drawn = to_svg(draw_roof(chart))
    text = " ".join(ET.fromstring(drawn).itertext())
    for word in ("layer 2", "layer 8", "memory, measured: 9.31 GiB/s", "arithmetic, measured: 100 GFLOP/s"):
        assert word in plain(text)


spots = st.lists(st.tuples(st.floats(20, 600), st.floats(20, 300)), min_size=1, max_size=14)


@settings(max_examples=60, deadline=None)
@given(spots)
def test_names_overlap_neither_one_another_nor_leave_the_picture(places):
    inside, size = (0.0, 0.0, 640.0, 330.0), (80.0, 9.0)
    centres = label_placement.place(
        places, [size] * len(places), inside, [label_placement.around(at, (9, 9)) for at in places], []
    )
    boxes = [label_placement.around(centre, size) for centre in centres]
    assert not any(label_placement.overlap(a, b) for a, b in itertools.combinations(boxes, 2))
    assert all(a >= 0 and b >= 0 and c <= 640 and d <= 330 for a, b, c, d in boxes)


def test_a_name_gives_way_to_lines_and_marks_and_stays_near_where_it_can():
    (alone,) = label_placement.place(
        [(100, 100)], [(40, 9)], (0, 0, 300, 300), [label_placement.around((100, 100), (9, 9))], []
    )
    assert label_placement.distance((100, 100), label_placement.around(alone, (40, 9))) <= label_placement.RINGS[0]
    line = [(x, 100.0) for x in range(100, 300, 5)]  # runs to the right, where the name would stand
    (beside,) = label_placement.place([(100, 100)], [(40, 9)], (0, 0, 300, 300), [], line)
    box = label_placement.around(beside, (40, 9))
    assert not any(box[0] < x < box[2] and box[1] < y < box[3] for x, y in line)
