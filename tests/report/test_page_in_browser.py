"""The page of `lamplighter report` in headless Chromium, on a desk and on a phone: nothing is fetched, nothing goes
wrong, figures are seen, structures are drawn and can be turned.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lamplighter.report.page.assemble import assemble
from lamplighter.report.page.files import write_page
from lamplighter.report.page.html import page
from lamplighter.report.page.section import Wishes
from lamplighter.report.page.sections import SECTIONS

from .conftest import Judged

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here (apt-get install chromium)")

DEVICES: dict[str, dict[str, Any]] = {
    "desk": {"viewport": {"width": 1280, "height": 900}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}


@dataclass
class Opened:
    """A page in the browser, what it asked for and what it had to complain about."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def files(real_runs: dict[str, Path], judged: Judged, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`held`, `failed` and `all`: the pages of real runs; `judged`: with labelled frames and a training set."""
    folder = tmp_path_factory.mktemp("pages")
    made = {"judged": judged.page}
    for name, folders in {
        **{k: [v] for k, v in real_runs.items() if k != "again"},
        "all": list(real_runs.values()),
    }.items():
        made[name] = folder / f"{name}.html"
        write_page(page(assemble(folders, SECTIONS, Wishes()), name), made[name])
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as program:
        made = program.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield made
        made.close()


@pytest.fixture(params=list(DEVICES))
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(browser: Any, path: Path, device: str, **more: Any) -> Opened:
    made = Opened(browser.new_page(**DEVICES[device], **more))
    made.page.set_default_timeout(120e3)
    made.page.on("request", lambda request: made.requests.append(request.url))
    made.page.on("console", lambda message: made.complaints.append(message.text))
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.page.goto(path.as_uri())
    made.page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    until(made, "[...document.querySelectorAll('figure.viewer')].every(f => f.dataset.drawn > 0)")
    return made


def until(made: Opened, condition: str) -> None:
    """Wait for a condition; the page forbids the way in which Playwright would."""
    for _ in range(300):
        if made.page.evaluate(condition):
            return
        made.page.wait_for_timeout(100)
    pytest.fail(f"it did not come to {condition}")


DRAWN = """canvas => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
  let n = 0, sum = 0;
  for (let k = 3; k < pixels.length; k += 4) if (pixels[k]) { n++; sum = (sum + pixels[k - 3] * (k % 9973)) % 1e9; }
  return [n / (canvas.width * canvas.height), sum];
}"""


def other_picture(made: Opened, canvas: Any, before: list[float]) -> list[float]:
    """What is drawn as soon as it is not what was drawn before; the machine may be busy."""
    for _ in range(300):
        now: list[float] = canvas.evaluate(DRAWN)
        if now != before:
            return now
        made.page.wait_for_timeout(100)
    pytest.fail("the picture did not change")


@pytest.mark.parametrize("name", ["held", "failed", "all", "judged"])
def test_a_page_fetches_nothing_complains_of_nothing_and_fits(
    browser: Any, files: dict[str, Path], name: str, device: str
) -> None:
    made = opened(browser, files[name], device)
    width = DEVICES[device]["viewport"]["width"]
    assert made.page.evaluate("document.documentElement.scrollWidth") == width
    figures = made.page.locator("figure.picture svg")
    assert figures.count() >= 6
    for k in range(figures.count()):
        box = figures.nth(k).bounding_box()
        assert box["width"] > 250
        assert box["height"] > 100  # a map of two compositions is low
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert figures.nth(k).locator("path, image, text").count() > 5
    for head in made.page.locator(".comparison tbody th").all():
        assert head.bounding_box()["width"] > head.bounding_box()["height"]
    for canvas in made.page.locator("canvas").all():
        share, _ = canvas.evaluate(DRAWN)
        assert 0.005 < share < 0.9
    assert made.requests == [files[name].as_uri()]
    assert made.complaints == []
    made.page.close()


# Each piece of text with its size in pixels of the page, and whether it is a sub- or superscript of a larger one.
TEXTS_OF_FIGURES = """[...document.querySelectorAll('figure.picture svg')].flatMap(svg =>
  [...svg.querySelectorAll('text')].flatMap(text => {
    const matrix = text.getScreenCTM(), scale = Math.hypot(matrix.a, matrix.b);
    const spans = [...text.querySelectorAll('tspan')];
    const pieces = (spans.length ? spans : [text]).map(piece => ({
      text: piece.textContent, size: parseFloat(getComputedStyle(piece).fontSize) * scale,
      figure: svg.getAttribute('aria-label'), svgWidth: svg.getBoundingClientRect().width, innerWidth,
    }));
    const largest = Math.max(...pieces.map(piece => piece.size));
    return pieces.map(piece => ({ ...piece, isScript: piece.size < 0.9 * largest }));
  })
)"""
SMALLEST_TEXT, SMALLEST_SCRIPT = 8.0, 5.5

OVERLAPS_IN_FIGURES = """[...document.querySelectorAll('figure.picture svg')].flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
  return boxes.flatMap(([one, a], k) => boxes.slice(k + 1).filter(([, b]) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3
  ).map(([other]) => `${one} and ${other} in ${svg.getAttribute('aria-label')}`));
})"""


