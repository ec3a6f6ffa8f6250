"""The page of a sweep in a browser, worked by the keyboard alone, but where a test says so."""

import base64
import io
import json
import shlex

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from jnst.images.encoding import save_image
from jnst.images.files import file_digest
from jnst.sweeps.folder import record_path
from jnst.sweeps.report import write_report
from support.browser import screen
from support.sweep_files import picture_of, write_inputs, write_sweep

AXES = {
    "content": ["photo.jpg"],
    "style": ["a.jpg", ["a.jpg", "</script>.jpg"]],
    "style_weight": [1.0, 10.0, 100.0, 1000.0],
    "style_layers": [["relu1_1"], ["relu1_1", "relu2_1"], ["relu1_1", "relu2_1", "relu3_1"]],
    "content_weight, seed": [[1.0, 1], [2.0, 5]],
}
FAILED, MISSING = 4, (14, 20)  # at 0 0 0 2 0; at 0 0 2 1 0 and 0 0 3 1 0


@pytest.fixture
def browser(chromium):
    """The browser, 1440 x 900; at the end: no errors, and nothing asked of anybody else."""
    screen(chromium, 1440, 900)
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    chromium.get_log("browser")
    chromium.get_log("performance")
    yield chromium
    assert chromium.get_log("browser") == []
    messages = [
        json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")
    ]
    asked = {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    own = ("file:", "data:", "about:", "chrome:")  # the last: what the browser shows of itself
    assert asked and all(url.startswith(own) for url in asked)
    chromium.get("about:blank")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """48 points, of which one failed and two are not there yet."""
    folder = tmp_path_factory.mktemp("sweep")
    inputs = write_inputs(folder / "in", ["photo.jpg", "a.jpg", "b.jpg"])
    inputs["</script>.jpg"] = inputs.pop("b.jpg")
    write_sweep(folder, AXES, inputs=inputs, failed=(FAILED,), missing=MISSING)
    write_report(folder)
    return folder


@pytest.fixture
def page(browser, sweep):
    return Page(browser, sweep)


class Page:
    """An open page, and what a hand on a keyboard can do there."""

    def __init__(self, browser, folder, address=""):
        self.browser = browser
        self.url = (folder / "index.html").as_uri()
        self.open(address)

    def open(self, address=""):
        self.browser.get("about:blank")
        self.browser.get(self.url + address)
        self.until(lambda: self.all("#table tbody tr") or not self.run("return points.length"))

    def until(self, condition):
        return WebDriverWait(self.browser, 5, poll_frequency=0.02).until(lambda _: condition())

    def run(self, script, *arguments):
        shared = "const points = JSON.parse(document.getElementById('data').textContent).points;"
        return self.browser.execute_script(shared + script, *arguments)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def one(self, selector):
        (element,) = self.all(selector)
        return element

    def text(self, selector):
        return self.one(selector).get_property("textContent")

    def texts(self, selector):
        return [element.get_property("textContent") for element in self.all(selector)]

    def press(self, *keys):
        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def hold(self, modifier, key):
        ActionChains(self.browser).key_down(modifier).send_keys(key).key_up(modifier).perform()

    def tab_to(self, selector, key=Keys.TAB):
        """Go on with the tab key until it is there."""
        wanted = self.one(selector)
        for _ in range(60):
            if self.browser.switch_to.active_element == wanted:
                return wanted
            self.press(key)
        raise AssertionError(f"the tab key does not reach {selector}")

    def focused(self):
        return self.browser.switch_to.active_element

    def cell(self):
        """(row, column) of the cell that has the focus; None elsewhere."""
        cell = self.focused()
        if cell.tag_name != "td":
            return None
        return int(cell.get_attribute("data-row")), int(cell.get_attribute("data-column"))

    def to_grid(self):
        return self.tab_to('#grid td[tabindex="0"]')

    def choose(self, selector, text):
        """Choose an option, as the arrow keys do, one after another."""
        select = Select(self.tab_to(selector))
        texts = [option.text for option in select.options if option.is_enabled()]
        steps = texts.index(text) - texts.index(select.first_selected_option.text)
        self.press(*([Keys.ARROW_DOWN if steps > 0 else Keys.ARROW_UP] * abs(steps)))

    def address(self):
        return self.run("return location.hash")

    def saved(self, words):
        self.until(lambda: words in self.address())

    def opened(self, selector="#point"):
        return self.one(selector).get_property("open")


def heads(page):
    rows, columns = page.texts("#grid tbody th"), page.texts("#grid thead th")[1:]
    return rows, columns


# Many points


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    axes = {
        "content": ["photo.jpg"],
        "style": ["a.jpg"],
        "style_weight": [float(weight) for weight in np.geomspace(1e-2, 1e3, 25)],
        "tv_weight": [float(weight) for weight in np.geomspace(1e-4, 1, 20)],
    }
    write_sweep(folder, axes, inputs=write_inputs(folder / "in", ["photo.jpg", "a.jpg"]), steps=200)
    write_report(folder)
    return folder


def test_500_points_show_their_first_grid_in_two_seconds(browser, many):
    watch = """
        window.arrived = [];
        document.addEventListener("load", (event) => {
          if (event.target.tagName === "IMG") arrived.push([event.target, performance.now()]);
        }, true);
    """
    browser.get("about:blank")
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": watch})
    page = Page(browser, many)
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    assert len(page.all("#grid td")) == 500
    seen = """
        const seen = [...document.querySelectorAll("#grid td img")].filter((image) => {
          const { top, left } = image.getBoundingClientRect();
          return top < innerHeight && left < innerWidth;
        });
    """
    page.until(lambda: page.run(seen + "return seen.every((image) => image.naturalWidth > 0)"))
    last, shown, painted = page.run(
        seen
        + """
        const times = arrived.filter(([image]) => seen.includes(image)).map(([, time]) => time);
        return [
          Math.max(...times),
          times.length === seen.length && seen.length,
          performance.getEntriesByName("first-contentful-paint")[0].startTime,
        ];
        """
    )
    print(f"first paint {painted:.0f} ms, last of {shown} visible thumbnails {last:.0f} ms")
    assert shown >= 20
    assert 0 < painted < 2000 and 0 < last < 2000
    assert page.run("return document.images.length") > 500
    read = "return [...document.images].filter((image) => image.naturalWidth > 0).length"
    assert page.run(read) < 250, "thumbnails far away are read when they are needed"
    drawn = "return document.querySelectorAll('#grid td svg').length"
    assert 0 < page.run(drawn) < 250, "curves far away are drawn when they are needed"
    heights = "return [...document.querySelectorAll('#grid td img')].map((x) => x.clientHeight)"
    assert len(set(page.run(heights))) == 1, "a picture that comes does not move the others"
    page.to_grid()
    page.hold(Keys.CONTROL, Keys.END)
    cell = page.focused()
    image = cell.find_element("css selector", "img")
    page.until(lambda: image.get_property("naturalWidth") > 0)
    page.until(lambda: cell.find_elements("css selector", "svg path"))


# The grid


def test_the_two_longest_axes_are_the_grid(page):
    rows, columns = heads(page)
    assert rows == ["relu1_1", "relu1_1 relu2_1", "relu1_1 relu2_1 relu3_1"]
    assert columns == ["1", "10", "100", "1000"]
    assert page.texts("#grid thead th:first-child span") == [
        "style_weight\xa0→",
        "style_layers\xa0↓",
    ]
    assert page.text("#summary") == "48 points, 1 failed, 2 not there yet"
    assert page.texts("#selectors label") == ["style", "content_weight, seed"]


def test_of_equal_axes_the_first_are_the_rows(browser, tmp_path):
    axes = {"content": ["x"], "style": ["y"], "seed": [1, 2], "style_weight": [1.0, 2.0]}
    write_sweep(tmp_path, axes)
    write_report(tmp_path)
    page = Page(browser, tmp_path)
    assert page.texts("#grid thead th:first-child span") == ["style_weight\xa0→", "seed\xa0↓"]


def test_a_cell_shows_picture_loss_and_curve(page):
    cell = page.all("#grid td")[1]
    assert cell.find_element("css selector", "figcaption").text == "loss 0.05"
    page.until(lambda: cell.find_elements("css selector", "svg path"))
    outline = cell.find_element("css selector", "svg path").get_attribute("d")
    places = [float(point.split()[1]) for point in outline[1:].split("L")]
    assert len(places) == 60 and places == sorted(places)  # a falling loss
    image = cell.find_element("css selector", "img")
    page.until(lambda: image.get_property("naturalWidth") == 32)
    assert "thumbnails/" in image.get_attribute("src")


def test_the_number_and_the_curve_can_be_unweighted_sums(page):
    def shown():
        cell = page.all("#grid td")[1]
        page.until(lambda: cell.find_elements("css selector", "svg path"))
        outline = cell.find_element("css selector", "svg path").get_attribute("d")
        heights = {point.split()[1] for point in outline[1:].split("L")}
        return cell.find_element("css selector", "figcaption").text, len(heights)

    select = Select(page.one("#number"))
    names = ["loss, weighted", "content, unweighted", "style, unweighted"]
    assert [option.text for option in select.options] == names
    assert shown() == ("loss 0.05", pytest.approx(40, abs=25))
    page.choose("#number", "content, unweighted")
    assert shown() == ("content 0.125", 1)  # a flat curve
    assert page.all("#grid td")[1].get_attribute("aria-label").endswith(", content 0.125")
    page.saved("number=content")
    page.open("#number=style")
    assert select_text(page, "#number") == "style, unweighted"
    assert shown()[0] == "style 0.25"
    page.to_grid()
    page.press(Keys.ENTER)
    assert page.text("#details section:nth-of-type(2) h3") == "Curve of the style, unweighted"
    assert page.texts("#details .chart text")[:5][::-1] == ["0.2", "0.1", "0.05", "0.02", "0.01"]
    page.open("#number=nothing")
    assert shown()[0] == "loss 0.05"


def select_text(page, selector):
    return Select(page.one(selector)).first_selected_option.text


def test_three_columns_take_the_whole_width(browser, tmp_path):
    for count, width in ((3, 1280), (3, 1440), (2, 900)):
        folder = tmp_path / f"{count}-{width}"
        write_sweep(folder, {"content": ["x"], "style": ["y"], "seed": [*range(count)]})
        write_report(folder)
        screen(browser, width, 900)
        page = Page(browser, folder)
        left, right = page.run("""
            const box = document.getElementById("grid-box").getBoundingClientRect();
            const { right } = [...document.querySelectorAll("#grid td")].at(-1)
              .getBoundingClientRect();
            return [right, box.right];
        """)
        assert right - 12 <= left <= right


def test_failed_and_missing_points_have_their_cells(page):
    cells = page.all("#grid td")
    assert "the loss is not finite in step 3" in cells[8].text
    label = "style_layers relu1_1 relu2_1 relu3_1, style_weight 1, failed: the loss is not finite"
    assert cells[8].get_attribute("aria-label").startswith(label)
    page.open("#at=0.0.2.1.0")
    cell = page.all("#grid td")[6]
    assert cell.text == "\N{EN DASH}" and cell.get_attribute("aria-label").endswith("not there yet")


def test_the_arrow_keys_move_in_the_grid(page):
    page.to_grid()
    assert page.cell() == (0, 0)
    moves = [
        (Keys.ARROW_RIGHT, (0, 1)),
        (Keys.ARROW_DOWN, (1, 1)),
        (Keys.ARROW_DOWN, (2, 1)),
        (Keys.ARROW_DOWN, (2, 1)),
        (Keys.END, (2, 3)),
        (Keys.ARROW_RIGHT, (2, 3)),
        (Keys.ARROW_UP, (1, 3)),
        (Keys.HOME, (1, 0)),
        (Keys.ARROW_LEFT, (1, 0)),
    ]
    for key, place in moves:
        page.press(key)
        assert page.cell() == place
        assert len(page.all('#grid td[tabindex="0"]')) == 1
    page.hold(Keys.CONTROL, Keys.END)
    assert page.cell() == (2, 3)
    page.hold(Keys.CONTROL, Keys.HOME)
    assert page.cell() == (0, 0)
    page.press(Keys.TAB)
    assert page.focused().tag_name != "td"  # the grid is one stop


def test_the_focus_is_never_under_the_headings(browser, many):
    page = Page(browser, many)
    page.to_grid()
    page.hold(Keys.CONTROL, Keys.END)
    page.press(*[Keys.ARROW_UP] * 17, *[Keys.ARROW_LEFT] * 22)
    assert page.cell() == (2, 2)
    assert page.run("""
        const cell = document.activeElement.getBoundingClientRect();
        const top = document.querySelector("#grid thead").getBoundingClientRect().bottom;
        const left = document.querySelector("#grid tbody th").getBoundingClientRect().right;
        return cell.top >= top && cell.left >= left && cell.bottom <= innerHeight;
    """)


def test_rows_and_columns_can_be_chosen(page):
    page.choose("#rows", "style (2)")
    assert heads(page)[0] == ["a.jpg", "a.jpg + </script>.jpg"]
    assert len(page.all("#grid tbody th img")) == 3
    assert page.texts("#selectors label") == ["style_layers", "content_weight, seed"]
    assert page.focused() == page.one("#rows")
    page.choose("#columns", "content_weight, seed (2)")
    assert heads(page)[1] == ["content_weight 1seed 1", "content_weight 2seed 5"]
    page.saved("columns=content_weight%2C+seed")
    page.tab_to("#swap", Keys.SHIFT + Keys.TAB)
    page.press(Keys.ENTER)
    assert Select(page.one("#rows")).first_selected_option.text == "content_weight, seed (2)"
    page.saved("rows=content_weight%2C+seed&columns=style&")


def test_selectors_go_through_the_other_axes(page):
    label = "style_layers relu1_1, style_weight 1, loss 0.5"
    first = page.all("#grid td")[0].get_attribute("data-id")
    assert page.all("#grid td")[0].get_attribute("aria-label") == label
    page.tab_to('[aria-label="next style"]')
    page.press(Keys.ENTER)
    assert Select(page.one("#axis-1")).first_selected_option.text == "a.jpg + </script>.jpg"
    second = page.all("#grid td")[0].get_attribute("data-id")
    assert second != first
    assert page.focused().get_attribute("aria-label") == "next style"
    page.press(Keys.ENTER)  # there is no further
    assert page.all("#grid td")[0].get_attribute("data-id") == second
    assert "a.jpg + </script>.jpg" in page.text("#inputs")
    assert len(page.all("#inputs img")) == 3
    page.tab_to('[aria-label="previous style"]', Keys.SHIFT + Keys.TAB)
    page.press(" ")
    assert page.all("#grid td")[0].get_attribute("data-id") == first
    page.choose("#axis-4", "content_weight 2, seed 5")
    page.saved("at=0.0.0.0.1")


def test_a_plan_with_holes_has_empty_cells(browser, tmp_path):
    write_sweep(tmp_path, {"content": ["x"], "style": ["y"], "seed": [1, 2, 3]})
    index = json.loads((tmp_path / "sweep.json").read_text())
    del index["points"][1]
    (tmp_path / "sweep.json").write_text(json.dumps(index))
    write_report(tmp_path)
    page = Page(browser, tmp_path)
    page.to_grid()
    page.press(Keys.ARROW_RIGHT, Keys.ENTER)
    assert not page.opened() and page.focused().text == ""
    page.press(Keys.ARROW_LEFT, Keys.ENTER, Keys.ARROW_RIGHT)
    assert page.text("#point-heading") == "seed 3"


@pytest.mark.parametrize("axes", [{"content, style": [["x", "y"], ["x", "z"]]}, {"seed": [1]}, {}])
def test_sweeps_of_one_axis_or_none(browser, tmp_path, axes):
    write_sweep(tmp_path, axes)
    write_report(tmp_path)
    page = Page(browser, tmp_path)
    assert not page.one("#rows").is_displayed()
    page.to_grid()
    page.press(Keys.ARROW_DOWN, Keys.END, Keys.ENTER)
    assert page.opened() and "loss" in page.text("#details").lower()


# A point


def test_enter_opens_a_point_and_escape_gives_the_focus_back(page):
    page.to_grid()
    page.press(Keys.ARROW_RIGHT, Keys.ENTER)
    assert page.opened()
    page.saved("point=")
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.opened() and page.cell() == (0, 1))
    page.until(lambda: "point=" not in page.address())


