"""What the docs show is what works: their code is taken out of them and run."""

import json
import re

import pytest
import yaml

from saih import config
from tests.conftest import ROOT


def blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / name).read_text(), re.DOTALL)


@pytest.mark.mpi
def test_the_application_of_the_docs_can_be_swept(saih):
    (saih.folder / "my_product.py").write_text("\n".join(blocks("adding-an-app.md", "python")))
    (text,) = blocks("adding-an-app.md", "yaml")
    shorter = yaml.safe_load(text) | {"measure": {"max_s": 0.5}, "launch": {"device": "cpu"}}
    shorter["size"]["n"], shorter["run"]["ranks"] = [32], [2]
    saih.write("product.yaml", shorter)
    saih.env["PYTHONPATH"] = "."
    out = saih("sweep", "product.yaml").stdout
    assert len(re.findall(r"FOM n32-ranks2-\w+ samples_per_s=", out)) == 1
    (path,) = (saih.folder / "runs" / "product" / "points").glob("*.json")
    profile = json.loads(path.read_text())["samples"]["profile"]
    (layer,) = profile["layers"]
    assert (layer["name"], layer["forward_flop"]) == ("product", 2 * 32**3)
    assert 0 < layer["forward_s"] < 1.01 * profile["phases"]["forward"]
    assert layer["alone_forward_s"] > 0


def test_the_docs_show_every_key_of_the_configuration_with_its_default():
    text, growing = blocks("configuration.md", "yaml")
    shown = config.parse(text)
    told = yaml.safe_load(text)
    for section, model in shown:
        if hasattr(model, "model_fields_set"):
            assert set(told[section]) == set(type(model).model_fields), section
    assert shown.limits == config.Limits()
    assert shown.launch == config.Launch()
    assert shown.measure == config.Measure()
    grow = yaml.safe_load(growing)["sweep"]["grow"]
    assert set(grow) == set(config.Grow.model_fields)
    assert config.Grow(**grow) == config.Grow(along={"width": 2})


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_the_configurations_that_come_along_are_legal(path):
    from saih.cli import plan

    assert plan.rows(*plan.read(path))
