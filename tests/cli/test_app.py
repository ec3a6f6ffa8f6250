"""The app: its settings, its line of runs, its command, and its page in a browser."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.support.ui import WebDriverWait

import jnst
from jnst.cli import main
from jnst.cli.app import runs
from jnst.cli.app.preview import Preview
from jnst.cli.app.runs import Studio
from jnst.cli.app.settings import (
    COLORS,
    CONTROLS,
    DEFAULT,
    STARTS,
    as_command,
    as_python,
    beyond_controls,
    config_of_controls,
    config_of_recipe,
    controls_of,
    with_network,
)
from jnst.cli.options import config_of
from jnst.images.drawings import draw_landscape, draw_painting
from jnst.settings.choices import Color
from jnst.settings.config import Config
from jnst.settings.fields import INITS
from support.browser import screen

NO_GRADIO = ["jnst: the app needs Gradio: pip install 'jnst[app]'"]


# Settings


def changed(**settings):
    values = dict(zip(CONTROLS, controls_of(DEFAULT), strict=True)) | settings
    return tuple(values.values())


def test_the_controls_are_the_defaults_and_back():
    assert config_of_controls(DEFAULT, controls_of(DEFAULT)) == DEFAULT
    config = config_of_controls(DEFAULT, changed(size=96, init="noise", seed=7))
    assert config == Config(size=96, init="noise", seed=7)
    assert config_of_controls(config, changed()) == Config(init="content")


def test_every_choice_has_its_words():
    assert set(COLORS) == set(Color.__args__)
    assert set(STARTS) == set(INITS)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": None}, "size is empty; a value such as 512 is needed"),
        ({"size": 0}, "size is 0; "),
        ({"color": "mauve"}, "color is 'mauve'; "),
    ],
)
def test_controls_that_are_not_accepted(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        config_of_controls(DEFAULT, changed(**given))


def test_a_recipe_keeps_what_has_no_control():
    config = Config(size=96, style_layers=("relu1_1", "relu2_1"), normalize_gradients=False)
    base = config_of_recipe({"config": json.loads(json.dumps(config.plain()))})
    assert base == config
    assert beyond_controls(base, "embedded") == {"style_layers": ("relu1_1", "relu2_1")}
    again = config_of_controls(base, changed(size=64))
    assert again == config.replace(size=64)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"config": {"optimizer": "own"}}, "made in Python with its own optimizer"),
        ({"config": {}, "extra_terms": {"mine": 1}}, "made in Python with its own mine"),
        ({"config": {"init": "/etc/passwd"}}, "starts from the file /etc/passwd"),
    ],
)
def test_a_recipe_that_the_app_cannot_follow(recipe, message):
    with pytest.raises(ValueError, match=message):
        config_of_recipe(recipe)


def test_another_network_brings_its_settings_but_for_what_was_changed():
    trained = jnst.preset("trained")
    base, values = with_network(DEFAULT, "hed", changed(seed=7))
    assert base == trained
    assert config_of_controls(base, values) == trained.replace(seed=7)
    assert beyond_controls(base, "hed") == {}
    assert with_network(base, "embedded", values) == (DEFAULT, [*changed(seed=7)])
    recipe = Config(style_layers=("relu1_1",))
    assert with_network(recipe, "hed", changed(size=96)) == (recipe, [*changed(size=96)])


CONFIGS = [
    DEFAULT,
    jnst.preset("trained", size=96),
    Config(size=96, style_weight=0.3, tv_weight=0.123456789, init="noise", seed=3),
    Config(
        style_layers=("relu1_1", "relu2_1"),
        style_layer_weights=(1.0, 2.5),
        optimizer="adam",
        learning_rate=0.05,
        normalize_gradients=True,
        style_weight=1e9,
    ),
]


@pytest.mark.parametrize("config", CONFIGS, ids=range(len(CONFIGS)))
def test_command_and_python_say_the_same(config, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    given = "my photo.jpg", "b.jpg", "imagenet", config, "my photo-b.png"
    program, *words = shlex.split(as_command(*given))
    assert program == "jnst"
    options = main._parser().parse_args(words)
    assert config_of(options, {}) == config
    assert (options.content, options.style) == (Path("my photo.jpg"), [Path("b.jpg")])
    assert (options.network, options.output) == ("imagenet", Path("my photo-b.png"))

    calls = []

    class Result:
        save = calls.append

    def stylize(*pictures, network, **settings):
        assert (pictures, network) == (given[:2], "imagenet")
        calls.append(jnst.preset("trained", **settings))
        return Result

    monkeypatch.setattr(jnst, "stylize", stylize)
    exec(as_python(*given))
    assert calls == [config, "my photo-b.png"]


# Runs


@pytest.fixture
def studio(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "BETWEEN", 0)
    folder = tmp_path / "studio"
    folder.mkdir()
    return Studio(folder)


@pytest.fixture
def run(studio, pictures, small, network_file):
    """The views of a window's run of the small pictures."""

    def views(window="a", *, given=pictures, **settings):
        return studio.run(window, *given, str(network_file), Config(**small | settings))

    return views