def test_a_point_has_settings_curve_recipe_and_command(page, sweep):
    page.to_grid()
    page.press(Keys.ARROW_DOWN, Keys.ENTER)
    words = page.texts("#details dl:first-of-type dt"), page.texts("#details dl:first-of-type dd")
    settings = dict(zip(*words, strict=True))
    assert settings["style_layers"] == "relu1_1 relu2_1" and settings["style"] == "a.jpg"
    assert settings["seed"] == "1" and settings["loss, weighted"] == "0.5"
    assert (settings["content, unweighted"], settings["style/relu1_1"]) == ("0.125", "0.25")
    texts = page.texts("#details .chart text")
    assert texts[:5][::-1] == ["5", "2", "1", "0.5", "0.2"] and texts[-3:] == ["0", "steps", "59"]
    assert "48 px" in texts and "96 px" in texts and len(page.all("#details .chart .level")) == 1
    id = page.run("return points[2].id")
    recipe = json.loads(page.text("#details details pre"))
    assert recipe["config"]["style_layers"] == ["relu1_1", "relu2_1"]
    inputs = [f"in/{name}" for name in ("photo.jpg", "a.jpg")]  # from the folder of the sweep on
    picture = picture_of(sweep, id)
    command = ["jnst", "stylize", *inputs, "--like", f"pictures/{picture.name}", "-o", "again.png"]
    assert shlex.split(page.text("#command")) == command
    image = page.one("#point-picture img")
    page.until(lambda: image.get_property("naturalWidth") == 32)
    assert image.get_attribute("src") == picture.as_uri()


