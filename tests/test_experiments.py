"""The experiments' plans can be swept; running them takes minutes."""

import importlib
import sys
import types
from pathlib import Path

import pytest

import jnst

FOLDER = Path(__file__).parent.parent / "experiments"


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("name", "points"), [("layers", 30), ("init", 21), ("networks", 12), ("styles", 12)]
)
def test_plans(tmp_path, monkeypatch, capsys, name, points, full):
    plans = []
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(jnst, "sweep", lambda plan, folder, progress: plans.append(plan))
    arguments = [name, "-o", str(tmp_path / "out"), *(["--full"] if full else [])]
    monkeypatch.setattr(sys, "argv", arguments)
    importlib.import_module(name).main()
    [plan] = plans
    assert len(list(jnst.read_plan(plan).points())) == points
    assert plan["settings"]["size"] == (512 if full else 128)
    for picture in (plan["contents"], *plan["styles"]):
        assert jnst.load_image(picture).ndim == 3
    for network in [plan["networks"]] if isinstance(plan["networks"], str) else plan["networks"]:
        assert jnst.load_network(network).params
    assert capsys.readouterr().out.splitlines()[-1].endswith("index.html")


def test_compare_networks(tmp_path, monkeypatch, capsys, network_file):
    monkeypatch.syspath_prepend(str(FOLDER))
    networks = [str(network_file), str(network_file)]
    arguments = ["compare_networks", "-o", str(tmp_path / "out"), "--networks", *networks]
    monkeypatch.setattr(sys, "argv", arguments)
    module = importlib.import_module("compare_networks")
    made = []

    def stylize(content, style, *, network, **settings):
        made.append((network.name, settings))
        return types.SimpleNamespace(image=content)

    monkeypatch.setattr(jnst, "stylize", stylize)
    module.main()
    [page] = map(Path, capsys.readouterr().out.split())
    assert made == [("random", {"config": jnst.Config(size=192, steps=60)})] * 2
    text = page.read_text()
    assert text.count("<img") == 5
    assert text.count("<tr><th>relu") == 6
