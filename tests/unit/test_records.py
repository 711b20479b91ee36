import json

import pytest

from saih import records
from saih.errors import InputError
from saih.records.record import Record


@pytest.fixture
def record():
    return Record("n8-ranks1-0", "ok", {"app": "toy"}, metrics={"step_s": {"value": 0.5}})


def test_what_is_written_is_read_back(tmp_path, record):
    path = records.write(tmp_path, record)
    assert records.read(path) == record
    assert records.read_all(tmp_path) == [record]


def test_values_of_unknown_metrics_are_none(record):
    assert record.value("step_s") == 0.5
    assert record.value("energy_j_per_sample") is None


def test_a_value_that_is_not_finite_is_never_written_and_leaves_the_old_record(tmp_path, record):
    path = records.write(tmp_path, record)
    bad = Record(record.id, "ok", {}, metrics={"step_s": {"value": float("nan")}})
    with pytest.raises(ValueError, match="JSON compliant"):
        records.write(tmp_path, bad)
    assert records.read(path) == record


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 99}, "schema = 99: this version reads 1"),
        ({"status": "fine"}, "status = fine: must be one of ok, oom"),
        ({"extra": 1}, "unknown keys ['extra']"),
    ],
)
def test_what_is_no_record_names_its_file(tmp_path, record, change, says):
    path = records.write(tmp_path, record)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError) as caught:
        records.read(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}'])
def test_damaged_files_name_themselves(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"x\.json"):
        records.read(path)


def test_temporary_files_are_no_records(tmp_path, record):
    records.write(tmp_path, record)
    (tmp_path / "other.json.123.tmp").write_text("{")
    assert len(records.read_all(tmp_path)) == 1
