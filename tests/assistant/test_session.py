"""A chat without its page: what was said and drawn survives refresh and restart, and outlives a store that refuses."""

from __future__ import annotations

import json
import sqlite3

import pytest

from assistant.session import Chats, missing_parts
from assistant.store import SavedImage, Store

SENTENCE = "three images of eczema at the back of the neck on fair skin"


@pytest.fixture
def chats(tmp_path):
    return Chats(tmp_path)


def restarted(chats: Chats) -> Chats:
    """Another server process on the same folder, after this one has ended."""
    if chats._sign:
        chats._sign.release()
    return Chats(chats.home)


def draw(chat, saved, *which):
    for request, position in which:
        seed = saved.turn.requests[request].image_seeds()[position]
        chat.add_image(
            saved, SavedImage(request=request, position=position, seed=seed, details={"seed": seed}), b"png%d" % seed
        )


def test_a_restart_loses_nothing_and_the_dialogue_goes_on(chats):
    chat = chats.new()
    saved = chat.say(SENTENCE, {"model": "embedded", "steps": 4}, seed=7)
    assert saved.status == "drawing"
    draw(chat, saved, (0, 0), (0, 1), (0, 2))
    chat.finish(saved, "done")

    again = restarted(chats).open(chat.id)
    assert again.saved == chat.saved
    assert [again.png(image) for image in again.turns[0].images] == [b"png7", b"png8", b"png9"]
    follow_up = again.say("now on black skin")
    assert [(r.rash, r.tone, r.seed, r.count) for r in follow_up.turn.requests] == [("eczema", "black", 7, 3)]


def test_a_refreshed_page_finds_the_very_same_chat(chats):
    chat = chats.new()
    chat.say(SENTENCE)
    assert chats.open(chat.id) is chat
    assert chats.open("f" * 32) is None


def test_an_empty_conversation_is_not_kept(chats):
    chats.new()
    assert chats.headlines() == []


def test_every_picture_has_its_sidecar_on_disk(chats):
    chat = chats.new()
    saved = chat.say(SENTENCE, seed=1)
    draw(chat, saved, (0, 0))
    file = chats.images / saved.images[0].file
    assert file.read_bytes() == b"png1"
    assert json.loads(file.with_suffix(".json").read_text()) == {"seed": 1}
    file.unlink()
    assert chat.png(saved.images[0]) is None


def test_a_drawing_is_interrupted_only_when_its_process_has_ended(chats):
    chat = chats.new()
    saved = chat.say(SENTENCE, seed=1)
    draw(chat, saved, (0, 1))
    other = Chats(chats.home)  # a second program, while the first one draws
    assert other.open(chat.id).turns[0].status == "drawing"
    draw(chat, saved, (0, 2))
    assert len(other.open(chat.id).turns[0].images) == 2

    again = restarted(chats).open(chat.id)
    assert again.turns[0].status == "interrupted"
    assert [part.indices for part in missing_parts(again.turns[0])] == [(0,)]
    assert [part.seeds() for part in again.begin(again.turns[0], {"steps": 9})] == [[1]]
    assert again.turns[0].settings == {}, "one turn, one way of drawing"
    assert again.turns[0].status == "drawing"


def test_missing_parts_over_several_requests(chats):
    chat = chats.new()
    saved = chat.say("two images each of eczema and psoriasis on the elbow on fair skin")
    assert [part.indices for part in missing_parts(saved)] == [(0, 1), (0, 1)]
    draw(chat, saved, (0, 0), (0, 1), (1, 0))
    assert [(part.position, part.indices) for part in missing_parts(saved)] == [(1, (1,))]
    draw(chat, saved, (1, 1))
    assert missing_parts(saved) == []


def test_after_undo_the_earlier_pictures_belong_to_the_answer(chats):
    chat = chats.new()
    first = chat.say(SENTENCE)
    draw(chat, first, (0, 0))
    second = chat.say("now on black skin")
    draw(chat, second, (0, 0))
    undone = chat.say("undo")
    assert undone.status == "none"
    assert chat.pictured(undone) is first
    assert chat.pictured(second) is second
    assert chat.pictured(chat.say("hello")) is None


def test_a_locked_database_is_said_and_caught_up_later(chats):
    chat = chats.new()
    chat.say(SENTENCE)
    other = sqlite3.connect(chats.home / "conversations.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    saved = chat.say("now on black skin", seed=5)
    assert "locked" in chat.trouble
    assert saved.turn.requests[0].tone == "black"
    draw(chat, saved, (0, 0))
    assert chats.open(chat.id) is chat
    other.execute("ROLLBACK")
    chat.say("hello")
    assert chat.trouble == ""
    assert restarted(chats).open(chat.id).saved.turns[1].images == saved.images


def test_with_a_newer_database_the_conversation_goes_on_in_memory(tmp_path):
    Store.at_home(tmp_path).close()
    file = sqlite3.connect(tmp_path / "conversations.db")
    file.execute("INSERT INTO schema_version VALUES (99)")
    file.commit()
    chats = Chats(tmp_path)
    chat = chats.new()
    assert chat.say(SENTENCE).turn.act == "generate"
    assert "newer Script2Skin" in chat.trouble
    assert [headline.id for headline in chats.headlines()] == [chat.id]
    assert "newer Script2Skin" in chats.trouble
    assert chats.open(chat.id) is chat


def test_pictures_a_disk_refuses_are_kept_in_memory_and_written_later(chats):
    chat = chats.new()
    saved = chat.say(SENTENCE, seed=1)
    chats.images.write_text("a file where the folder should be")
    draw(chat, saved, (0, 0))
    assert "cannot be written" in chat.trouble
    assert chat.png(saved.images[0]) == b"png1"
    chats.images.unlink()
    draw(chat, saved, (0, 1))
    assert chat.trouble == ""
    again = restarted(chats).open(chat.id)
    assert [again.png(image) for image in again.turns[0].images] == [b"png1", b"png2"]


def test_a_state_that_cannot_be_read_back_is_said(chats):
    chat = chats.new()
    chat.say(SENTENCE)
    file = sqlite3.connect(chats.home / "conversations.db")
    file.execute('UPDATE conversation SET state = \'{"seed": "none"}\'')
    file.commit()
    again = restarted(chats).open(chat.id)
    assert "start afresh" in again.say("now on black skin").turn.reply
    assert "start afresh" not in again.say("eczema on the elbow on fair skin").turn.reply


def test_headlines_and_delete(chats):
    first, second = chats.new(), chats.new()
    first.say("acne on the face\n on fair skin")
    saved = second.say(SENTENCE)
    draw(second, saved, (0, 0))
    assert [headline.title for headline in chats.headlines()] == [SENTENCE, "acne on the face on fair skin"]
    chats.delete(second.id)
    assert [headline.id for headline in chats.headlines()] == [first.id]
    assert chats.open(second.id) is None
    assert not (chats.images / second.id).exists()


def test_a_fault_of_ours_is_said_and_logged_and_the_conversation_goes_on(chats, monkeypatch, caplog):
    chat = chats.new()
    chat.say(SENTENCE)
    with monkeypatch.context() as patch:
        patch.setattr(type(chat._dialogue), "say", lambda *_: 1 / 0)
        assert "nothing has changed" in chat.say("anything").turn.reply
    assert "ZeroDivisionError" in caplog.text
    assert chat.say("now on black skin").turn.requests[0].tone == "black"