def test_the_recipe_unfolds_by_keyboard(page):
    page.to_grid()
    page.press(Keys.ENTER)
    page.tab_to("#details summary")
    page.press(Keys.ENTER)
    page.until(lambda: page.one("#details details pre").is_displayed())


def test_the_command_can_be_copied(page):
    page.to_grid()
    page.press(Keys.ENTER)
    page.tab_to("#copy")
    page.press(Keys.ENTER)
    page.until(lambda: page.text("#details .copy span") == "Copied")
    copied = """
        const area = document.createElement("textarea");
        document.getElementById("point").append(area);
        area.focus();
        return area;
    """
    area = page.run(copied)
    page.hold(Keys.CONTROL, "v")
    assert area.get_property("value") == page.text("#command")


def test_arrow_keys_go_to_the_neighbors(page):
    page.to_grid()
    page.press(Keys.ENTER, Keys.ARROW_RIGHT)
    assert "style_weight 10 ·" in page.text("#point-heading")
    page.press(Keys.ARROW_DOWN)
    assert "style_layers relu1_1 relu2_1 ·" in page.text("#point-heading")
    page.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert "style_weight 1 ·" in page.text("#point-heading")
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert page.text("#point-picture .failed span") == "the loss is not finite in step 3"
    page.press(Keys.ESCAPE)
    page.until(lambda: page.cell() == (2, 0))