@pytest.mark.parametrize("name", ["held", "failed", "all", "judged"])
def test_text_in_figures_can_be_read_on_a_phone(browser: Any, files: dict[str, Path], name: str) -> None:
    """Also where a bar to scroll by takes 15 of its pixels."""
    made = opened(browser, files[name], "phone")
    phone = DEVICES["phone"]["viewport"]
    for width in (phone["width"], phone["width"] - 15):
        made.page.set_viewport_size({**phone, "width": width})
        texts = made.page.evaluate(TEXTS_OF_FIGURES)
        assert {each["figure"] for each in texts} == set(
            made.page.locator("figure.picture svg").evaluate_all("all => all.map(e => e.getAttribute('aria-label'))")
        )
        assert any(each["isScript"] for each in texts)
        too_small = [each for each in texts if each["size"] < (SMALLEST_SCRIPT if each["isScript"] else SMALLEST_TEXT)]
        assert not too_small, "\n".join(map(str, too_small))
        overlaps = made.page.evaluate(OVERLAPS_IN_FIGURES)
        assert not overlaps, "\n".join(overlaps)
    made.page.close()


def test_a_structure_turns_when_it_is_dragged_and_keys_and_wheel_work(
    browser: Any, files: dict[str, Path], device: str
) -> None:
    made = opened(browser, files["failed"], device)
    canvas = made.page.locator("figure.viewer canvas").last
    canvas.scroll_into_view_if_needed()
    seen = [canvas.evaluate(DRAWN)]

    def changed() -> None:
        seen.append(other_picture(made, canvas, seen[-1]))

    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    if device == "desk":
        made.page.mouse.move(x, y)
        made.page.mouse.down()
        made.page.mouse.move(x + 60, y + 25, steps=3)
        made.page.mouse.up()
        changed()
        made.page.mouse.wheel(0, -300)
        changed()
    else:
        touch = made.page.context.new_cdp_session(made.page)

        def touched(kind: str, *points: tuple[float, float]) -> None:
            spots = [{"x": px, "y": py, "id": k} for k, (px, py) in enumerate(points)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": spots})

        touched("touchStart", (x, y))
        touched("touchMove", (x + 50, y + 20))
        touched("touchEnd")
        changed()
        touched("touchStart", (x - 30, y), (x + 30, y))
        touched("touchMove", (x - 90, y), (x + 90, y))
        touched("touchEnd")
        changed()
    canvas.focus()
    made.page.keyboard.press("ArrowRight")
    changed()
    made.page.keyboard.press("-")
    changed()
    assert made.complaints == []
    made.page.close()


def test_the_failing_frame_comes_first_and_others_can_be_chosen(browser: Any, files: dict[str, Path]) -> None:
    made = opened(browser, files["failed"], "desk")
    figure = made.page.locator("figure.viewer").last
    label = figure.locator(".frame-label")
    assert "the failing frame" in label.inner_text()
    near = int(figure.get_attribute("data-drawn"))
    canvas = figure.locator("canvas")
    seen = canvas.evaluate(DRAWN)
    figure.locator("input[type=range]").fill("0")
    seen = other_picture(made, canvas, seen)
    assert "the failing frame" not in label.inner_text()
    figure.locator("select[name=by]").select_option("0")  # the committee's deviation
    seen = other_picture(made, canvas, seen)
    figure.locator("select[name=show]").select_option("all")
    seen = other_picture(made, canvas, seen)
    everything = int(figure.get_attribute("data-drawn"))
    figure.locator("select[name=show]").select_option("molecule")
    other_picture(made, canvas, seen)
    assert int(figure.get_attribute("data-drawn")) < near < everything
    assert everything == 160 + 4 * 10 + 8 * 14 - 1  # atoms and bonds, the broken one apart
    figure.locator("button[name=play]").click()
    until(made, "document.querySelectorAll('figure.viewer')[1].querySelector('input').value > 1")
    made.page.close()


def test_a_definition_is_one_click_away(browser: Any, files: dict[str, Path], device: str) -> None:
    made = opened(browser, files["held"], device)
    made.page.locator(".numbers a", has_text="t_stab").first.click()
    assert made.page.evaluate("location.hash") == "#def-t_stab"
    box = made.page.locator("#def-t_stab").bounding_box()
    assert 0 <= box["y"] < DEVICES[device]["viewport"]["height"]
    made.page.close()


def test_a_closed_run_opens_when_a_link_leads_into_it(browser: Any, files: dict[str, Path]) -> None:
    made = opened(browser, files["all"], "desk")
    made.page.evaluate("for (const part of document.querySelectorAll('details')) part.open = false")
    assert made.page.locator("#failed-numbers").is_hidden()
    made.page.evaluate("location.hash = 'failed-numbers'")
    made.page.wait_for_selector("#failed-numbers", state="visible")
    made.page.close()


def test_dark_and_printed_pages_can_be_read(browser: Any, files: dict[str, Path]) -> None:
    """Text and its background differ in lightness by far; printing is on white and without controls."""
    lightness = """() => ['backgroundColor', 'color'].map(name => {
      const [r, g, b] = getComputedStyle(document.body)[name].match(/[0-9.]+/g).map(Number);
      return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
    })"""
    made = opened(browser, files["failed"], "desk", color_scheme="dark")
    back, ink = made.page.evaluate(lightness)
    assert back < 0.15 < 0.8 < ink
    fill = made.page.evaluate("getComputedStyle(document.querySelector('figure.picture svg text')).fill")
    assert min(int(part) for part in fill.removeprefix("rgb(").removesuffix(")").split(",")) > 200
    made.page.emulate_media(media="print", color_scheme="dark")
    back, ink = made.page.evaluate(lightness)
    assert ink < 0.2 < 0.99 < back
    assert made.page.locator("nav").is_hidden()
    assert made.page.pdf().startswith(b"%PDF")
    made.page.close()


def test_without_javascript_all_but_the_views_is_there(browser: Any, files: dict[str, Path]) -> None:
    made = browser.new_page(java_script_enabled=False)
    made.goto(files["held"].as_uri())
    assert "The views of structures need JavaScript" in made.locator("noscript").text_content()
    assert made.get_by_text("Held for 0.2 ps of 0.2 ps").is_visible()
    assert made.locator("figure.picture svg").first.is_visible()
    made.close()
