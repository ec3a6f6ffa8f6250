import ctypes
import os
import platform
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from jnst.common import programs
from jnst.common.heap import return_freed_memory, use_one_arena
from jnst.common.programs import kept_programs


@pytest.fixture(autouse=True)
def no_folder_of_the_user_s(monkeypatch):
    """What `compiled` set is taken back: programs are kept where a test says."""
    before = jax.config.jax_compilation_cache_dir
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.reset_cache()
    yield
    jax.config.update("jax_compilation_cache_dir", before)
    compilation_cache.reset_cache()


@pytest.fixture
def events():
    """What JAX says of its cache, by the last part of the event's name."""
    names = []

    def listen(event, **_):
        if event.startswith("/jax/compilation_cache/cache_"):
            names.append(event.rpartition("/")[2])

    jax.monitoring.register_event_listener(listen)
    yield names
    jax.monitoring.unregister_event_listener(listen)


def compile_anew(factor=3):
    """A program that JAX has not in memory, but that is the same each time."""

    def program(x):
        return jnp.tanh(x) * factor

    return float(jax.jit(program)(1.0))


def test_a_program_is_compiled_once(tmp_path, events):
    with kept_programs(tmp_path / "programs"):
        first = compile_anew()
        assert events == ["cache_misses"]
        assert compile_anew() == first
        assert events == ["cache_misses", "cache_hits"]
    compile_anew()
    assert len(events) == 2  # outside nothing is kept


def test_damaged_files_and_folders_cost_only_time(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with kept_programs(tmp_path / "programs"):
            first = compile_anew()
        for path in (tmp_path / "programs").glob("*-cache"):
            path.write_bytes(b"no program")
        with kept_programs(tmp_path / "programs"):
            assert compile_anew() == first
        (tmp_path / "file").touch()
        with kept_programs(tmp_path / "file"):
            assert compile_anew() == first


def test_a_folder_of_the_user_is_used_instead(tmp_path, events):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "theirs"))
    try:
        with kept_programs(tmp_path / "ours"):
            assert jax.config.jax_compilation_cache_dir == str(tmp_path / "theirs")
    finally:
        jax.config.update("jax_compilation_cache_dir", None)
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize("command", ["stylize", "texture", "reconstruct", "demo", "batch", "sweep"])
def test_the_command_keeps_programs_unless_told_otherwise(call, cache, monkeypatch, command):
    """The pictures are missing: it is told before anything is compiled."""
    folders = []

    class Kept:
        def __init__(self, folder):
            folders.append(folder)

        def __enter__(self):
            raise ValueError("enough")

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(programs, "kept_programs", Kept)
    arguments = {
        "stylize": ["a.png", "b.png"],
        "texture": ["a.png"],
        "reconstruct": ["a.png"],
        "demo": [],
        "batch": ["a.png", "--styles", "b.png", "-o", "out"],
        "sweep": ["plan.toml", "-o", "out"],
    }[command]
    assert call(command, *arguments) == (2, [], ["jnst: enough"])
    assert folders == [cache / "programs"]
    if command != "demo":
        status, _, [message] = call(command, *arguments, "--no-compilation-cache")
        assert status == 2 and "no such file" in message.lower()
    assert len(folders) == 1


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="for glibc")
def test_freed_memory_goes_back_to_the_system():
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    pieces = [np.ones(2**14, np.uint8) for _ in range(2**13)]
    last = pieces.pop()  # behind it nothing can be given back by itself
    del pieces
    before = resident()
    return_freed_memory()
    assert before - resident() > 2**26
    assert last.all()


@pytest.mark.parametrize("one", [True, False])
def test_one_arena_for_all_threads(one):
    lines = [
        "import ctypes, threading",
        "from jnst.common.heap import use_one_arena",
        "use_one_arena()" if one else "",
        "barrier = threading.Barrier(4)",
        "def allocate():",
        "    pieces = [bytes(2000) for _ in range(1000)]",
        "    barrier.wait()",
        "threads = [threading.Thread(target=allocate) for _ in range(4)]",
        "for each in threads: each.start()",
        "for each in threads: each.join()",
        "ctypes.CDLL(None).malloc_stats()",
    ]
    printed = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    ).stderr
    assert (printed.count("Arena ") == 1) is one


@pytest.mark.parametrize("failure", [AttributeError, OSError, TypeError])
def test_another_c_library_is_let_be(monkeypatch, failure):
    def missing(name):
        raise failure

    monkeypatch.setattr(ctypes, "CDLL", missing)
    return_freed_memory()
    use_one_arena()