def test_a_run_ends_with_a_file_that_the_command_would_write(run, pictures, small, network_file):
    *before, last = run(steps=11)
    assert [view.running for view in before] == [True] * len(before)
    shares = [view.share for view in before]
    assert shares == sorted(shares) and {view.result.steps for view in before[1:]} == {0, 5, 10, 11}
    assert "step 10 of 11, loss" in before[-2].line and "left" in before[-2].line
    assert not last.running and not last.failed and last.line.startswith("done: 11 steps")
    assert last.file.name == "content-style.png"
    jnst.stylize(*pictures, network=network_file, **small | {"steps": 11}).save("own.png")
    assert last.file.read_bytes() == Path("own.png").read_bytes()
    Path("own.png").unlink()


def test_a_level_that_is_too_small_is_not_waited_for(run):
    *_, last = run(steps=15, levels=2, level_steps=(9, 6))
    assert last.line.startswith("done: 6 steps") and last.share == 1
    preview = Preview("a.png")
    preview.show(last.result)
    preview.end()
    assert next(preview.views()).line == "the run has ended at step 6 of 6"


def test_stop_keeps_the_last_picture(run, studio):
    views = run(steps=1000)
    while not (view := next(views)).result or view.result.steps < 10:
        pass
    studio.stop("b")  # another window's
    assert next(views).running
    studio.stop("a")
    last = list(views)[-1]
    assert last.line.startswith(f"stopped: step {last.result.steps} of 1000")
    assert jnst.load_recipe(last.file)["steps"] == last.result.steps >= 10


def test_who_waits_is_told_so_and_has_the_next_turn(run, studio):
    first, second, third = run("a"), run("b", steps=0), run("c")
    next(first)
    assert next(second).line == "waiting: 1 picture of other windows before this"
    assert next(third).line == "waiting: 2 pictures of other windows before this"
    studio.stop("c")
    assert [view.line for view in third] == ["stopped before it began"]
    assert list(first)[-1].file
    ended = list(second)[-1]
    assert ended.file and ended.line.startswith("done: 0 steps")


def test_a_window_that_was_closed_makes_room(run):
    first, second = run("a"), run("b")
    next(first), next(second)
    first.close()
    assert list(second)[-1].file