def test_buttons_go_to_the_neighbors(page):
    page.to_grid()
    page.press(Keys.ENTER)
    button = page.tab_to('[data-step="right"]')
    assert button.get_attribute("aria-label") == "To style_weight 10"
    page.press(Keys.ENTER, Keys.ENTER, Keys.ENTER)
    assert "style_weight 1000 ·" in page.text("#point-heading")
    assert button.get_attribute("aria-disabled") == "true"
    page.press(Keys.ENTER)
    assert "style_weight 1000 ·" in page.text("#point-heading") and page.focused() == button
    page.tab_to("#point .close")
    page.press(Keys.ENTER)
    page.until(lambda: page.cell() == (0, 3))


def test_a_click_opens_and_a_click_beside_closes(page):
    cell = page.all("#grid td")[6]
    cell.click()
    assert page.opened() and "style_weight 100 ·" in page.text("#point-heading")
    beside = ActionBuilder(page.browser)
    beside.pointer_action.move_to_location(5, 5).click()
    beside.perform()
    page.until(lambda: not page.opened())
    page.until(lambda: page.focused() == cell)


def test_a_missing_point_says_so(page):
    page.open("#at=0.0.2.1.0")
    page.to_grid()
    page.press(Keys.ENTER)
    assert page.text("#point-picture") == "Not there yet"
    page.press("a")
    assert not page.one("#marks").is_displayed()


