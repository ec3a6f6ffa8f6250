import io
import os
import re
import shutil
import sys

import jnst
from jnst.cli import estimates, main
from jnst.common.progress import following


class Terminal(io.StringIO):
    def isatty(self):
        return True


def options(small, network_file, **changed):
    lists = {name: map(str, value) for name, value in small.items() if isinstance(value, tuple)}
    values = small | lists | changed
    flags = []
    for name, value in values.items():
        flags += [f"--{name.replace('_', '-')}", *(value if name in lists else [str(value)])]
    return [*flags, "--network", network_file]


def test_on_a_terminal(call, pictures, small, network_file, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    name = f"{'long-' * 20}[b].png"
    given = options(small, network_file, style_layers=("relu1_2",))  # compiled here alone
    assert call("stylize", *pictures, *given, "-o", name, quiet=False)[:2] == (0, [])
    shown = terminal.getvalue()
    assert "level 1 of 1, 32 px" in shown
    assert "compiling" in shown
    assert "step 6 of 6, loss " in shown
    assert f"wrote {name}, 6 of 6 steps, " in shown


def test_elsewhere_every_level_and_every_tenth_is_a_line(call, pictures, small, network_file):
    given = options(small, network_file, size=128, levels=2, steps=40)
    status, out, err = call("stylize", *pictures, *given, "-o", "a.png", quiet=False)
    assert (status, out) == (0, [])
    assert re.fullmatch(r"a.png: level 1 of 2, 64 px, 0 %, compiling for cpu, \d s", err[0])
    level = r"a.png: level 2 of 2, 128 px, \d+ %, "
    assert any(re.fullmatch(level + r"compiling, \d+ s", line) for line in err)
    step = level + r"step \d+ of 40, loss \S+, \S+ steps/s, \d+ s"
    assert re.fullmatch(step, err[-2])
    assert " 100 %, step 40 of 40, " in err[-2]
    assert re.fullmatch(r"wrote a.png, 40 of 40 steps, \d+ s on cpu", err[-1])
    assert 4 <= len(err) <= 2 * 11 + 1


def test_a_level_that_is_too_small_has_no_steps_to_wait_for(call, pictures, small, network_file):
    given = options({name: value for name, value in small.items() if name != "steps"}, network_file)
    levels = ["--levels", "2", "--level-steps", "9", "6"]
    status, _, err = call("stylize", *pictures, *given, *levels, "-o", "a.png", quiet=False)
    assert status == 0
    assert " 100 %, step 6 of 6, " in err[-2]
    assert re.fullmatch(r"wrote a.png, 6 of 6 steps, \d+ s on cpu", err[-1])


def test_lines_are_few(capsys):
    with following("a.png", quiet=False) as advance:
        for step in range(1001):
            advance(step / 1000, "level 1 of 1", f"step {step}")
    lines = capsys.readouterr().err.splitlines()
    assert [line.rpartition(", ")[0] for line in lines] == [
        f"a.png: level 1 of 1, {10 * tenth} %, step {100 * tenth}" for tenth in range(11)
    ]
    with following("a.png", quiet=True) as advance:
        advance(0, "level 1 of 1", "compiling")
    assert capsys.readouterr().err == ""


def test_many(call, pictures, small, network_file, tmp_path):
    content, style = pictures
    given = [*options(small, network_file)]
    _, _, err = call("batch", content, "--styles", style, style, *given, "-o", "o", quiet=False)
    assert err[0].startswith("o: 0 of 2 pictures begun, 0 %, compiling, ")
    assert err[-2].startswith("o: 2 of 2 pictures begun, 100 %, step 6 of 6, ")
    assert err[-1] == "wrote 2 of 2 pictures to o"
    os.mkdir("frames")
    for number in (1, 2):
        shutil.copy(content, f"frames/{number}.png")
    _, _, err = call("video", "frames", style, *given, "-o", "a.gif", quiet=False)
    assert [line.rpartition(", ")[0] for line in err] == [
        "a.gif: 0 of 2 frames, 0 %, compiling",
        "a.gif: 1 of 2 frames, 50 %, 6 steps",
        "a.gif: 2 of 2 frames, 100 %, 0 steps",
        "",
    ]
    assert err[-1] == "wrote 2 frames to a.gif"


def write_plan(path, pictures, small, network_file):
    settings = {name: value for name, value in small.items() if not isinstance(value, tuple)}
    lines = [
        f'contents = ["{pictures[0]}"]',
        f'styles = ["{pictures[1]}"]',
        f'networks = ["{network_file}"]',
        "[settings]",
        *(f"{name} = {value}" for name, value in settings.items()),
        'content_layers = ["relu2_1"]',
        'style_layers = ["relu1_1"]',
        "[grid]",
        "style_weight = [1, 2]",
    ]
    path.write_text("\n".join(lines))


def test_sweep(call, pictures, small, network_file, tmp_path):
    write_plan(tmp_path / "plan.toml", pictures, small, network_file)
    status, out, err = call("sweep", "plan.toml", "-o", "s", quiet=False)
    assert (status, out) == (0, []), err
    assert err[0].startswith("s: 2 points, 1 program to compile, about ")
    assert err[1].startswith("s: 0 of 2 points, 0 %, compiling, ")
    assert not any("step 0 of" in line for line in err)
    assert err[-2].startswith("s: 2 of 2 points, 100 %, ")
    assert err[-1].startswith("wrote s")
    assert len(jnst.read_sweep("s")) == 2


def test_an_estimate_comes_from_the_last_run_of_about_that_size(
    call, pictures, small, network_file, cache
):
    assert estimates.estimated_seconds("cpu", 64, 1000) is None
    estimates.keep_pace("cpu", 64, 1000, 30.0)
    estimates.keep_pace("cpu", 200, 1000, 90.0)
    assert estimates.estimated_seconds("cpu", 100, 500) == 15
    assert estimates.estimated_seconds("cpu", 130, 500) == 45
    assert estimates.estimated_seconds("cpu", 401, 500) is None
    assert estimates.estimated_seconds("gpu", 100, 500) is None
    (cache / "pace.json").write_text('[["cpu", 64, -1], ["cpu", 3]')
    assert estimates.estimated_seconds("cpu", 64, 1000) is None
    given = options(small, network_file, steps=9)
    for said in ("compiling for cpu, 0 s", r"compiling for cpu, then about \d+ s, 0 s"):
        _, _, err = call("stylize", *pictures, *given, "-o", "a.png", quiet=False)
        assert re.search(said, err[0])


def test_where_nothing_can_be_kept_nothing_is_said(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("JNST_CACHE", str(tmp_path / "file" / "cache"))
    estimates.keep_pace("cpu", 64, 1000, 30.0)
    assert estimates.estimated_seconds("cpu", 64, 1000) is None


def test_a_sweep_writes_whole_lines_where_nobody_reads_along(
    pictures, small, network_file, tmp_path, monkeypatch, capfdbinary
):
    """No carriage returns and nothing that steers a terminal, whatever the surroundings wish."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    write_plan(tmp_path / "plan.toml", pictures, small, network_file)
    assert main.main(["sweep", str(tmp_path / "plan.toml"), "-o", str(tmp_path / "s")]) == 0
    out, err = capfdbinary.readouterr()
    assert out == b"" and err.endswith(b"\n") and err.count(b"\n") >= 4
    assert b"\r" not in err and b"\x1b" not in err