def test_a_file_that_is_no_picture_is_one_sentence(run, pictures, tmp_path):
    text = tmp_path / "letter.png"
    text.write_text("Dear")
    last = list(run(given=(text, pictures[1])))[-1]
    assert last.failed and not last.running and last.file is None
    assert last.line.startswith("letter.png: ") and "\n" not in last.line
    assert str(tmp_path) not in last.line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "not enough memory; a smaller size needs less"),
        (RuntimeError("RESOURCE_EXHAUSTED: 9 GB"), "not enough memory; a smaller size needs less"),
        (KeyError("x"), "this should not have happened (KeyError); the terminal has more"),
        (FileNotFoundError(2, "No such file or directory", "a"), "a: no such file or directory"),
    ],
)
def test_what_goes_wrong_is_one_sentence(run, monkeypatch, capsys, error, line):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(runs, "stylize_steps", fails)
    last = list(run())[-1]
    assert (last.line, last.failed, last.file) == (line, True, None)
    assert ("Traceback" in capsys.readouterr().err) == isinstance(error, KeyError)
    monkeypatch.undo()
    assert list(run())[-1].file


def test_a_run_that_fails_on_its_way_keeps_its_picture(run, monkeypatch):
    original = runs.stylize_steps

    def fails(*given, **options):
        yield from original(*given, **options)
        raise MemoryError

    monkeypatch.setattr(runs, "stylize_steps", fails)
    last = list(run())[-1]
    assert last.failed and jnst.load_recipe(last.file)["steps"] == 6
    line = "not enough memory; a smaller size needs less; the picture is that of step 6"
    assert last.line == line


# The command


@pytest.mark.parametrize("arguments", [["app"], ["stylize", "a.png", "b.png", "--preview"]])
def test_without_gradio_it_is_one_line(call, monkeypatch, arguments):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert call(*arguments) == (2, [], NO_GRADIO)


@pytest.mark.parametrize("port", ["0", "65536", "seven"])
def test_ports_that_are_none(call, port):
    status, out, [line] = call("app", "--port", port)
    assert (status, out) == (2, [])
    assert f"'{port}' is not a port; 1 to 65535 is accepted" in line


