"""The batch script in a real bash, with a sweep and a scontrol that note what they are given."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from saih.common.terminal import printable
from saih.errors import InputError
from saih.launch import batch_script, slurm
from saih.launch.sites import Site
from tests.conftest import toy_config
from tests.unit.test_slurm import program

pytestmark = pytest.mark.slow

FAKE_SWEEP = """\
import json, os, pathlib, signal, sys, time
def stop(*_):
    os._exit(75)
signal.signal(signal.SIGUSR1, stop)
signal.signal(signal.SIGTERM, stop)
told = {"words": sys.argv[1:], "cwd": os.getcwd(), "site": os.environ.get("FROM_SITE")}
told["nofile"] = os.popen("ulimit -n").read()
pathlib.Path(os.environ["NOTES"], "told.json").write_text(json.dumps(told))
if os.environ.get("WARN"):
    os.kill(os.getppid(), signal.SIGUSR1)
    time.sleep(10)
"""


class Job:
    """One run of a script; ``warn``: the time limit's signal comes while the sweep is at work."""

    def __init__(self, folder, site=None, warn=False, said="", lines="", **job):
        (folder / "bin").mkdir(exist_ok=True)
        (folder / "home").mkdir(exist_ok=True)
        program(folder / "bin", "scontrol", f'echo "$*" > {folder}/scontrol')
        program(folder / "bin", "sleep", "true")
        (folder / "sweep.py").write_text(FAKE_SWEEP)
        made = batch_script.Job(**({"config": Path("/c/toy.yaml"), "name": "toy", "out": "runs/toy", "nodes": 1} | job))
        text = batch_script.script(made, site or Site(), folder / "site.yaml", None)
        text, count = re.subn(r"^saih=\(.*\)$", f"saih=(python3 {folder}/sweep.py)", text, flags=re.MULTILINE)
        assert count == 1
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
        environment |= {"PATH": f"{folder}/bin:{os.environ['PATH']}", "NOTES": str(folder), "SLURM_JOB_ID": "7",
                        "HOME": "/home/of/somebody"} | ({"WARN": "1"} if warn else {})  # fmt: skip
        (folder / "job.sh").write_text(lines + text)
        done = subprocess.run(["bash", str(folder / "job.sh")], cwd=folder / "home", env=environment,
                              capture_output=True, text=True, timeout=30, check=False)  # fmt: skip
        self.status, self.said = done.returncode, done.stdout + done.stderr
        told = folder / "told.json"
        self.told = json.loads(told.read_text()) if told.exists() else None
        self.requeued = (folder / "scontrol").read_text().strip() if (folder / "scontrol").exists() else None


ROUGH = {
    "plain": ["export FROM_SITE=yes"],
    "errexit": ["set -e", "export FROM_SITE=yes"],
    "nounset": ["set -u", "export FROM_SITE=yes"],
    "pipefail and all": ["set -euo pipefail", "export FROM_SITE=yes"],
    "a trap on the signal": ["trap 'exit 3' USR1 TERM", "export FROM_SITE=yes"],
    "a signal ignored": ["trap '' USR1 TERM INT", "export FROM_SITE=yes"],
    "traps on everything": ["trap 'exit 3' EXIT ERR RETURN USR1; trap : DEBUG", "export FROM_SITE=yes"],
    "another directory": ["cd /", "export FROM_SITE=yes"],
    "a cd that talks": ['cd() { builtin cd "$@" && ls; }', "export FROM_SITE=yes"],
    "other words for ours": [
        "saih=(false) config=/x out=/y most_requeues=0 status=0 warned=no",
        "export FROM_SITE=yes",
    ],
    "functions of our commands": ["wait() { false; }", "kill() { false; }", "export FROM_SITE=yes"],
    "aliases": ["shopt -s expand_aliases", "alias exec=false builtin=false echo=false", "export FROM_SITE=yes"],
    "odd separators": ["IFS=/", "export FROM_SITE=yes"],
    "other parameters": ["set -- a b c", "export FROM_SITE=yes"],
    "globs": ["shopt -s nullglob failglob extglob", "export FROM_SITE=yes"],
    "a declaration": ["declare -x FROM_SITE=yes"],
    "a block of several lines": ["if true; then", "export FROM_SITE=yes", "fi"],
    "quotes": ["export FROM_SITE='y'\"e\"s"],
    "a last line that fails": ["export FROM_SITE=yes", "false"],
    "chatter": ["echo hello; set -x", "export FROM_SITE=yes"],
    "a closed standard input": ["exec <&-", "export FROM_SITE=yes"],
}


