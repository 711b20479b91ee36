import json
import os
import socket
from dataclasses import replace

import pytest
import yaml

from saih import config
from saih.common.holder import mine
from saih.errors import InputError
from saih.measure.blocks import METHOD_VERSION
from saih.records.run_folder import Folder
from tests.conftest import toy_config
from tests.holders import of_a_dead_process

MACHINE = {"device": "CPU", "device_kind": "cpu", "devices": 2, "cores": 2, "architecture": "x86_64", "memory_bytes": 1}
SOFTWARE = {"torch": "2.13.0", "cuda": None, "cudnn": None, "driver": None, "mpi": "MPICH", "python": "3.11"}
DESCRIBED = {"machine": MACHINE, "software": SOFTWARE}


def parse(**changes):
    return config.parse(yaml.safe_dump(toy_config(**changes)))


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path / "run")
    made.write_config(parse())
    made.write_system({"app_version": "1", "method_version": METHOD_VERSION, "cores_per_rank": 1, **DESCRIBED})
    return made


def test_points_and_time_may_be_added(folder):
    folder.check_method(parse(size={"n": [8, 16, 32]}, measure={"target_percent": 50, "max_s": 9}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"measure": {"target_percent": 2, "max_s": 0.5}},
            "measure.target_percent = 50.0, but the configuration says 2",
        ),
        ({"name": "other"}, "name = toy, but the configuration says other"),
        ({"launch": {"device": "cuda"}}, "launch.device = cpu, but the configuration says cuda"),
        ({"limits": {"memory_gib": 2}}, "limits.memory_gib = None, but the configuration says 2"),
    ],
)
def test_another_method_is_refused_and_told(folder, changes, says):
    with pytest.raises(InputError) as caught:
        folder.check_method(parse(**changes))
    assert says in str(caught.value)
    assert "--fresh" in str(caught.value)


def test_another_method_version_is_refused(folder):
    folder.write_system({"app_version": "1", "method_version": 0, "cores_per_rank": 1, **DESCRIBED})
    with pytest.raises(InputError, match="method version 0"):
        folder.check_method(parse())


def test_a_run_that_was_refused_at_its_start_leaves_a_folder_to_begin_in(tmp_path):
    (tmp_path / "logs").mkdir()
    Folder(tmp_path).check_method(parse())


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="neither empty nor the folder of a run"):
        Folder(tmp_path).check_method(parse())


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("machine", "device", "GPU"), ("machine", "cores", 4), ("software", "torch", "2.12.0"), ("software", "mpi", "x")],
)
def test_another_machine_is_refused(folder, section, key, value):
    folder.check_machine(DESCRIBED, "1", 1)
    with pytest.raises(InputError, match=f"{section}.{key} = .*this one has {value}"):
        folder.check_machine(DESCRIBED | {section: DESCRIBED[section] | {key: value}}, "1", 1)


def test_more_memory_or_another_python_is_the_same_machine(folder):
    changed = {"machine": MACHINE | {"memory_bytes": 2}, "software": SOFTWARE | {"python": "3.12"}}
    folder.check_machine(changed, "1", 1)


def test_another_application_version_is_refused(folder):
    with pytest.raises(InputError, match="application version 1"):
        folder.check_machine(DESCRIBED, "2", 1)


def test_another_share_of_the_cores_is_another_device(folder):
    with pytest.raises(InputError, match=r"measured with 1 cores a rank, but now it is 2 \(launch.cores_per_rank"):
        folder.check_machine(DESCRIBED, "1", 2)


def test_a_second_driver_is_refused_and_told_who_is_first(folder):
    says = f"process {os.getpid()} on {socket.gethostname()}"
    with folder.lock(), pytest.raises(InputError, match=says), folder.lock():
        pass
    with folder.lock():  # given back
        pass
    assert not list(folder.path.glob("lock*"))


def test_a_dead_drivers_lock_is_taken_over(folder):
    (folder.path / "lock").write_bytes(of_a_dead_process().to_bytes())
    with folder.lock():
        assert json.loads((folder.path / "lock").read_text())["pid"] == os.getpid()
    assert not list(folder.path.glob("lock*"))


def test_a_lock_of_another_machine_stands_and_says_how_to_decide(folder):
    elsewhere = replace(mine(), host="elsewhere", boot="another", pid=12)
    (folder.path / "lock").write_bytes(elsewhere.to_bytes())
    with pytest.raises(InputError) as raised, folder.lock():
        pass
    assert "a sweep may be at work here (process 12 on elsewhere" in str(raised.value)
    assert f"(ps -fp 12), and if it is gone, delete {folder.path}/lock" in str(raised.value)


def test_a_run_at_work_is_not_moved_aside(folder):
    with folder.lock(), pytest.raises(InputError, match="a sweep is at work here"):
        folder.move_aside()
    assert folder.move_aside()


def test_what_a_killed_driver_left_half_written_is_no_foreign_file(tmp_path):
    (tmp_path / ".config.yaml.0123.tmp").touch()
    Folder(tmp_path).check_method(parse())


def test_moving_aside_keeps_everything(folder):
    before = (folder.path / "config.yaml").read_text()
    aside = folder.move_aside()
    assert not folder.path.exists()
    assert (aside / "config.yaml").read_text() == before
    assert not (aside / "lock").exists()
    assert folder.move_aside() is None
