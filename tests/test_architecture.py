"""The twelve rooms of jnst, and every import of it points down their list."""

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import jnst
from jnst.objective import style_losses
from jnst.settings import choices, style_loss_names

PACKAGE = Path(__file__).parent.parent / "jnst"

ROOMS = (
    *("cli", "sweeps", "video", "runs", "optimizers", "objective", "settings", "networks"),
    *("losses", "metrics", "images", "common"),
)


def imports(path):
    """Full names of all modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import"
            if node.module == "jnst":
                yield from (f"jnst.{alias.name}" for alias in node.names)
            else:
                yield node.module


def test_the_package_is_its_rooms():
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"} == {*ROOMS}
    files = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert files == {"__init__.py", "__init__.pyi", "__main__.py", "py.typed"}


def test_every_package_is_installed():
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())
    folders = (path.parent.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("__init__.py"))
    found = {".".join(folder.parts) for folder in folders}
    assert {*project["tool"]["setuptools"]["packages"]} == found | {"jnst.weights"}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_down(room):
    below = ROOMS[ROOMS.index(room) :]
    for path in (PACKAGE / room).rglob("*.py"):
        for name in imports(path):
            package, *rest = name.split(".")
            assert package != "jnst" or not rest or rest[0] in below, f"{path}: imports {name}"


def test_losses_import_nothing_else_of_jnst():
    for path in (PACKAGE / "losses").glob("*.py"):
        for name in imports(path):
            assert not name.startswith("jnst") or name.startswith("jnst.losses"), path.name


def test_what_is_written_again_to_do_without_jax_is_the_same():
    assert set(get_args(choices.Convention)) == set(get_args(jnst.losses.Convention))
    assert set(get_args(style_loss_names.BuiltIn)) == set(style_losses.STYLE_LOSSES)


def test_only_the_optimization_knows_optax():
    users = {path for path in PACKAGE.rglob("*.py") if "optax" in set(imports(path))}
    assert {path.relative_to(PACKAGE).parts[0] for path in users} == {"optimizers"}


def test_no_module_has_the_name_of_what_jnst_exports():
    exported = set(jnst.__all__) - {"losses", "metrics"}
    assert not exported & {*ROOMS, *(path.stem for path in PACKAGE.rglob("*.py"))}
    for name in jnst.__all__:
        assert getattr(jnst, name) is not None
    assert set(jnst.__all__) <= set(dir(jnst))
    with pytest.raises(AttributeError, match="module 'jnst' has no attribute 'stylise'"):
        jnst.stylise  # noqa: B018


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


def test_importing_jnst_does_not_import_jax():
    assert run_python("import jnst, sys; sys.exit('jax' in sys.modules)").returncode == 0


@pytest.mark.parametrize(
    "command", [["--help"], ["stylize", "--help"], ["presets"], ["show"], ["show", "--bibtex"]]
)
def test_commands_that_compute_nothing_do_not_import_jax(command, tmp_path):
    given = [*command]
    if command[0] == "show":
        given.append(str(tmp_path / "result.png"))
        network = dict.fromkeys(("load", "name", "digest"), "")
        recipe = json.dumps({"config": {}, "network": network})
        jnst.save_image(given[-1], np.zeros((2, 2, 3)), recipe=recipe)
    code = f"""
import sys
from jnst.cli.main import main
try:
    assert main({given!r}) == 0
except SystemExit as end:
    assert not end.code
sys.exit('jax' in sys.modules)
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "module", "said"),
    [
        ("stylize a b", "numpy", ["jnst: interrupted"]),
        ("stylize a b", "jax", ["jnst: interrupted before the first step"]),
        ("app", "jax", ["jnst: starting the app", "jnst: interrupted before the app had started"]),
    ],
)
def test_an_interrupt_while_it_is_imported_is_one_line(arguments, module, said):
    interrupt = f"""
import runpy, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "{module}":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv[1:] = {arguments.split()}
runpy.run_module("jnst", run_name="__main__")
"""
    done = run_python(interrupt)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.splitlines() == said