@pytest.mark.parametrize("command", [["--help"], ["app", "--help"], ["stylize", "--help"]])
def test_help_imports_neither_jax_nor_gradio_nor_tifffile(command):
    code = f"""
import sys
from jnst.cli.main import main
try:
    main({command!r})
except SystemExit:
    pass
sys.exit(bool({{"jax", "gradio", "tifffile"}} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


# The page

COMMAND = """
import sys
def foreign(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        if arguments[1][0] not in ("127.0.0.1", "::1"):
            print("FOREIGN", arguments[1], file=sys.stderr, flush=True)
    if event == "socket.getaddrinfo" and arguments[0] not in ("127.0.0.1", "localhost", None):
        print("FOREIGN", arguments[0], file=sys.stderr, flush=True)
sys.addaudithook(foreign)
from jnst.__main__ import script
sys.argv = ["jnst", *sys.argv[1:]]
script()
"""


@contextlib.contextmanager
def command(cache, *arguments):
    """The address of the page that a command has, and its process; compiled programs are shared."""
    folder = cache.parent
    environment = {**os.environ, "JNST_CACHE": str(cache), "TMPDIR": str(folder)}
    before = set(folder.glob("jnst-app-*"))
    environment.pop("DISPLAY", None)
    environment |= {"http_proxy": "http://192.0.2.1:9", "HTTP_PROXY": "http://192.0.2.1:9"}
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    )
    try:
        lines = [process.stderr.readline()]
        while not (address := re.search(r"http://\S+", lines[-1])):
            assert lines[-1], lines
            lines.append(process.stderr.readline())
        yield address[0], process
    finally:
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        process.wait(30)
    assert "FOREIGN" not in rest and "Traceback" not in rest, rest
    assert set(folder.glob("jnst-app-*")) == before, "the folder goes with the app"


@pytest.fixture(scope="module")
def app_cache(tmp_path_factory):
    pytest.importorskip("gradio")
    return tmp_path_factory.mktemp("app") / "cache"


@pytest.fixture(scope="module")
def app(app_cache):
    with command(app_cache, "app", "--no-browser") as (address, _):
        yield address


@pytest.fixture
def browser(chromium, app, tmp_path):
    """The browser; at the end: nothing was asked of anybody but this machine."""
    screen(chromium, 1280, 900)
    chromium.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    chromium.get("about:blank")
    chromium.get_log("performance")
    yield chromium
    messages = [json.loads(each["message"])["message"] for each in chromium.get_log("performance")]
    asked = {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    own = (app, "http://127.0.0.1:", "data:", "blob:", "about:", "chrome")
    assert asked and not [url for url in asked if not url.startswith(own)]
    chromium.get("about:blank")


class Window:
    """A window of the app."""

    def __init__(self, browser, address):
        self.browser = browser
        self.handle = browser.current_window_handle
        browser.get(address)
        self.until(lambda: self.one("#stylize"))

    def until(self, condition, seconds=120):
        self.browser.switch_to.window(self.handle)
        ignored = (Exception,)
        wait = WebDriverWait(self.browser, seconds, 0.05, ignored_exceptions=ignored)
        return wait.until(lambda _: condition())

    def one(self, selector):
        self.browser.switch_to.window(self.handle)
        return self.browser.find_element("css selector", selector)

    def give(self, name, path):
        self.one(f"#{name} input[type=file]").send_keys(str(path))
        self.until(lambda: self.one(f"#{name} img"))

    def put(self, name, value):
        field = self.one(f"#{name} input")
        field.clear()
        field.send_keys(f"{value}\t")

    def open(self, name):
        self.one(f"#{name} button").click()

    def line(self):
        return self.one("#view p").text

    def picture(self):
        return self.one("#view img").get_attribute("src")


@pytest.fixture
def files(tmp_path):
    """A photo and a painting, and a painting that is red."""
    red = np.zeros((48, 64, 3), np.float32)
    red[..., 0] = np.random.default_rng(0).random((48, 64))
    for name, image in (("a", draw_landscape()), ("b", draw_painting()), ("red", red)):
        jnst.save_image(tmp_path / f"{name}.png", image)
    return tmp_path


def downloaded(folder, name):
    for _ in range(200):
        if (folder / name).exists():
            return folder / name
        time.sleep(0.05)
    raise AssertionError(f"{name} was not downloaded")


def test_a_run_from_upload_to_download(browser, app, files, call):
    window = Window(browser, app)
    window.one("#stylize").click()
    window.until(lambda: "a photo and a painting are needed" in window.one("#notice p").text)
    (files / "letter.png").write_text("Dear")
    window.one("#content input[type=file]").send_keys(str(files / "letter.png"))
    window.until(lambda: window.one("#notice p").text.startswith("letter.png: "))
    window.give("content", files / "a.png")
    window.give("style", files / "b.png")
    window.put("size", 96)
    window.open("more")
    window.until(lambda: window.one("#steps input").is_displayed())
    window.put("steps", 5000)
    window.one("#stylize").click()
    lines, pictures = [], []
    while len(set(lines)) < 3:
        window.until(lambda: "loss" in window.line() and window.line() not in lines)
        lines.append(window.line())
        pictures.append(window.picture())
    assert len(set(pictures)) == 3, "the picture grows"
    assert re.search(r"step \d+ of 5000, loss [\d.]+", lines[-1]) and lines[-1].endswith("left")
    window.one("#stop").click()
    window.until(lambda: window.line().startswith("stopped: step "))
    steps = int(window.line().split()[2])
    window.until(lambda: len(window.browser.find_elements("css selector", "#slider img")) == 2)
    assert not window.browser.find_elements("css selector", "#view img")
    assert "jnst stylize a.png b.png --size 96 --steps 5000" in window.one("#command").text
    assert "size=96" in window.one("#python").text
    window.one("#download").click()
    file = downloaded(files, "a-b.png")
    status, out, _ = call("show", file)
    recipe = json.loads("\n".join(out))
    assert (status, recipe["steps"], recipe["config"]["size"]) == (0, steps, 96)
    assert (recipe["content"], recipe["styles"]) == ("a.png", ["b.png"])
    with Image.open(file) as picture:
        assert picture.size == (96, 72)

    window.open("past")  # and its recipe, dropped on the page
    other = Config(size=80, seed=3, color="luminance", style_layers=("relu1_1",))
    result = jnst.stylize(files / "a.png", files / "b.png", config=other.replace(steps=0))
    result.save(files / "earlier.png")
    window.one("#recipe input[type=file]").send_keys(str(files / "earlier.png"))
    window.until(lambda: "also style_layers" in window.one("#notice p").text)
    assert window.one("#size input").get_property("value") == "80"
    assert window.one("#seed input").get_property("value") == "3"
    assert window.one("#color input").get_property("value") == COLORS["luminance"]


def test_two_windows_do_not_mix_their_pictures(browser, app, files):
    first = Window(browser, app)
    first.one("#demo").click()
    for name in ("content", "style"):
        first.until(lambda: first.one(f"#{name} img"))  # noqa: B023
    first.put("size", 96)
    first.one("#stylize").click()
    first.until(lambda: "step" in first.line())
    browser.switch_to.new_window("window")
    try:
        second = Window(browser, app)
        second.give("content", files / "a.png")
        second.give("style", files / "red.png")
        second.put("size", 96)
        second.open("more")
        second.until(lambda: second.one("#steps input").is_displayed())
        second.put("steps", 10)
        second.one("#stylize").click()
        second.until(lambda: second.line() == "waiting: 1 picture of other windows before this")
        first.one("#stop").click()
        first.until(lambda: first.line().startswith("stopped: step "))
        second.until(lambda: second.line().startswith("done: 10 steps"))
        assert "a.png red.png" in second.one("#command").text
        assert "jnst-demo/content.png jnst-demo/style.png" in first.one("#command").text
        first.one("#download").click()
        second.one("#download").click()
        own = jnst.load_image(downloaded(files, "content-style.png"))
        red = jnst.load_image(downloaded(files, "a-red.png"))
        redness = [float((image[..., 0] - image[..., 2]).mean()) for image in (own, red)]
        assert redness[1] > redness[0] + 0.15
        assert jnst.load_recipe(files / "a-red.png")["styles"] == ["red.png"]
    finally:
        browser.close()
        browser.switch_to.window(first.handle)


def test_a_window_that_is_closed_makes_room_for_the_next(browser, app, files):
    first = browser.current_window_handle
    browser.switch_to.new_window("window")
    leaving = Window(browser, app)
    leaving.one("#demo").click()
    leaving.until(lambda: leaving.one("#style img"))
    leaving.put("size", 96)
    leaving.one("#stylize").click()
    leaving.until(lambda: "step" in leaving.line())
    browser.close()
    browser.switch_to.window(first)
    window = Window(browser, app)
    window.one("#demo").click()
    window.until(lambda: window.one("#style img"))
    window.put("size", 96)
    window.one("#stylize").click()
    window.until(lambda: "step" in window.line())


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_does_not_scroll_sideways(browser, app, width):
    screen(browser, width, 844, mobile=width < 500)
    window = Window(browser, app)
    window.open("more")
    window.open("past")
    window.until(lambda: window.one("#recipe").is_displayed())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_preview_shows_the_run_of_a_command(browser, app_cache, files):
    options = ("--size", 96, "--steps", 60, "--preview", "-o", files / "out.png")
    given = ("stylize", files / "a.png", files / "b.png", *options)
    with command(app_cache, *given) as (address, process):
        browser.get(address)
        wait = WebDriverWait(browser, 120, 0.05, ignored_exceptions=(Exception,))

        def text():
            return browser.find_element("css selector", "#view p").text

        wait.until(lambda _: "of 60, loss" in text())
        wait.until(lambda _: text() == "the run has ended at step 60 of 60")
        wait.until(lambda _: len(browser.find_elements("css selector", "#slider img")) == 2)
        assert process.wait(60) == 0
    assert jnst.load_recipe(files / "out.png")["steps"] == 60
