"""Every command that documents, configurations, messages and reports name exists."""

import argparse
import re

import pytest

from reports.page.report import build
from reports.sections.form import Verbatim
from saih.cli.main import _parser
from tests.conftest import ROOT
from tests.gold.small import measured, run_of

pytestmark = pytest.mark.slow

COMMAND = re.compile(r"(?<![\w./-])saih ([a-z]+)\b")
"""As someone would type it; folders and modules named saih are none."""
NO_COMMANDS = {"import", "from", "starts", "itself"}
"""Words that follow the name in sentences and in Python."""
SOURCES = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "docs/*.md", "configs/*.yaml", "jobs/**/*",
    "reports/**/*.py", "reports/page/templates/*", "saih/**/*.py",
)  # fmt: skip


def verbs():
    """The names of the command line's subcommands."""
    (action,) = [each for each in _parser()._actions if isinstance(each, argparse._SubParsersAction)]
    return set(action.choices)


def named(text):
    return {word for word in COMMAND.findall(text) if word not in NO_COMMANDS}


@pytest.mark.parametrize("pattern", SOURCES)
def test_files_name_commands_that_exist(pattern):
    files = [path for path in ROOT.glob(pattern) if path.is_file()]
    assert files
    missing = {
        f"{path.relative_to(ROOT)}: saih {word}"
        for path in files
        for word in named(path.read_text(encoding="utf-8")) - verbs()
    }
    assert missing == set()


def test_a_report_names_commands_that_exist():
    report = build([run_of(measured({"edge": 16}), git={"commit": "abc", "dirty": True})])
    (commands,) = [part for part in report.parts() if isinstance(part, Verbatim) and part.commands]
    found = named(commands.text)
    assert {"plan", "sweep", "report"} == found
    assert found <= verbs()


def test_a_command_that_does_not_exist_would_be_seen():
    assert named("run `saih compare A B`, then saih sweep; from saih import x; /work/saih sweeps") == {
        "compare",
        "sweep",
    }
