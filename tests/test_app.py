"""The page through Streamlit's own AppTest, with a real, tiny pipeline behind it."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from assistant import Trained
from assistant.settings import settings
from generation import Card, offer, write_card
from generation.job import Studio
from tests.generation.test_lora import save_adapter
from tests.models import write_classifier

APP = Path(__file__).parent.parent / "streamlit_app.py"
SENTENCE = "Generate a few images of eczema at the back of the neck on fair skin"
HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(2)> **bold** [link](http://x.y) $latex$ :smile: `code`\n# big"
)


@pytest.fixture
def page(tiny_model, monkeypatch):
    """Opens the page, as a browser would at an address; every test is a server of its own."""
    monkeypatch.setenv("SCRIPT2SKIN_MODEL", str(tiny_model))
    monkeypatch.setenv("SCRIPT2SKIN_STEPS", "2")
    settings.cache_clear()
    st.cache_resource.clear()
    studios = []

    class WatchedStudio(Studio):
        def __init__(self):
            super().__init__()
            studios.append(self)

    monkeypatch.setattr("generation.job.Studio", WatchedStudio)

    def open_page(conversation: str | None = None) -> AppTest:
        at = AppTest.from_file(str(APP), default_timeout=60)
        if conversation:
            at.query_params["c"] = conversation
        return run(at)

    yield open_page
    for studio in studios:
        studio.shutdown()
    st.cache_resource.clear()


def run(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception, at.exception
    return at


def say(at: AppTest, text: str) -> AppTest:
    at.chat_input[0].set_value(text)
    return run(at)


def drawn(at: AppTest) -> AppTest:
    """Run the page again until nothing is drawn any more: what the browser's polling does."""
    until = time.monotonic() + 180
    while button(at, "Stop"):
        assert time.monotonic() < until, "still drawing"
        time.sleep(0.05)
        run(at)
    return at


def button(at: AppTest, label: str):
    return next((found for found in at.button if found.label == label), None)


def click(at: AppTest, label: str) -> AppTest:
    found = button(at, label)
    assert found, f"no button {label!r} among {[b.label for b in at.button]}"
    found.click()
    return run(at)


def legends(at: AppTest) -> list[str]:
    return [found.value for found in at.markdown if " skin**" in found.value]


def replies(at: AppTest) -> list[str]:
    return [message.markdown[0].value for message in at.chat_message if message.markdown]


def typed(at: AppTest) -> list[str]:
    return [found.value for found in at.text]


def test_a_newcomer_finds_sentences_to_click_and_a_click_draws(page):
    at = page()
    assert at.title[0].value == "What would you like to see?"
    drawn(click(at, SENTENCE))
    assert typed(at) == [SENTENCE]
    assert len(at.get("image")) == len(legends(at)) == 3
    assert "eczema type of rash at the back of the neck area on a fair skin" in legends(at)[0]
    assert not at.title


def test_every_first_sentence_is_drawn_as_it_says(page):
    import streamlit_app
    from assistant import Conversation

    requests = [Conversation().say(sentence).requests for sentence in streamlit_app.FIRST_SENTENCES]
    assert [sum(r.count for r in some) for some in requests] == [3, 6, 2, 2]
    assert [r.tone for r in requests[3]] == ["fair", "olive"]


def test_a_follow_up_and_a_suggestion_continue_the_conversation(page):
    at = drawn(say(page(), SENTENCE))
    drawn(say(at, "now on black skin"))
    assert [legend.split("**")[1] for legend in legends(at)] == ["Fair skin"] * 3 + ["Black skin"] * 3
    seeds = [legend.split("seed ")[1].split()[0].rstrip("]") for legend in legends(at)]
    assert seeds[:3] == seeds[3:]
    suggestion = next(b for b in at.button if b.key and b.key.startswith("say-"))
    label = suggestion.label
    suggestion.click()
    drawn(run(at))
    assert typed(at)[-1] == label.replace("\\", "")


def test_stop_keeps_what_is_finished_and_the_rest_can_be_drawn(page):
    at = page()
    at.number_input(key="steps").set_value(60)
    say(at, "twelve images of acne on the face on brown skin")
    until = time.monotonic() + 180
    while not at.get("image"):
        assert time.monotonic() < until
        run(at)
    click(at, "Stop")
    drawn(at)
    images = len(at.get("image"))
    assert 1 <= images < 12
    assert f"{12 - images} of 12 images are missing" in at.warning[0].value
    at.number_input(key="steps").set_value(2)
    drawn(click(at, "Draw the rest"))
    assert len(at.get("image")) == 12
    assert not at.warning


