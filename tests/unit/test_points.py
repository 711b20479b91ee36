import pytest
import yaml

from saih import app, config
from saih.config import points
from saih.errors import InputError
from tests.conftest import toy_config
from tests.toys import toy


def expand(**changes):
    return points.expand(config.parse(yaml.safe_dump(toy_config(**changes))), toy.APP)


def test_matrix_is_the_product_and_defaults_of_dials_are_filled_in():
    found = expand(size={"n": [8, 16]}, run={"ranks": [1, 2], "batch": [1, 4]})
    assert len(found.wanted) == 8
    assert {p.size["power"] for p in found.wanted} == {1}


def test_zip_pairs_lists_and_repeats_scalars():
    found = expand(size={"n": [8, 16]}, run={"ranks": [1, 2]}, sweep={"kind": "zip"})
    assert [(p.size["n"], p.run.ranks) for p in found.wanted] == [(8, 1), (16, 2)]


def test_zip_of_unequal_lists_is_refused():
    with pytest.raises(InputError, match="lists must be of one length"):
        expand(size={"n": [8, 16, 32]}, run={"ranks": [1, 2]}, sweep={"kind": "zip"})


def test_excluded_points_are_told_apart_and_may_be_illegal():
    found = expand(size={"n": [8, 9]}, sweep={"exclude": [{"n": 9}]})
    assert {p.size["n"] for p in found.wanted} == {8}
    assert {p.size["n"] for p in found.excluded} == {9}


def test_only_what_a_rule_names_is_part_of_the_sweep():
    run = {"ranks": 1, "input": ["memory", "cold", "warm"], "background_read_mb_s": [0, 100, 200]}
    rules = [{"background_read_mb_s": 0}, {"input": ["cold", "warm"], "background_read_mb_s": [0, 200]}]
    found = expand(size={"n": 8}, run=run, sweep={"only": rules, "exclude": [{"input": "warm"}]})
    assert [(p.run.input, p.run.background_read_mb_s) for p in found.wanted] == [
        ("memory", 0), ("cold", 0), ("cold", 200),
    ]  # fmt: skip
    assert [(p.run.input, p.run.background_read_mb_s) for p in found.excluded] == [("warm", 0), ("warm", 200)]


def test_background_reading_is_in_id_and_label_where_there_is_some():
    quiet, loud = expand(size={"n": 8}, run={"background_read_mb_s": [0, 1e6]}).wanted
    assert "background" not in quiet.id + quiet.label
    assert quiet.id.startswith("n8-power1-ranks1-")
    assert loud.id.startswith("n8-power1-ranks1-background1000000-")
    assert "background=1000000MB/s" in loud.label
    assert app.Point.from_dict(loud.to_dict()) == loud


def test_repeats_are_points_of_their_own():
    found = expand(size={"n": 8}, run={"ranks": 1}, sweep={"repeats": 3})
    assert len({p.id for p in found.wanted}) == 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"size": {"n": 8, "edge": 3}}, "size.edge: unknown dial of toy; allowed: n, power"),
        ({"size": {"power": 2}}, "size.n: is required"),
        ({"size": {"n": "a"}}, "size.n = a: must be an integer"),
        ({"size": {"n": True}}, "size.n = True: must be an integer"),
        ({"size": {"n": 8.5}}, "size.n = 8.5: must be an integer"),
        ({"size": {"n": 1}}, "size.n = 1: must be at least 2"),
        ({"size": {"n": 9}}, "size.n = 9: must be even"),
        ({"sweep": {"exclude": [{"m": 1}]}}, "sweep.exclude[0].m: unknown key; allowed: n, power, ranks"),
        ({"sweep": {"exclude": [{}]}}, "sweep.exclude: leaves no point"),
        ({"sweep": {"only": [{"m": 1}]}}, "sweep.only[0].m: unknown key; allowed: n, power, ranks"),
        ({"sweep": {"only": [{"n": 5}]}}, "sweep.only: leaves no point"),
        ({"data": {"faults": {"8": "odd"}}}, "data.faults.8 = odd: must be one of"),
    ],
)
def test_what_the_application_cannot_take_is_refused(changes, says):
    with pytest.raises(InputError) as caught:
        expand(**changes)
    assert says in str(caught.value)


def test_ids_are_stable_differ_with_content_and_name_files():
    one = app.Point("toy:APP", {"n": 8}, app.Execution(2, 4, "fp32", "plain", "dataset"), {}, 0)
    assert one.id == "n8-ranks2-78c20a47"  # records of earlier runs are found by it
    assert app.Point.from_dict(one.to_dict()) == one
    other = app.Point("toy:APP", {"n": 8}, app.Execution(2, 8, "fp32", "plain", "dataset"), {}, 0)
    assert other.id != one.id
    assert "/" not in one.id


def test_one_size_written_as_integer_or_number_is_one_point():
    assert toy.APP.dials["n"].parse(8.0, "size.n") == 8
    assert isinstance(toy.APP.dials["n"].parse(8.0, "size.n"), int)
