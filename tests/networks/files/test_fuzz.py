"""Every reader of weights on damaged files, in a process that a crash would end."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.fuzz import KINDS

SECONDS = 300


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_end_in_an_error_or_a_network(kind, count, tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "support.fuzz", kind, tmp_path, str(count)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=SECONDS,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    networks, errors, megabytes = map(int, run.stdout.split())
    assert networks + errors == count
    assert networks
    assert errors > count / 2
    assert megabytes < 1024
