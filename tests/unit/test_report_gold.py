"""The report of the kept run folders is what the gold files say. `make gold` writes them anew."""

import pytest

from tests.gold import update


@pytest.mark.parametrize("name", update.REPORTS)
def test_report_is_as_the_gold_files_say(name):
    for file, text in update.make(name).items():
        expected = (update.HERE / file).read_text(encoding="utf-8")
        assert text == expected, f"{file} differs: `make gold` and look at the difference"
