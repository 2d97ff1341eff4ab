"""The page in a real headless Chromium: typing, follow-up, stop, zoom, download, reload, restart, nothing from outside."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from generation import read_png
from tests import browser as chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(chromium.chromium() is None, reason="no chromium here; Debian: apt install chromium"),
]

SENTENCE = "Generate a few images of eczema at the back of the neck on fair skin"
HOSTILE = "<script>window.broken=1</script> <img src=x onerror='window.broken=1'> **bold** [link](http://example.com) $x$ :smile: www.example.com"


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_model):
    server = chromium.Server({"home": tmp_path_factory.mktemp("server"), "model": tiny_model, "steps": 4})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def window():
    with chromium.browser() as window:
        yield window


@pytest.fixture
def page(window, server):
    """A fresh tab; afterwards it is certain that the page asked nobody but its own server and nothing broke in it."""
    context = window.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    strangers, errors = [], []
    page.on(
        "request",
        lambda request: request.url.startswith((server.url, "data:", "blob:")) or strangers.append(request.url),
    )
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.url)
    page.get_by_test_id("stChatInputTextArea").wait_for()
    yield page
    context.close()
    assert strangers == []
    assert errors == []


def legends(page) -> list[str]:
    return page.locator("[class*=st-key-card-] [data-testid=stMarkdown]").all_inner_texts()


def test_type_follow_up_reload_and_restart(page, server):
    chromium.say(page, SENTENCE)
    chromium.settle(page, 3)
    chromium.say(page, "now on black skin")
    chromium.settle(page, 6)
    before = legends(page)
    assert [legend.split(" skin")[0] for legend in before] == ["Fair"] * 3 + ["Black"] * 3
    assert "?c=" in page.url

    page.reload()
    chromium.settle(page, 6)
    assert legends(page) == before

    server.restart()
    page.goto(page.url)
    chromium.settle(page, 6)
    assert legends(page) == before


def test_a_click_on_a_suggestion_draws(page):
    page.get_by_role("button", name=SENTENCE).click()
    chromium.settle(page, 3)


def draw_slowly(page) -> None:
    page.get_by_text("How images are drawn").click()
    steps = page.get_by_role("spinbutton", name="Steps")
    steps.fill("100")
    steps.press("Enter")


def test_stop_then_the_rest(page):
    draw_slowly(page)
    chromium.say(page, "ten images of acne on the face on brown skin")
    page.get_by_test_id("stImage").first.wait_for(timeout=150_000)
    page.get_by_role("button", name="Stop").click()
    said = page.get_by_text(re.compile(r"\d+ of 10 images are missing"))
    said.wait_for(timeout=30_000)
    missing = int(re.search(r"(\d+) of 10", said.inner_text())[1])
    chromium.settle(page, 10 - missing)
    assert 1 <= missing <= 9
    assert page.get_by_role("button", name="Draw the rest").is_visible()


def test_a_drawing_that_a_crash_cut_short_can_be_taken_up(page, server):
    draw_slowly(page)
    chromium.say(page, "ten images of acne on the face on brown skin")
    page.get_by_test_id("stImage").first.wait_for(timeout=150_000)
    server.restart(crash=True)
    page.goto(page.url)
    page.get_by_text("Script2Skin was closed during this drawing").wait_for()
    page.get_by_test_id("stImage").first.wait_for()  # what was finished is kept, below the words
    finished = page.get_by_test_id("stImage").count()
    page.get_by_role("button", name="Draw the rest").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("You stopped this drawing").wait_for(timeout=150_000)
    assert page.get_by_test_id("stImage").count() >= finished


def test_zoom_and_download_with_the_original_bytes(page, tmp_path):
    chromium.say(page, SENTENCE)
    chromium.settle(page, 3)
    with page.expect_download() as one:
        page.get_by_role("button", name="PNG").first.click()
    png = Path(one.value.path()).read_bytes()
    record = read_png(png)
    assert record["caption"] == "eczema type of rash at the back of the neck area on a fair skin"
    assert one.value.suggested_filename == f"eczema_back-of-the-neck_fair_{record['seed']:010d}.png"

    with page.expect_download() as everything:
        page.get_by_role("button", name="Download all 3 images").click()
    files = zipfile.ZipFile(everything.value.path())
    assert len(files.namelist()) == 6
    assert files.read(files.namelist()[0]) == png
    assert json.loads(files.read(files.namelist()[1])) == record

    page.get_by_role("button", name="Zoom").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(f"seed {record['seed']}").wait_for()
    dialog.get_by_role("button", name="Next").click()
    dialog.get_by_text(f"seed {record['seed'] + 1}").wait_for()
    picture = dialog.get_by_role("img").bounding_box()
    assert picture["y"] >= 0 and picture["y"] + picture["height"] <= 900


def test_user_text_is_never_rendered(page):
    chromium.say(page, HOSTILE)
    page.get_by_test_id("stChatMessage").nth(1).wait_for()
    assert page.get_by_test_id("stChatMessage").first.inner_text().strip().endswith(HOSTILE)
    for place in ("stChatMessage", "stSidebar"):
        inside = page.get_by_test_id(place)
        for made in ("script", "strong", "a[href]", ".katex", "img[src=x]"):
            assert inside.locator(made).count() == 0, made
    assert "😄" not in page.content()
    assert page.evaluate("window.broken") is None


@pytest.mark.parametrize("width, height", [(390, 844), (1440, 900), (1920, 1080)])
def test_every_width_is_usable(page, width, height):
    page.set_viewport_size({"width": width, "height": height})
    chromium.say(page, "eczema on the elbow in every skin tone")
    chromium.settle(page, 6)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = [image.bounding_box() for image in page.get_by_test_id("stImage").locator("img").all()]
    assert all(130 <= size["width"] <= 420 and size["x"] >= 0 and size["x"] + size["width"] <= width for size in sizes)
    assert page.get_by_test_id("stChatInputTextArea").is_visible()
    assert page.get_by_text("must not be used for diagnosis").last.is_visible()


def test_two_tabs_on_one_conversation(page, window):
    chromium.say(page, SENTENCE)
    chromium.settle(page, 3)
    other = window.new_page()
    other.goto(page.url)
    chromium.settle(other, 3)
    assert legends(other) == legends(page)
    other.close()