def test_a_guidance_that_another_model_cannot_have_falls_to_its_most(page, tiny_model):
    told = Path(shutil.copytree(tiny_model, settings().home / "models" / "told"))
    (told / "script2skin.json").write_text('{"guidance_most": 6}')
    at = page()
    at.number_input(key="guidance_scale").set_value(9.5)
    run(at)
    at.selectbox(key="model").set_value("told")
    run(at)
    assert at.number_input(key="guidance_scale").value == at.number_input(key="guidance_scale").max == 6


@pytest.fixture
def trained_run(tiny_model, tmp_path):
    """A finished run that added scabies to a base of two conditions, offered as "scabies-lora"."""
    base = Path(shutil.copytree(tiny_model, settings().home / "models" / "skin"))
    vocabulary = {"area": ["elbow"], "tone": ["fair", "black"]}
    write_card(base, Card(steps=2, trained=Trained(rash=["eczema", "acne"], **vocabulary)))
    final = tmp_path / "run" / "final"
    save_adapter(base, final / "lora")
    write_card(final, Card(base="skin", lora="lora", trained=Trained(rash=["eczema", "acne", "scabies"], **vocabulary)))
    assert offer(final, "scabies-lora") == "scabies-lora"
    return final


def test_a_trained_run_is_chosen_and_draws_what_it_added(page, trained_run):
    at = page()
    at.selectbox(key="model").set_value("skin")
    assert "scabies-lora" in at.selectbox(key="model").options
    say(run(at), "one image of scabies on the elbow on fair skin")
    assert not at.get("image"), "its base does not know scabies"
    at.selectbox(key="model").set_value("scabies-lora")
    drawn(say(run(at), "one image of scabies on the elbow on fair skin"))
    assert len(at.get("image")) == 1 and "scabies type of rash" in legends(at)[0]
    captions = [caption.value.replace("\\", "") for caption in at.sidebar.caption]
    assert "scabies-lora is skin with a LoRA adapter." in captions
    assert any("skin did not know scabies" in caption for caption in captions)


def test_a_run_that_is_deleted_while_it_is_chosen_is_said(page, trained_run):
    at = page()
    at.selectbox(key="model").set_value("scabies-lora")
    drawn(say(run(at), "one image of scabies on the elbow on fair skin"))
    shutil.rmtree(trained_run)
    drawn(say(at, "now on black skin"))
    for error in (at.main.error[0].value, at.sidebar.error[0].value):
        assert "is gone" in error
    assert len(at.get("image")) == 1
    at.selectbox(key="model").set_value("skin")
    drawn(say(run(at), "one image of eczema on the elbow on fair skin"))
    assert len(at.get("image")) == 2


def test_a_picture_that_may_pass_for_another_condition_says_so(page, tiny_model):
    write_classifier(Path(shutil.copytree(tiny_model, settings().home / "models" / "looking")), sees="acne")
    at = page()
    at.selectbox(key="model").set_value("looking")
    drawn(say(run(at), "an image of eczema at the back of the neck on fair skin"))
    assert "may pass for acne" in legends(at)[0]
    drawn(say(at, "acne on the chin, fair skin"))
    assert "may pass" not in legends(at)[1]


def test_few_training_pictures_are_said_and_a_damaged_count_stops_nobody(page, tiny_model):
    counted = Path(shutil.copytree(tiny_model, settings().home / "models" / "counted")) / "coverage.json"
    counted.write_text('{"exact": true, "tones": ["fair", "black", ""], "counts": {"photos": {"acne": {"chin": [60, 2, 0]}}}}')
    at = page()
    at.selectbox(key="model").set_value("counted")
    drawn(say(run(at), "one image of acne on the chin on fair skin"))
    drawn(say(at, "now on black skin"))
    assert ["Few training pictures" in reply for reply in replies(at)] == [False, True]
    assert "acne on the chin on black skin (2)" in replies(at)[1]
    counted.write_text("{")
    drawn(say(at, "one image of acne on the nose on fair skin"))
    assert "not a valid count of training pictures" in at.sidebar.error[0].value
    assert len(at.get("image")) == 3


def test_reload_and_restart_lose_nothing(page):
    at = drawn(say(page(), SENTENCE))
    address = "".join(at.query_params["c"])
    again = page(address)
    assert legends(again) == legends(at)
    st.cache_resource.clear()  # another server process
    again = page(address)
    assert typed(again) == [SENTENCE]
    assert legends(again) == legends(at)
    drawn(say(again, "now on black skin"))
    assert len(again.get("image")) == 6