@pytest.mark.parametrize("lines", ROUGH.values(), ids=ROUGH.keys())
def test_nothing_that_a_site_sets_up_switches_requeueing_off(tmp_path, lines):
    job = Job(tmp_path, Site(setup=lines), warn=True)
    assert job.requeued == "requeue 7", job.said
    assert job.told["words"] == ["sweep", "/c/toy.yaml", "--out", "runs/toy"]
    assert job.told["cwd"] == str(tmp_path / "home")
    assert job.told["site"] == "yes"


def test_options_that_came_with_the_environment_do_not_either(tmp_path):
    job = Job(tmp_path, warn=True, lines="set -euo pipefail\nIFS=u\n")
    assert job.requeued == "requeue 7", job.said


def test_what_a_site_limits_reaches_the_sweep(tmp_path):
    assert Job(tmp_path, Site(setup=["ulimit -n 99"])).told["nofile"].strip() == "99"


@pytest.mark.parametrize(
    ("lines", "says", "status"),
    [
        (["exit 0"], "set-up ended with exit status 0 before the sweep began", 2),
        (["exit 4"], "set-up ended with exit status 4 before the sweep began", 4),
        (["set -e", "false"], "set-up ended with exit status 1 before the sweep began", 1),
        (["exec true"], "set-up ended with exit status 0 before the sweep began", 2),
        (["set -n"], "set-up ended with exit status 0 before the sweep began", 2),
        (["export A='open"], "is no complete bash", 2),
        (["if true; then"], "is no complete bash", 2),
        (["cat <<X"], "is no complete bash", 2),
        (["export A=1 )"], "is no complete bash", 2),
    ],
)
def test_a_site_that_ends_the_job_is_told_and_never_a_success(tmp_path, lines, says, status):
    job = Job(tmp_path, Site(setup=lines))
    assert job.told is None
    assert says in job.said
    assert (job.status, job.requeued) == (status, None)


def test_a_set_up_that_outlasts_the_time_limit_comes_back(tmp_path):
    job = Job(tmp_path, Site(setup=["command kill -USR1 $$", "command -p sleep 5", "true"]))
    assert job.told is None
    assert job.requeued == "requeue 7", job.said


LMOD = """\
module() { case $2 in good) export LOADED_GOOD=1;; *)
  echo 'Lmod has detected the following error:  The following module(s) are unknown: "'$2'"' >&2; return %d;; esac; }
"""
ENVIRONMENT_MODULES_3 = """\
module() { case $2 in good) LOADEDMODULES=$LOADEDMODULES:good/1.0; export LOADEDMODULES;; *)
  echo "ModuleCmd_Load.c(213):ERROR:105: Unable to locate a modulefile for '$2'" >&2;; esac; return 0; }
export LOADEDMODULES=
"""
SILENT = """\
module() { case $1 in load) case $2 in good) export LOADEDMODULES=base:good/1.0;; esac;; is-loaded)
  case :$LOADEDMODULES: in *:$2/*) ;; *) return 1;; esac;; esac; return 0; }
export LOADEDMODULES=base
"""
ONLY_IS_LOADED = """\
module() { case $1 in load) [ "$2" != good ] || export IT=good; return 0;; is-loaded) [ "$2" = "$IT" ];; esac; }
"""
OTHER_LANGUAGE = """\
module() { case $2 in good) export LOADEDMODULES=base:good/1.0;; *) echo 'Lmod ha detectado un error' >&2;; esac
  return 0; }
export LOADEDMODULES=base
"""
NONE = "unset -f module\n"
MODULES = {"Lmod, status 1": LMOD % 1, "Lmod, status 0": LMOD % 0, "Environment Modules 3": ENVIRONMENT_MODULES_3,
           "silent": SILENT, "only is-loaded": ONLY_IS_LOADED, "another language": OTHER_LANGUAGE}  # fmt: skip


@pytest.mark.parametrize("kind", MODULES.values(), ids=MODULES.keys())
def test_a_missing_module_ends_the_job_and_is_named(tmp_path, kind):
    job = Job(tmp_path, Site(modules=["good", "nowhere/9.9"], setup=["echo went on"]), lines=kind)
    assert job.told is None
    assert "saih: module nowhere/9.9 cannot be loaded: " in job.said
    assert "module good cannot" not in job.said
    assert "went on" not in job.said
    assert (job.status, job.requeued) == (2, None)