def test_a_curve_with_holes_and_without_range(browser, tmp_path):
    ids = write_sweep(tmp_path, {"content": ["x"], "style": ["y"], "seed": [1, 2, 3]})
    losses = [[4.0, float("nan"), 2.0, 1.5], [3.0] * 4, [float("nan"), 0.0, -1.0, float("inf")]]
    for id, loss in zip(ids, losses, strict=True):
        path = tmp_path / "points" / f"{id}.json"
        record = json.loads(path.read_text())
        record["history"] = {"loss": loss, "size": [48] * 4}
        path.write_text(json.dumps(record))
    write_report(tmp_path)
    page = Page(browser, tmp_path)
    page.to_grid()
    page.press(Keys.ENTER)
    assert page.one("#details .chart .curve").get_attribute("d").count("M") == 2
    page.press(Keys.ARROW_RIGHT)
    assert page.texts("#details .chart text")[0] == "3"
    page.press(Keys.ARROW_RIGHT)
    assert not page.all("#details .chart") and "No loss was recorded" in page.text("#details")


# Two points


@pytest.fixture(scope="module")
def colors(tmp_path_factory):
    """Three points whose pictures are red, green and blue."""
    folder = tmp_path_factory.mktemp("colors")
    ids = write_sweep(folder, {"content": ["x"], "style": ["y"], "seed": [1, 2, 3]})
    for id, color in zip(ids, np.eye(3, dtype=np.float32), strict=True):
        path = picture_of(folder, id)
        save_image(path, np.broadcast_to(color, (60, 80, 3)))
        record = json.loads(record_path(folder, id).read_text()) | {"sha256": file_digest(path)}
        record_path(folder, id).write_text(json.dumps(record))
    write_report(folder)
    return folder