def test_past_conversations_are_opened_and_deleted(page):
    at = drawn(say(page(), SENTENCE))
    click(at, "New conversation")
    assert at.title and "c" not in at.query_params
    drawn(say(at, "one image of psoriasis on the elbow on fair skin"))
    old = next(b for b in at.button if b.label.startswith("Generate a few images"))
    old.click()
    run(at)
    assert typed(at) == [SENTENCE]
    click(at, "Delete")
    assert at.title
    assert not any(b.label.startswith("Generate a few images of ec") and b.key.startswith("open") for b in at.button)


def test_an_unknown_address_is_said(page):
    at = page("0123456789abcdef")
    assert "No conversation is kept under this address" in at.warning[0].value
    assert at.title


def test_zoom_shows_one_image_with_its_neighbours(page):
    at = drawn(say(page(), SENTENCE))
    click(at, "Zoom")
    assert len(at.get("image")) == 4
    assert button(at, "Previous").disabled and not button(at, "Next").disabled


def test_user_text_is_shown_as_typed_and_never_as_markdown_or_html(page):
    at = say(page(), HOSTILE)
    assert typed(at) == [HOSTILE]
    labels = " ".join(b.label for b in at.button)
    shown = " ".join([m.value for m in at.markdown] + [c.value for c in at.caption]) + labels
    shown = re.sub(r"\\.", "", shown)  # what Markdown takes literally
    for mark in ("<script", "<img", "**bold", "[link]", "$latex$", ":smile:", "`code`"):
        assert mark not in shown


@pytest.mark.parametrize(
    "text",
    ["?", "\x00\x01\ufffd", "湿疹", "a" * 100_000, "-3 images of eczema", "0 images of acne", "10000 images of acne"],
    ids=["mark", "binary", "script", "huge", "negative", "zero", "many"],
)
def test_odd_input_is_answered_and_the_conversation_goes_on(page, text):
    at = say(page(), text)
    assert replies(at)[0]
    assert not at.get("image")
    assert max(len(value) for value in typed(at)) < 1000
    drawn(say(at, "one image of eczema on the elbow on fair skin"))
    assert len(at.get("image")) == 1


def test_a_missing_model_is_one_sentence_and_the_conversation_goes_on(page, tiny_model, monkeypatch):
    monkeypatch.setenv("SCRIPT2SKIN_MODEL", "nowhere")
    settings.cache_clear()
    at = drawn(say(page(), SENTENCE))
    assert "nowhere" in at.main.error[0].value
    assert "nowhere" in at.sidebar.error[0].value
    assert not at.get("image")
    monkeypatch.setenv("SCRIPT2SKIN_MODEL", str(tiny_model))
    settings.cache_clear()
    at = drawn(say(page("".join(at.query_params["c"])), "now on black skin"))
    assert len(at.get("image")) == 3


def test_a_locked_and_a_newer_database_are_one_sentence_each(page):
    at = drawn(say(page(), SENTENCE))
    file = sqlite3.connect(settings().home / "conversations.db", isolation_level=None)
    file.execute("BEGIN IMMEDIATE")
    drawn(say(at, "now on black skin"))
    assert "locked by another program" in at.main.warning[-1].value
    assert len(at.get("image")) == 6
    file.execute("INSERT INTO schema_version VALUES (99)")
    file.execute("COMMIT")
    st.cache_resource.clear()
    at = page()
    assert "newer Script2Skin" in at.sidebar.warning[0].value
    drawn(say(at, SENTENCE))
    assert "newer Script2Skin" in at.main.warning[-1].value
    assert len(at.get("image")) == 3


def test_two_tabs_draw_at_once(page):
    one, two = page(), page()
    say(one, SENTENCE)
    say(two, "two images of psoriasis on the elbow on brown skin")
    assert len(drawn(two).get("image")) == 2
    assert len(drawn(one).get("image")) == 3


def test_the_page_says_that_images_are_synthetic(page):
    at = page()
    assert any("synthetic" in caption.value and "diagnosis" in caption.value for caption in at.sidebar.caption)


def test_no_torch_before_the_first_image(tmp_path):
    code = f"""
        import sys
        from streamlit.testing.v1 import AppTest
        at = AppTest.from_file({str(APP)!r}, default_timeout=60).run()
        assert not at.exception and at.title
        assert "spacy" not in sys.modules, "the parser is loaded before anything is said"
        at.chat_input[0].set_value("what can you do").run()
        assert not at.exception and len(at.chat_message) == 2
        loaded = {{"torch", "diffusers", "transformers"}} & set(sys.modules)
        assert not loaded, loaded
    """
    environment = {"SCRIPT2SKIN_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, env=environment, cwd=APP.parent)
