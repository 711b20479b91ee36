"""A record names the commit that it was measured with."""

import subprocess

import pytest

import saih
from saih.records import provenance
from tests.conftest import ROOT


def git(folder, *words):
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no checkout")
def test_a_checkout_names_its_commit():
    assert provenance.git()["commit"] == git(ROOT, "rev-parse", "HEAD")


def test_changes_are_told_and_an_installation_has_no_commit(tmp_path, monkeypatch):
    package = tmp_path / "saih" / "__init__.py"
    package.parent.mkdir()
    package.touch()
    monkeypatch.setattr(saih, "__file__", str(package))
    assert provenance.git() is None
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "first")
    assert provenance.git() == {"commit": git(tmp_path, "rev-parse", "HEAD"), "dirty": False}
    package.write_text("changed")
    assert provenance.git()["dirty"]