def reds(page):
    """The share of the compared pictures that is red, from the left; the rest is green."""
    page.until(
        lambda: all(page.run("return arguments[0].complete", x) for x in page.all(".frame img"))
    )
    png = base64.b64decode(page.one(".frame").screenshot_as_base64)
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    row = pixels[len(pixels) // 4]
    red, green = (row[:, 0] > row[:, 1] + 90), (row[:, 1] > row[:, 0] + 90)
    if red.any() and green.any():
        assert np.flatnonzero(red).max() < np.flatnonzero(green).min()
    assert red.sum() + green.sum() > 0.95 * len(row)
    return red.mean()


def test_two_points_are_compared_by_keyboard(browser, colors):
    page = Page(browser, colors)
    assert not page.one("#marks").is_displayed()
    page.to_grid()
    page.press("a", Keys.ARROW_RIGHT, "b")
    assert [cell.get_attribute("data-column") for cell in page.all("#grid td:has(.badge)")] == [
        "0",
        "1",
    ]
    assert "seed 1" in page.text('#marks [data-mark="a"]')
    page.tab_to("#compare")
    page.press(Keys.ENTER)
    assert page.opened("#comparison")
    assert (page.text("#caption-a"), page.text("#caption-b")) == ("Aseed 1", "Bseed 2")
    assert reds(page) == pytest.approx(0.5, abs=0.02)
    page.press(*[Keys.ARROW_RIGHT] * 10)
    assert reds(page) == pytest.approx(0.6, abs=0.02)
    page.press(Keys.HOME)
    assert reds(page) == 0
    page.press(Keys.END)
    assert reds(page) > 0.99
    page.saved("comparing=1")
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.opened("#comparison") and page.focused() == page.one("#compare"))
    page.tab_to("#clear")
    page.press(Keys.ENTER)
    assert not page.one("#marks").is_displayed() and page.cell() == (0, 1)


def test_the_border_follows_the_mouse_and_a_finger(browser, colors):
    page = Page(browser, colors)
    page.to_grid()
    page.press("a", Keys.ARROW_RIGHT, "b")
    page.tab_to("#compare")
    page.press(Keys.ENTER)
    frame = page.one(".frame")
    width = frame.rect["width"]
    mouse = ActionChains(page.browser)
    mouse.move_to_element(frame).click_and_hold().move_by_offset(round(width / 4), 30).release()
    mouse.perform()
    assert reds(page) == pytest.approx(0.75, abs=0.02)
    left, top = frame.rect["x"], frame.rect["y"] + 50
    for kind, places in (("Start", [0.75]), ("Move", [0.5]), ("Move", [0.25]), ("End", [])):
        points = [{"x": left + place * width, "y": top} for place in places]
        touch = {"type": f"touch{kind}", "touchPoints": points}
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", touch)
    page.until(lambda: reds(page) == pytest.approx(0.25, abs=0.02))


def test_marks_are_set_in_the_open_point_too(browser, colors):
    page = Page(browser, colors)
    page.to_grid()
    page.press(Keys.ENTER, "a")
    button = page.one('#point [data-mark="a"]')
    assert button.get_attribute("aria-pressed") == "true"
    page.press(Keys.ARROW_RIGHT)
    assert button.get_attribute("aria-pressed") == "false"
    page.tab_to('#point [data-mark="b"]')
    page.press(Keys.ENTER)
    page.tab_to("#point-compare")
    page.press(Keys.ENTER)
    page.until(lambda: page.opened("#comparison") and not page.opened())
    assert page.focused() == page.one("#split")
    assert reds(page) == pytest.approx(0.5, abs=0.02)
    page.press(Keys.ESCAPE)
    page.until(lambda: page.cell() == (0, 1))


def test_a_second_press_takes_a_mark_back(browser, colors):
    page = Page(browser, colors)
    page.to_grid()
    page.press("a", "b")
    assert page.texts("#grid .badge") == ["A", "B"]
    page.press("a")
    assert page.texts("#grid .badge") == ["B"]
    assert page.one("#compare").get_attribute("aria-disabled") == "true"
    page.tab_to("#compare")
    page.press(Keys.ENTER)
    assert not page.opened("#comparison")
    page.tab_to('#marks [data-mark="b"]', Keys.SHIFT + Keys.TAB)
    page.press(Keys.ENTER)
    assert page.opened() and page.text("#point-heading") == "seed 1"


def test_a_mark_opens_its_point_wherever_that_is(page):
    page.to_grid()
    page.press(Keys.ARROW_RIGHT, "a")
    page.tab_to('[aria-label="next style"]', Keys.SHIFT + Keys.TAB)
    page.press(Keys.ENTER)
    assert not page.all("#grid .badge")
    mark = page.tab_to('#marks [data-mark="a"]')
    page.press(Keys.ENTER)
    assert page.text("#point-heading").startswith("style a.jpg · style_weight 10 ·")
    page.press(Keys.ARROW_RIGHT)
    assert page.text("#point-heading").startswith("style a.jpg · style_weight 100 ·")
    page.press(Keys.ESCAPE)
    page.until(lambda: page.focused() == mark)
    assert page.texts("#grid .badge") == ["A"]


def test_the_mouse_marks_cells_by_buttons_of_theirs(browser, colors):
    page = Page(browser, colors)
    ActionChains(browser).move_to_element(page.all("#grid td")[2]).perform()
    page.until(lambda: page.all("#markers"))
    page.one('#markers [data-mark="b"]').click()
    assert page.texts("#grid .badge") == ["B"] and not page.opened()
    assert page.cell() == (0, 2)


