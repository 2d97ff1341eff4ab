"""Drawing in the background with a real, tiny pipeline: progress, stop, take up again, errors as sentences."""

from __future__ import annotations

import io
import json
import time
import zipfile

import pytest

from assistant.session import Chats, missing_parts
from generation import read_png, read_request
from generation.download import archive, file_name
from generation.job import Progress, Studio

SENTENCE = "three images of eczema at the back of the neck on fair skin"


@pytest.fixture
def studio():
    studio = Studio()
    yield studio
    studio.shutdown()


@pytest.fixture
def chat(tmp_path):
    return Chats(tmp_path).new()


def wait(condition, seconds=180.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def ask(chat, model, text=SENTENCE, seed=7, **settings):
    return chat.say(text, {"model": str(model), "steps": 2, "guidance_scale": 1.0, **settings}, seed=seed)


def ended(studio, saved):
    wait(lambda: studio.job(saved) is None)
    return saved.status, saved.problem


def test_images_are_drawn_kept_and_reproducible(studio, chat, tiny_model):
    saved = ask(chat, tiny_model)
    studio.draw(chat, saved)
    assert ended(studio, saved) == ("done", "")
    assert [image.seed for image in saved.images] == [7, 8, 9]
    for image in saved.images:
        png = chat.png(image)
        assert read_png(png) == image.details
        assert read_request(image.details) == (saved.turn.requests[0], image.position)


def test_stop_ends_within_a_step_and_the_rest_is_drawn_from_its_seeds(studio, chat, tiny_model):
    whole = ask(chat, tiny_model, steps=5)
    studio.draw(chat, whole)
    ended(studio, whole)

    saved = ask(chat, tiny_model, "the same again", steps=5)
    assert saved.turn.requests == whole.turn.requests
    saved.settings["steps"] = 500  # slow enough to be caught in the middle of an image
    studio.draw(chat, saved)
    job = studio.job(saved)
    wait(lambda: job.progress.step >= 3)
    step, seen = job.progress.step, time.monotonic()
    job.stop()
    assert ended(studio, saved) == ("stopped", "")
    assert job.progress.step <= step + 2
    assert time.monotonic() - seen < 5
    assert saved.images == []

    saved.settings["steps"] = 5
    studio.draw(chat, saved)
    assert ended(studio, saved) == ("done", "")
    assert [chat.png(image) for image in saved.images] == [chat.png(image) for image in whole.images]


def test_finished_images_stay_after_a_stop(studio, chat, tiny_model):
    saved = ask(chat, tiny_model, "twenty images of acne on the face on brown skin", steps=20)
    studio.draw(chat, saved)
    wait(lambda: saved.images)
    studio.job(saved).stop()
    status, _ = ended(studio, saved)
    assert status == "stopped"
    assert 1 <= len(saved.images) < 20
    missing = sum(len(part.indices) for part in missing_parts(saved))
    assert missing == 20 - len(saved.images)
    assert all(chat.png(image) for image in saved.images)


def test_the_rest_can_be_asked_for_while_the_end_is_written_down(studio, chat, tiny_model, monkeypatch):
    saved = ask(chat, tiny_model, steps=5)
    finish = chat.finish

    def slowly(*told):
        finish(*told)
        time.sleep(0.3)

    monkeypatch.setattr(chat, "finish", slowly)
    studio.draw(chat, saved)
    wait(lambda: saved.images)
    studio.job(saved).stop()
    wait(lambda: saved.status == "stopped")
    assert studio.job(saved) is not None, "it is being written down"
    studio.draw(chat, saved)
    assert ended(studio, saved) == ("done", "")
    assert len(saved.images) == 3


def test_two_chats_take_turns_and_a_waiting_one_can_be_stopped(studio, tmp_path, tiny_model):
    chats = Chats(tmp_path)
    one, two, three = chats.new(), chats.new(), chats.new()
    first, second, third = ask(one, tiny_model, steps=100), ask(two, tiny_model), ask(three, tiny_model)
    for chat, saved in ((one, first), (two, second), (three, third)):
        studio.draw(chat, saved)
    waiting = studio.job(second)
    assert waiting.progress.stage == "waiting"
    waiting.stop()
    assert ended(studio, second) == ("stopped", "")
    assert ended(studio, third) == ("done", "")
    assert ended(studio, first) == ("done", "")
    assert len(first.images) == len(third.images) == 3 and second.images == []


def test_a_model_that_is_not_there_is_one_sentence_and_the_next_drawing_works(studio, chat, tiny_model, tmp_path):
    saved = ask(chat, tmp_path / "nowhere")
    studio.draw(chat, saved)
    status, problem = ended(studio, saved)
    assert status == "failed"
    assert "nowhere" in problem and "\n" not in problem and "Error" not in problem
    good = ask(chat, tiny_model)
    studio.draw(chat, good)
    assert ended(studio, good) == ("done", "")


def test_a_damaged_model_is_one_sentence(studio, chat, tmp_path, tiny_model):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    weights = next((broken / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    saved = ask(chat, broken)
    studio.draw(chat, saved)
    status, problem = ended(studio, saved)
    assert status == "failed"
    assert "unet" in problem and "\n" not in problem


def test_shutdown_leaves_drawings_interrupted(studio, chat, tiny_model):
    saved = ask(chat, tiny_model, steps=500)
    studio.draw(chat, saved)
    wait(lambda: studio.job(saved).progress.stage == "drawing")
    studio.shutdown()
    assert saved.status == "interrupted"


def test_progress_never_runs_back(studio, chat, tiny_model):
    saved = ask(chat, tiny_model, "psoriasis and acne on the back on fair and on brown skin", steps=8)
    studio.draw(chat, saved)
    job, seen = studio.job(saved), []
    while studio.job(saved):
        seen.append(job.progress)
        time.sleep(0.002)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert {progress.total for progress in seen} == {4}
    assert Progress("drawing", 1, 4, 3, 8).words == "Image 2 of 4 · step 3 of 8"


def test_the_archive_holds_the_very_bytes_and_their_sidecars(studio, chat, tiny_model):
    saved = ask(chat, tiny_model)
    studio.draw(chat, saved)
    ended(studio, saved)
    file = zipfile.ZipFile(io.BytesIO(archive((image, chat.png(image)) for image in saved.images)))
    assert file_name(saved.images[0]) == "eczema_back-of-the-neck_fair_0000000007.png"
    assert file.namelist()[:2] == [
        "01_eczema_back-of-the-neck_fair_0000000007.png",
        "01_eczema_back-of-the-neck_fair_0000000007.json",
    ]
    assert len(file.namelist()) == 6
    assert file.read(file.namelist()[0]) == chat.png(saved.images[0])
    assert json.loads(file.read(file.namelist()[1])) == saved.images[0].details
