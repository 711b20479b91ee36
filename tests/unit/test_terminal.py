"""No byte that commands a terminal leaves by way of a message, whoever wrote it."""

import ast
import json
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from saih.app import Execution, Point
from saih.cli.progress import Progress
from saih.common.terminal import printable
from saih.records.record import Record
from tests.conftest import ROOT, toy_config

EVIL = "\x1b]52;c;aGFybQ==\x07\x1b[2J\x9b31m\r\x08\u202eevil"
COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@settings(max_examples=300)
@given(st.text() | st.text(st.characters(max_codepoint=0x9F)))
def test_what_is_printed_holds_no_command_and_keeps_what_is_harmless(text):
    shown = printable(text)
    assert not COMMANDS.search(shown)
    assert "\n" not in shown
    shown.encode("utf-8")
    if text.isascii() and text.isprintable():
        assert shown == text


@pytest.mark.parametrize("unseen", ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u061c", "\u2066", "\U000e0041"])
def test_marks_without_a_shape_are_shown_escaped(unseen):
    assert printable(f"na{unseen}me") == f"na{unseen.encode('unicode_escape').decode()}me"


def test_letters_of_all_scripts_stay():
    assert printable("Übergröße 数据 \t遅い") == "Übergröße 数据 \t遅い"


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_shows_no_commands_of_points_messages_and_stages(capsys, terminal):
    point = Point("toy:APP", {f"n{EVIL}": 1}, Execution(1, 1, "fp32", f"plain{EVIL}", "dataset"))
    console = Console(force_terminal=terminal, color_system=None, width=4000)
    with Progress(console) as progress:
        progress.stage(f"stage {EVIL}")
        progress.begin(point, 1, 2, 3.0)
        progress.progress(f"doing {EVIL}", 1, 2)
        progress.end(Record("x", "failed", point.to_dict(), error={"kind": "failed", "message": EVIL}), 1.0, None)
    out = capsys.readouterr().out
    assert "\x1b]52" not in out
    assert "\x9b" not in out
    assert "\u202e" not in out
    assert r"failed: \x1b]52" in out


def test_what_a_name_an_error_or_a_lock_holds_reaches_no_terminal(saih):
    assert not COMMANDS.search(saih("plan", f"{EVIL}.yaml", status=2).stderr)
    assert not COMMANDS.search(saih("report", EVIL, status=2).stderr)
    assert not COMMANDS.search(saih("submit", "x.yaml", "--site", EVIL, status=2).stderr)
    assert not COMMANDS.search(saih("sweep", "x.yaml", "--retry", EVIL, status=2).stderr)
    assert not COMMANDS.search(saih(EVIL, status=2).stderr)
    saih.write("toy.yaml", toy_config(app="toy:APP", size={"n": [8]}))
    run = saih.folder / "runs" / "toy"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text((saih.folder / "toy.yaml").read_text())
    (run / "lock").write_text(
        json.dumps({"host": EVIL, "pid": 1, "started": EVIL, "job": None, "restarts": 0, "boot": EVIL})
    )
    for words in (("status", "runs/toy"), ("sweep", "toy.yaml")):
        done = saih(*words, status=None)
        assert not COMMANDS.search(done.stdout + done.stderr), done


def test_a_name_that_is_no_text_is_told_in_one_line(saih):
    name = os.fsdecode(b"a\xff\x1bb.yaml")
    done = saih("plan", name, status=2)
    assert r"a\udcff\x1bb.yaml: cannot be read" in done.stderr
    assert done.stderr.count("\n") == 1


def test_only_two_modules_print_for_people():
    workers = {"background_reader.py", "__main__.py"}
    for path in (ROOT / "saih").rglob("*.py"):
        if path.name in {"terminal.py", "progress.py", *workers}:
            continue
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not [node for node in calls if getattr(node.func, "id", "") == "print"], path
