"""Every reader of weights on thousands of damaged files, in a process that a crash would end."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.fuzz import KINDS

COUNT = 2000
SECONDS = 300


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_end_in_an_error_or_a_network(kind, tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "support.fuzz", kind, tmp_path, str(COUNT)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=SECONDS,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    networks, errors, megabytes = map(int, run.stdout.split())
    assert networks + errors == COUNT
    assert networks
    assert errors > COUNT / 2
    assert megabytes < 1024
