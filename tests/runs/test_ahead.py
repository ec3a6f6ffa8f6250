"""Later levels are compiled in a thread while the first one is compiled and run."""

import threading

import jax
import numpy as np
import pytest

import jnst
from jnst.runs import ahead


@pytest.fixture
def compilations():
    """For each program of steps that is compiled, whether the main thread does it."""
    places = []

    def listen(event, _, **about):
        compiling = event == "/jax/core/compile/backend_compile_duration"
        if compiling and about.get("fun_name") == "jit(_run_chunk)":
            places.append(threading.current_thread() is threading.main_thread())

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield places
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.fixture
def two_levels(network, arrays, small):
    """Makes a picture of its own size at two levels, of which nothing is compiled."""
    jax.clear_caches()
    options = {**small, "network": network, "size": 136, "levels": 2}
    return lambda: jnst.stylize(*arrays, **options).image


@pytest.fixture
def slow(monkeypatch):
    """Every start is taken for one that compiles."""
    monkeypatch.setattr(ahead, "COLD", 0)


def test_a_program_is_compiled_once(two_levels, compilations, slow):
    first = two_levels()
    assert sorted(compilations) == [False, True]
    np.testing.assert_array_equal(two_levels(), first)
    assert len(compilations) == 2


def test_a_level_that_begins_soon_starts_nothing(two_levels, monkeypatch):
    calls = []
    monkeypatch.setattr(ahead, "COLD", 600)
    monkeypatch.setattr(ahead, "compile_level", lambda *given: calls.append(given))
    two_levels()
    assert calls == []


def test_without_steps_nothing_is_compiled(network, arrays, small, compilations, slow):
    jax.clear_caches()
    jnst.stylize(*arrays, **{**small, "network": network, "size": 136, "levels": 2, "steps": 0})
    assert compilations == []


def test_where_no_thread_can_start_the_run_compiles(two_levels, compilations, slow, monkeypatch):
    def refuse(*_):
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr(ahead.concurrent.futures.ThreadPoolExecutor, "submit", refuse)
    two_levels()
    assert compilations == [True] * 2


def test_what_fails_in_the_thread_is_done_by_the_run(two_levels, compilations, slow, monkeypatch):
    def fail(*_):
        raise RuntimeError("of the thread")

    expected = two_levels()
    jax.clear_caches()
    compilations.clear()
    monkeypatch.setattr(ahead, "compile_level", fail)
    np.testing.assert_array_equal(two_levels(), expected)
    assert compilations == [True] * 2


def test_a_run_that_is_ended_waits_for_nothing(network, arrays, small, slow, monkeypatch):
    running, end = threading.Event(), threading.Event()

    def block(*_):
        running.set()
        end.wait(60)

    monkeypatch.setattr(ahead, "compile_level", block)
    options = {**small, "network": network, "size": 136, "levels": 2}
    steps = jnst.stylize_steps(*arrays, **options)
    ending = threading.Thread(target=lambda: (next(steps), next(steps), steps.close()))
    ending.start()
    assert running.wait(60)
    ending.join(50)
    ended = not ending.is_alive()
    end.set()
    assert ended
