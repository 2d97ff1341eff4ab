"""The conversation store: round trips, migrations, and each way a database can refuse."""

from __future__ import annotations

import sqlite3
import threading

import pytest
from sqlalchemy import create_engine, inspect

from assistant.schema import Assumption, ImageRequest, Turn
from assistant.store import (
    MIGRATIONS,
    Base,
    SavedConversation,
    SavedImage,
    SavedTurn,
    Store,
    StoreError,
    migrate,
    open_store,
)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/conversations.db"


@pytest.fixture
def store(url):
    store = Store(url)
    yield store
    store.close()


def conversation(text="eczema on the elbow", turns=1) -> SavedConversation:
    made = SavedConversation(title=text, state={"stack": [1, 2]})
    for position in range(turns):
        request = ImageRequest(count=2, rash="eczema", area="elbow", tone="fair", severity="mild", seed=2**32 - 1)
        turn = Turn(
            act="generate",
            requests=[request, request.model_copy(update={"tone": "black", "severity": None})],
            assumed=[Assumption(slot="area", value="elbow", why="typical site")],
            ignored=["purple"],
            reply="Two images.",
            suggestions=["now on black skin"],
        )
        images = [SavedImage(request=1, position=1, seed=0, file="a/b.png", details={"model": "embedded", "ita": 41.5})]
        made.turns.append(SavedTurn(position=position, text=text, turn=turn, status="done", images=images))
    return made


def test_what_is_saved_is_loaded(store, url):
    saved = conversation(turns=3)
    store.save(saved, saved.turns)
    again = Store(url)
    assert again.load(saved.id) == saved
    assert again.load("0" * 32) is None


def test_saving_twice_changes_nothing_and_a_change_replaces(store):
    saved = conversation()
    store.save(saved, saved.turns)
    store.save(saved, saved.turns)
    assert store.load(saved.id) == saved
    saved.turns[0].status = "stopped"
    saved.turns[0].images.append(SavedImage(request=0, position=0, seed=7, file="c.png"))
    store.save(saved, saved.turns)
    loaded = store.load(saved.id).turns[0]
    assert loaded.status == "stopped"
    assert [(image.request, image.position) for image in loaded.images] == [(0, 0), (1, 1)]


def test_headlines_come_latest_first_and_delete_forgets_one(store):
    first, second = conversation("first"), conversation("second")
    for saved in (second, first):
        store.save(saved, saved.turns)
    assert [headline.title for headline in store.headlines()] == ["second", "first"]
    assert [headline.title for headline in store.headlines(limit=1)] == ["second"]
    store.delete(second.id)
    assert [headline.title for headline in store.headlines()] == ["first"]
    assert store.load(second.id) is None
    assert store.load(first.id) == first


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "**bold** $x$ :smile:", "'; DROP TABLE turn; --", "湿疹 على الرقبة", "x" * 100_000, ""],
)
def test_any_text_comes_back_as_it_was(store, text):
    saved = conversation()
    saved.turns[0].text = text
    store.save(saved, saved.turns)
    assert store.load(saved.id).turns[0].text == text


def test_characters_no_database_takes_are_replaced(store):
    saved = conversation("nul \0 surrogate \ud800")
    store.save(saved, saved.turns)
    assert store.load(saved.id).turns[0].text == "nul � surrogate ?"


def test_migrations_make_the_tables_the_code_reads(url):
    Store(url).close()
    inspector = inspect(create_engine(url))
    for table in Base.metadata.sorted_tables:
        found = {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
        assert found == {column.name: column.nullable for column in table.columns}
        assert inspector.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]


def test_an_older_database_is_brought_up_step_by_step(store, url):
    saved = conversation()
    store.save(saved, saved.turns)
    longer = (*MIGRATIONS, ("ALTER TABLE conversation ADD COLUMN course TEXT NOT NULL DEFAULT 'none'",))
    with create_engine(url).begin() as connection:
        migrate(connection, longer)
        migrate(connection, longer)
        assert connection.exec_driver_sql("SELECT course FROM conversation").scalar() == "none"
        assert connection.exec_driver_sql("SELECT version FROM schema_version ORDER BY 1").scalars().all() == [*range(1, len(longer) + 1)]


def test_a_failed_migration_leaves_nothing_half_done(url):
    store = Store(url)
    broken = (*MIGRATIONS, ("CREATE TABLE course (id TEXT)", "CREATE TABLE turn (id TEXT)"))
    with pytest.raises(Exception, match="already exists"), store._writer.begin() as connection:
        migrate(connection, broken)
    assert "course" not in inspect(create_engine(url)).get_table_names()


def test_a_newer_database_is_refused_in_one_sentence_and_left_alone(url, tmp_path):
    Store(url).close()
    file = sqlite3.connect(tmp_path / "conversations.db")
    file.execute("INSERT INTO schema_version VALUES (99)")
    file.commit()
    before = "\n".join(file.iterdump())
    with pytest.raises(StoreError, match=r"version 99.*newer Script2Skin.*update"):
        Store(url)
    assert "\n".join(file.iterdump()) == before


def test_a_locked_database_is_said_and_the_record_can_be_saved_later(store, tmp_path):
    other = sqlite3.connect(tmp_path / "conversations.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    saved = conversation()
    with pytest.raises(StoreError, match="locked by another program"):
        store.save(saved, saved.turns)
    other.execute("ROLLBACK")
    store.save(saved, saved.turns)
    assert store.load(saved.id) == saved


def test_a_database_locked_before_it_is_opened_is_said(url, tmp_path):
    Store(url).close()
    other = sqlite3.connect(tmp_path / "conversations.db", isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="locked by another program"):
        Store(url).headlines()
    other.close()


def test_a_full_disk_is_said(store):
    """SQLite's own limit of pages raises the very error of a full disk (sqlite.org/rescode.html#full)."""
    saved = conversation("x" * 100_000)
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1")  # this connection is pooled and used again
    with pytest.raises(StoreError, match="disk is full"):
        store.save(saved, saved.turns)


def test_a_damaged_file_is_said(tmp_path):
    (tmp_path / "conversations.db").write_bytes(b"these are not the pages you look for" * 100)
    with pytest.raises(StoreError, match="damaged"):
        open_store(tmp_path)


def test_a_home_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        open_store(tmp_path / "file" / "home")


def test_an_address_that_is_none_is_said():
    with pytest.raises(StoreError, match="is not one"):
        open_store("unused", "conversations")
    with pytest.raises(StoreError, match="cannot be used"):
        open_store("unused", "nosuchdatabase://host/name")


def test_a_password_is_not_shown():
    with pytest.raises(StoreError) as raised:
        open_store("unused", "nosuchdatabase://user:secret@host/name")
    assert "secret" not in str(raised.value)


def test_servers_that_start_at_once_make_the_tables_once(url):
    errors = []

    def start():
        try:
            Store(url).save(saved := conversation(), saved.turns)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(Store(url).headlines()) == 6