# The table


def column(page, name):
    place = page.texts("#table thead button").index(name) + 2
    return page.texts(f"#table tbody td:nth-child({place})")


def headings(page):
    return [text.rstrip(" ↑↓") for text in page.texts("#table thead button")]


def test_the_table_shows_the_columns_that_differ(page):
    assert headings(page) == [
        *("styles", "style_weight", "style_layers", "content_weight", "seed"),
        *("loss", "error", "seconds", "id"),
    ]
    assert len(page.all("#table tbody tr")) == 46
    page.tab_to("#every-column")
    page.press(" ")
    assert {"digest", "network", "learning_rate", "loss/style/relu1_1"} <= set(headings(page))
    page.saved("every=1")
    page.press(" ")
    assert "digest" not in headings(page)


def test_numbers_are_sorted_as_numbers_and_what_is_not_there_comes_last(page):
    button = page.tab_to('#table [data-column="loss"]')
    page.press(Keys.ENTER)
    losses = column(page, "loss ↑")
    assert losses[-1] == "" and losses[0] == "0.0005"
    assert [*map(float, losses[:-1])] == sorted(map(float, losses[:-1]))
    heading = page.one("#table th[aria-sort]")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert page.focused().get_attribute("data-column") == "loss" and page.focused() != button
    page.press(Keys.ENTER)
    losses = column(page, "loss ↓")
    assert losses[-1] == "" and losses[0] == "0.5"
    assert [*map(float, losses[:-1])] == sorted(map(float, losses[:-1]), reverse=True)


def test_a_click_sorts_by_words(page):
    page.one('#table [data-column="style_layers"]').click()
    assert column(page, "style_layers ↑") == sorted(column(page, "style_layers ↑"))


def test_rows_are_walked_and_opened_by_keyboard(page):
    page.tab_to('#table tbody tr[tabindex="0"]')
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP)
    row = page.focused()
    assert row == page.all("#table tbody tr")[2]
    page.press(Keys.ENTER)
    assert page.opened()
    assert page.text("#point-heading").startswith(
        "style a.jpg · style_weight 1 · style_layers relu1_1 relu2_1"
    )
    page.press(Keys.ESCAPE)
    page.until(lambda: page.focused() == row)
    page.press(Keys.END, Keys.HOME, "b")
    assert page.texts("#grid .badge") == ["B"]


def test_a_row_of_another_slice_changes_the_grid(page):
    page.all("#table tbody tr")[-1].click()
    assert page.opened()
    page.press(Keys.ARROW_LEFT, Keys.ESCAPE)
    page.until(lambda: not page.opened())
    assert Select(page.one("#axis-1")).first_selected_option.text == "a.jpg + </script>.jpg"
    assert page.one('#grid td[tabindex="0"]').get_attribute("data-column") == "2"


# The address


def test_the_address_brings_back_what_was_seen(page):
    page.choose("#rows", "content_weight, seed (2)")
    page.tab_to('[aria-label="next style"]')
    page.press(Keys.ENTER)
    page.to_grid()
    page.press(Keys.ARROW_DOWN, "a", Keys.ARROW_RIGHT, "b", Keys.ENTER)
    page.saved("point=")
    page.until(lambda: page.opened())
    address, heading = page.address(), page.text("#point-heading")
    page.open(address)
    assert page.opened() and page.text("#point-heading") == heading
    assert len(heads(page)[0]) == 2 and sorted(page.texts("#grid .badge")) == ["A", "B"]
    assert Select(page.one("#axis-1")).first_selected_option.text == "a.jpg + </script>.jpg"
    page.press(Keys.ESCAPE)
    page.until(lambda: page.cell() == (1, 1))


def test_a_changed_address_changes_the_page(page):
    page.to_grid()
    page.press(Keys.ENTER)
    ids = page.run("return points.map((point) => point.id)")
    page.run("location.hash = arguments[0]", f"#rows=style&columns=style_layers&point={ids[30]}")
    page.until(lambda: len(heads(page)[0]) == 2)
    heading = "style a.jpg + </script>.jpg · style_weight 10 · style_layers relu1_1 · "
    page.until(lambda: page.opened() and page.text("#point-heading").startswith(heading))
    page.press("a")
    assert page.texts("#grid .badge") == ["A"]
    page.run("location.hash = arguments[0]", f"#a={ids[0]}&b={ids[1]}&comparing=1")
    page.until(lambda: page.opened("#comparison") and not page.opened())


