"""Logs of bounded size, read from output of any shape."""

import io

import pytest

from saih.groups import protocol
from saih.groups.log_file import KEPT_BYTES, PIECE_BYTES, LogFile, last_words, lines


def test_a_short_log_is_whole_at_once(tmp_path):
    log = LogFile(tmp_path / "logs" / "a.log")
    log.write(b"one\n")
    log.write(b"two\n")
    assert log.path.read_bytes() == b"one\ntwo\n"
    log.begin(tmp_path / "logs" / "b.log")
    log.write(b"three\n")
    assert (tmp_path / "logs" / "a.log").read_bytes() == b"one\ntwo\n"
    assert last_words(log.path, 4) == "ree\n"
    log.close()


@pytest.mark.parametrize("piece", [b"x" * 79 + b"\n", b"y" * PIECE_BYTES])
def test_of_a_long_one_both_ends_are_kept(tmp_path, piece):
    log, count = LogFile(tmp_path / "a.log"), 5 * KEPT_BYTES // len(piece)
    for _ in range(count):
        log.write(piece)
    log.write(b"the last words\n")
    log.close()
    content = log.path.read_bytes()
    all_of_it = piece * count + b"the last words\n"
    assert content[:KEPT_BYTES] == all_of_it[:KEPT_BYTES]
    assert content.endswith(all_of_it[-KEPT_BYTES:])
    assert f"\n... {len(all_of_it) - 2 * KEPT_BYTES} bytes left out ...\n".encode() in content
    assert len(content) < 2 * KEPT_BYTES + 60
    log.write(b"too late\n")
    assert log.path.read_bytes() == content


def test_the_end_is_brought_up_to_date_again_and_again(tmp_path):
    log = LogFile(tmp_path / "a.log")
    log.write(b"x" * KEPT_BYTES)
    for word in (b"one\n", b"two\n"):
        log.write(word)
        log.update()
    assert log.path.read_bytes().endswith(b"xone\ntwo\n")
    log.close()


def test_a_link_at_the_name_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / "a.log").symlink_to(victim)
    log = LogFile(tmp_path / "a.log")
    log.write(b"new\n")
    log.close()
    assert victim.read_text() == "kept"
    assert (tmp_path / "a.log").read_text() == "new\n"


def test_long_lines_come_in_pieces_and_messages_whole():
    message = b'noise{"answers": "measure", "samples": "' + b"z" * 3 * PIECE_BYTES + b'"}\n'
    given = b"a\n" + b"b" * 3 * PIECE_BYTES + b"\n" + message + b"no end"
    pieces = list(lines(io.BytesIO(given), protocol.begins_in))
    assert b"".join(pieces) == given
    assert pieces[0] == b"a\n"
    assert message in pieces
    assert all(len(piece) <= PIECE_BYTES for piece in pieces if piece != message)
