"""On a real GPU: TF32 in fp32's place is seen in what it does, and the GPU's settings are read."""

import json
import os
import subprocess
import sys

import pytest

from saih.metrics.soundness import FP32_ERROR, reduced_precision
from saih.worker import host_settings, libraries

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

CODE = """
import json, torch
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = {allowed}
from saih.worker.arithmetic import errors
print(json.dumps(errors("cuda:0")))
"""


def errors(allowed=False, **environment):
    command = [sys.executable, "-c", CODE.format(allowed=allowed)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_fp32_is_fp32():
    assert max(errors().values()) < FP32_ERROR / 8


@pytest.mark.parametrize(
    ("switch", "least"),
    [({"allowed": True}, min), ({"NVIDIA_TF32_OVERRIDE": "1"}, max)],  # cuDNN does not obey the override at 1
)
def test_tf32_is_seen_by_whatever_switch(switch, least):
    if torch.cuda.get_device_capability() < (8, 0):
        pytest.skip("this GPU has no TF32")
    found = errors(**switch)
    assert least(found.values()) > FP32_ERROR
    assert max(found.values()) < 2.0**-9
    assert reduced_precision({"arithmetic": found}, "fp32")


def test_settings_and_versions_are_read():
    from saih.telemetry.gpu import of_torch

    gpu = of_torch("cuda:0")
    settings = host_settings.of_gpu(gpu)
    gpu.close()
    assert settings["mig"] in ("on", "off")
    assert settings["compute_mode"] in host_settings.COMPUTE_MODES
    assert settings["power_limit_w"] > 0
    assert settings["application_clock_mhz"] > 100
    torch.ones(8, 8, device="cuda") @ torch.ones(8, 8, device="cuda")  # loads cuBLAS
    assert libraries.versions(True)["cublas"].count(".") == 2