@pytest.mark.parametrize(
    "address",
    [
        "#rows=nothing&columns=style",
        "#rows=style&columns=style",
        "#at=9.9.9.9.9",
        "#at=x",
        "#point=none&a=none&comparing=1",
        "#%%%",
    ],
)
def test_an_address_that_means_nothing_shows_the_first_view(page, address):
    page.open(address)
    assert len(page.all("#grid td")) == 12 and not page.all("dialog[open]")
    assert page.one('#grid td[tabindex="0"]').get_attribute("data-row") == "0"


# Every screen


@pytest.mark.parametrize("width", [390, 1440])
def test_only_boxes_scroll_sideways(browser, many, sweep, width):
    screen(browser, width, 844, mobile=width < 500)
    narrow = "return document.documentElement.scrollWidth <= innerWidth"
    page = Page(browser, many)
    assert page.run("return innerWidth") == width and page.run(narrow)
    sideways = (
        "const box = document.getElementById('grid-box'); return box.scrollWidth - box.clientWidth"
    )
    assert page.run(sideways) > width
    page = Page(browser, sweep, "#every=1")
    assert page.run(narrow)
    page.to_grid()
    page.press("a", Keys.ARROW_RIGHT, "b")
    fits = """
        const { left, right } = arguments[0].getBoundingClientRect();
        const { scrollWidth, clientWidth } = arguments[0];
        return left >= 0 && right <= innerWidth && scrollWidth <= clientWidth;
    """
    assert page.run(narrow) and page.run(fits, page.one("#marks"))
    page.press(Keys.ENTER)
    for part in (*page.all("#point .bar"), *page.all("#point button"), page.one("#details")):
        assert page.run(fits, part), part.get_attribute("outerHTML")[:80]
    page.tab_to("#point-compare")
    page.press(Keys.ENTER)
    assert page.run(fits, page.one("#compared")) and page.run(fits, page.one(".frame"))


CONTRASTS = """
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const linear = (x) => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const behind = (node) => {
      for (; node; node = node.parentElement) {
        const color = parse(getComputedStyle(node).backgroundColor);
        if (color.length < 4 || color[3] === 1) return color;
      }
      return [255, 255, 255];
    };
    return arguments[0].map((node) => {
      const [x, y] = [parse(getComputedStyle(node).color), behind(node)].map(luminance);
      return [(Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05), node.outerHTML.slice(0, 60)];
    });
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(browser, sweep, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page = Page(browser, sweep)
    page.to_grid()
    page.press("a", Keys.ARROW_RIGHT, "b")
    dark = page.run("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 20, 20)"
    assert dark == (scheme == "dark")
    page.press(Keys.ENTER)
    texts = page.all(
        "h1, #summary, label, select, figcaption, .failed, .absent, .badge, button.main, th, "
        "#table .error, dt, dd, #command, [aria-pressed='true']"
    )
    assert len(texts) > 100
    assert not [entry for entry in page.run(CONTRASTS, texts) if entry[0] < 4.5]


def test_the_focus_is_seen(page):
    outline = """
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        return [outlineStyle, outlineWidth];
    """
    for selector in (
        "#rows",
        "[aria-label='next style']",
        "#grid td[tabindex='0']",
        "#every-column",
    ):
        page.tab_to(selector)
        assert page.run(outline) == ["solid", "3px"]


@pytest.mark.parametrize(("wish", "duration"), [("reduce", "0s"), ("no-preference", "0.12s")])
def test_nothing_moves_where_that_is_not_wished(browser, sweep, wish, duration):
    features = [{"name": "prefers-reduced-motion", "value": wish}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page = Page(browser, sweep)
    assert (
        page.run("return getComputedStyle(document.querySelector('button')).transitionDuration")
        == duration
    )


def test_everything_has_a_name(page):
    page.to_grid()
    page.press("a", Keys.ARROW_RIGHT, "b", Keys.ENTER)
    browser = page.browser
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    kinds = {
        "button",
        "combobox",
        "dialog",
        "grid",
        "gridcell",
        "checkbox",
        "slider",
        "image",
        "link",
    }
    roles = [
        (node["role"]["value"], node.get("name", {}).get("value"))
        for node in nodes
        if not node["ignored"]
    ]
    assert {"dialog", "button", "link"} <= {role for role, _ in roles}
    assert not [role for role, name in roles if role in kinds and not name]
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.opened())
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = [
        (node["role"]["value"], node.get("name", {}).get("value"))
        for node in nodes
        if not node["ignored"]
    ]
    assert {"grid", "gridcell", "combobox", "rowheader", "columnheader", "checkbox"} <= {
        role for role, _ in roles
    }
    assert not [role for role, name in roles if role in kinds - {"gridcell"} and not name]
    assert sum(role == "gridcell" and bool(name) for role, name in roles) >= 12
