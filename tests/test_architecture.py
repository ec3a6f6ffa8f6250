"""The house as DESIGN draws it: every import of jnst points down one list."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import jnst
from jnst import choices, registry, style_losses

PACKAGE = Path(__file__).parent.parent / "jnst"

LEVELS = (
    ("cli",),
    ("cli_run", "cli_many", "cli_sweep", "cli_video", "cli_app"),
    ("app", "app_preview"),
    ("app_controls", "app_events"),
    ("app_settings", "app_view"),
    ("app_run",),
    ("estimates",),
    ("cli_options",),
    ("cli_network", "demo"),
    ("cli_parser",),
    ("cli_common",),
    ("video_files",),
    ("video",),
    ("gif_files", "frames"),
    ("movie_files",),
    ("durations", "ffmpeg"),
    ("sweep_runner",),
    ("sweep_points", "checkpoint", "report", "pace"),
    ("batch", "plan"),
    ("batching",),
    ("stylization",),
    ("task",),
    ("footprint",),
    ("pyramid", "start", "record", "recipe"),
    ("loop",),
    ("optimize",),
    ("lbfgs",),
    ("objective", "keywords"),
    ("targets",),
    ("normalize",),
    ("networks",),
    ("canonical",),
    ("formats",),
    ("downloads", "containers"),
    ("manifest",),
    ("connections", "conventions"),
    ("matlab_files", "torch_files"),
    ("state_pickle",),
    ("presets", "masks"),
    ("config", "extra_terms"),
    ("settings", "terms"),
    ("regions", "style_losses"),
    ("losses", "registry"),
    ("cost", "sweep_folder"),
    ("vgg",),
    ("convolution", "winograd", "feature_network"),
    ("layers", "sheet"),
    ("sources", "transparency"),
    ("images", "color", "encoding", "progress"),
    ("decoding",),
    ("tiff_files", "console"),
    ("image_files", "jpeg_files", "png_files", "profiles"),
    ("samples", "quiet"),
    ("notebook",),
    ("pixels", "resizing"),
    ("array_files", "picture_names"),
    ("atomic", "brief", "checks", "choices", "data", "documents", "errors", "flow", "memory"),
    ("app_server", "heap", "margin", "outputs", "programs", "spectrum", "version"),
)
DEPTH = {module: depth for depth, level in enumerate(LEVELS) for module in level}


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


def test_every_module_has_its_place():
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert modules | {"losses"} == set(DEPTH)


@pytest.mark.parametrize("module", DEPTH)
def test_imports_point_down(module):
    if module == "losses":  # a package: see below
        return
    for name in imports(PACKAGE / f"{module}.py"):
        if name.startswith("jnst."):
            assert DEPTH[name.split(".")[1]] > DEPTH[module], f"{module} imports {name}"


def test_losses_import_nothing_else_of_jnst():
    for path in (PACKAGE / "losses").glob("*.py"):
        for name in imports(path):
            assert not name.startswith("jnst") or name.startswith("jnst.losses"), path.name


def test_what_is_written_again_to_do_without_jax_is_the_same():
    assert set(get_args(choices.Convention)) == set(get_args(jnst.losses.Convention))
    assert set(get_args(registry.BuiltIn)) == set(style_losses.STYLE_LOSSES)


def test_only_the_optimisation_knows_optax():
    users = {path.stem for path in PACKAGE.glob("*.py") if "optax" in set(imports(path))}
    assert users == {"optimize", "loop", "lbfgs"}


def test_no_module_has_the_name_of_what_jnst_exports():
    """It would stand in its place as soon as it is imported."""
    exported = set(jnst.__all__) - {"losses"}
    assert not exported & set(DEPTH)
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


@pytest.mark.parametrize("command", [["--help"], ["stylize", "--help"], ["presets"], ["show"]])
def test_commands_that_compute_nothing_do_not_import_jax(command, tmp_path):
    given = [*command]
    if command == ["show"]:
        given.append(str(tmp_path / "result.png"))
        network = dict.fromkeys(("load", "name", "digest"), "")
        recipe = json.dumps({"config": {}, "network": network})
        jnst.save_image(given[-1], np.zeros((2, 2, 3)), recipe=recipe)
    code = f"""
import sys
from jnst.cli import main
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
