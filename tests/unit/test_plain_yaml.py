"""Scalars as YAML 1.2 has them, and what is written as either version reads it."""

import os

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from saih.config import yaml_values
from saih.errors import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1:20", "1:20"),
        ("2:00:00", "2:00:00"),
        ("1_000", "1_000"),
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("1e3", 1000.0),
        ("0x1F", 31),
        ("0o17", 15),
        ("0", 0),
        ("-5", -5),
        ("~", None),
        ("", None),
        ("'010'", "010"),
        ("0.50", 0.5),
    ],
)
def test_scalars_are_what_people_read(text, value):
    found = yaml_values.parse(f"a: {text}")["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["010", "-010", "+08", "00", "!!int '010'", "!!int '1:20'", "{b: 007}", "[1, 010]"])
def test_a_number_that_may_be_read_in_two_ways_is_refused(text):
    with pytest.raises(InputError, match=r"line 2: .* may be read in two ways"):
        yaml_values.parse(f"b: 1\na: {text}")


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e400", "!!float '1:20'"])
def test_what_is_no_finite_number_is_refused(text):
    with pytest.raises(InputError, match="must be a"):
        yaml_values.parse(f"a: {text}")


ODD = ["1:20", "010", "yes", "1e3", "0o7", "~", "", "<<", "=", "2024-01-01", "1_0", ".5", "- a", "#"]
TEXTS = st.sampled_from(ODD) | st.text("0123456789:.eE+-_xoyn~ ", max_size=6).map(str.strip)
NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = TEXTS | NUMBERS | st.booleans() | st.none()


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1), st.lists(SCALARS, max_size=4), max_size=4))
def test_what_is_written_is_read_back_by_either_version(value):
    text = yaml_values.dump(value)
    assert yaml_values.parse(text) == value
    assert yaml.safe_load(text) == value


def test_a_file_is_read_with_its_name_in_every_error(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: [1, 2]\n")
    assert yaml_values.load(path) == {"a": [1, 2]}
    path.write_text("a: 010\n")
    with pytest.raises(InputError, match=r"a\.yaml: line 1: 010"):
        yaml_values.load(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"a\.yaml: cannot be read \(is no regular file\)"):
        yaml_values.load(path)
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        yaml_values.load(tmp_path)
