"""The container wrapper's words; Apptainer itself is played by a script that tells what it was asked to do."""

import os
import subprocess

from tests.conftest import ROOT


def test_a_rank_becomes_the_images_python_with_the_ranks_words(tmp_path):
    told = tmp_path / "apptainer"
    told.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    told.chmod(0o755)
    wrapper = ROOT / "jobs" / "slurm" / "in-container.sh"
    words = [wrapper, "image.sif", "/host/bin/python", "-P", "-m", "saih.worker.main", "--faults", "/a b"]
    env = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    options, command = done.stdout.splitlines()[:4], done.stdout.splitlines()[4:]
    assert options == ["exec", "--nv", "--bind", str(tmp_path)]
    assert command == ["image.sif", "python3", "-P", "-m", "saih.worker.main", "--faults", "/a b"]
