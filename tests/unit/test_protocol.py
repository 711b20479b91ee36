"""Lines that a launcher or a wrapper prints are none of the protocol, whatever JSON they are."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saih.groups import protocol

RANK = {"host": "n1", "pid": 5, "session": 5, "started": 77}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["ready", "progress", "block_s"]), inner)
    ),
)


def test_messages_are_read():
    assert protocol.read(json.dumps({"ready": [RANK, RANK]})) == protocol.Ready([RANK, RANK])
    assert protocol.read('{"progress": ["full", 1, 2.5], "block_s": 0.1}\n') == protocol.Progress("full", 1, 2.5, 0.1)
    assert protocol.read('{"progress": ["full", 1, 2]}') == protocol.Progress("full", 1, 2, None)
    line = json.dumps(protocol.answer("describe", {"machine": {"cores": 2}}))
    assert protocol.read(line) == protocol.Answer("describe", {"machine": {"cores": 2}})


def test_a_line_that_somebody_left_without_an_end_hides_no_message():
    line = json.dumps(protocol.answer("describe", {"a": 1}))
    assert protocol.read(f"loading module ... {line}\n") == protocol.Answer("describe", {"a": 1})
    assert protocol.read(f'{{"x": 1}}{line}\n') == protocol.Answer("describe", {"a": 1})


@pytest.mark.parametrize(
    "line",
    ["42", "true", "[]", '{"x": 1}', "null", '"ready"', "NaN", "", "\n", "{", '{"ready": []}', '{"ready": 1}',
     '{"ready": [{"host": "n1"}]}', '{"ready": [1]}', json.dumps({"ready": [RANK | {"pid": "5"}]}),
     json.dumps({"ready": [RANK | {"pid": True}]}), '{"progress": 1}', '{"progress": []}', '{"progress": ["a", 1]}',
     '{"progress": [1, 2, 3]}', '{"progress": ["a", "b", 3]}', '{"progress": ["a", true, 3]}',
     '{"progress": ["a", 1, 2], "block_s": "x"}', '{"progress": ["a", 1, 2], "other": 1}',
     '{"progress": ["a", NaN, 2]}', '{"progress": ["a", 1e999, 2]}', '{"answers": 3}', '{"answers": null, "a": 1}',
     '{"ready": ' + "[" * 100_000, '{"progress": [' + "9" * 5000 + ", 1, 2]}"],
)  # fmt: skip
def test_what_is_no_message_is_none(line):
    assert protocol.read(line) is None


@settings(max_examples=300, deadline=None)
@given(st.text() | JSON.map(json.dumps) | st.builds('{{"progress": {}}}'.format, JSON.map(json.dumps)))
def test_no_line_whatever_is_a_traceback(line):
    found = protocol.read(line)
    assert found is None or isinstance(found, protocol.Ready | protocol.Progress | protocol.Answer)


@pytest.mark.parametrize(("rank", "host"), [(0, "n1"), (8191, "node-1.site.org"), (None, "n1")])
def test_a_rank_that_has_begun_is_known_behind_a_label(rank, host):
    line = protocol.begun(rank, host, 4711)
    assert protocol.read_begun(f"3: {line}") == protocol.Begun(rank, host, 4711)
    assert protocol.read_begun("saih-rank is a word") is None