@pytest.mark.parametrize("kind", MODULES.values(), ids=MODULES.keys())
def test_modules_that_are_there_are_loaded(tmp_path, kind):
    lines = ["export FROM_SITE=${LOADED_GOOD:-}${LOADEDMODULES:-}${IT:-}"]
    assert Job(tmp_path, Site(modules=["good"], setup=lines), lines=kind).told["site"]


def test_a_module_that_is_loaded_already_or_to_be_unloaded_is_none_that_is_missing(tmp_path):
    job = Job(tmp_path, Site(modules=["good", "good/1.0", "-other"]), lines=SILENT)
    assert job.told, job.said


def test_without_any_module_command_that_is_told(tmp_path):
    job = Job(tmp_path, Site(modules=["good"]), lines=NONE)
    assert job.told is None
    assert "module good cannot be loaded" in job.said
    assert "command not found" in job.said


HARM = ["$(touch harm)", "`touch harm`", "'; touch harm; '", '"; touch harm; "', "\ntouch harm\n", "a b", "é\x1b[2J"]
HARM += ["$((1+1))", "${HOME:=$(touch harm)}", "*", "!!", "\\"]


@pytest.mark.parametrize("harm", HARM)
def test_no_value_runs_and_every_value_arrives_whole(tmp_path, harm):
    made = {"config": Path(f"/c/{harm}.yaml"), "out": f"runs/{harm}"}
    job = Job(tmp_path, **made)
    assert not list(tmp_path.rglob("harm"))
    assert job.told["words"] == ["sweep", f"/c/{harm}.yaml", "--out", f"runs/{harm}"], job.said


def test_the_path_of_a_profile_is_one_line_of_comment():
    text = batch_script.script(
        batch_script.Job(Path("c.yaml"), "toy", "o", 1), Site(), Path("a\ntouch harm\n.yaml"), None
    )
    assert "touch harm" not in text.splitlines()
    assert printable("a\ntouch harm\n.yaml") in text


def test_variables_and_a_home_are_expanded_in_the_job_after_the_sites_lines(tmp_path):
    site = Site(setup=["export WORK='/w/a b'"])
    assert Job(tmp_path, site, out="$WORK/${WORK}x/toy").told["words"][-1] == "/w/a b//w/a bx/toy"
    assert Job(tmp_path, site, out="~/toy").told["words"][-1] == "/home/of/somebody/toy"
    assert Job(tmp_path, site, out="a~/~b").told["words"][-1] == "a~/~b"


def test_a_variable_that_is_not_set_ends_the_job_and_is_named(tmp_path):
    job = Job(tmp_path, out="$NOWHERE_SET/toy")
    assert job.told is None
    assert "NOWHERE_SET: is not set in this job" in job.said
    assert job.status != 0


@pytest.mark.parametrize("folder", ["$(touch X)", "a${B:-c}", "a\nb", "a\x1bb", "$1", "a$"])
def test_what_only_a_shell_could_mean_is_refused_when_it_is_submitted(saih, folder):
    saih.write("toy.yaml", toy_config())
    done = saih("submit", "toy.yaml", "--site", "example", "--dry-run", "--out", folder, status=2)
    assert done.stderr.startswith("saih: --out ")
    assert done.stderr.count("\n") == 1
    assert not (saih.folder / "X").exists()


@pytest.mark.parametrize(
    ("answer", "job"),
    [
        ("4711", "4711"),
        ("4711;cluster", "4711"),
        ("*** Welcome to 2024 ***\nproject 17 has 3 h left\n4711\nbye", "4711"),
        ("\n   4711  \n", "4711"),
        ("Submitted batch job 4711", "4711"),
        ("maintenance: 12 May\nSubmitted batch job 4711 on cluster west", "4711"),
        ("4711;west\nsee https://site/jobs/9", "4711"),
    ],
)
def test_the_jobs_number_is_found_among_banners(tmp_path, monkeypatch, answer, job):
    (tmp_path / "answer").write_text(answer)
    program(tmp_path / "bin", "sbatch", f"cat {tmp_path}/answer")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert slurm.submit("#!/bin/bash\n") == job


@pytest.mark.parametrize("answer", ["", "welcome", "job 4711 submitted", "-1", "4711.0"])
def test_an_answer_without_a_number_is_told(tmp_path, monkeypatch, answer):
    program(tmp_path / "bin", "sbatch", f"echo '{answer}'")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(InputError, match="sbatch took the job but names no number: it said "):
        slurm.submit("#!/bin/bash\n")
