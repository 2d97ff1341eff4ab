"""The conversation store: every turn, request and image record in SQLite, or any database SQLAlchemy reaches.

    SavedConversation 1─n SavedTurn 1─n ImageRequest, 1─n SavedImage

Records carry ids made here, not by the database, so a record that could not be written (locked file, full disk)
is complete in memory and is simply written again later: :meth:`Store.save` is idempotent. The pictures themselves
are files; a row holds the path relative to the folder of images.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import JSON, BigInteger, Connection, ForeignKey, String, create_engine, event, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload

from assistant.schema import ImageRequest, Turn

#: How long a write waits for another program's lock before it gives up, in milliseconds. Chosen by eye: long
#: enough for a second tab's write, short enough that a chat does not feel stuck.
BUSY_MS = 1500

#: What became of the pictures of a turn. ``none``: it asked for none.
Status = Literal["none", "drawing", "done", "stopped", "failed", "interrupted"]


def new_id() -> str:
    return uuid.uuid4().hex


def now() -> datetime:
    """UTC without a zone: what every database stores alike."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


class StoreError(Exception):
    """The conversation store cannot be read or written; the message is one sentence for the user."""


# ── what travels ────────────────────────────────────────────────────────────────────────────────────────────────


class SavedImage(BaseModel):
    """One picture of a turn: image ``position`` (from 0) of request ``request`` (from 0)."""

    id: str = Field(default_factory=new_id)
    request: int
    position: int
    seed: int
    #: Path relative to the folder of images; empty when the file could not be written.
    file: str = ""
    #: What the generator says of it: model and its hash, steps, guidance, measured tone …
    details: dict[str, Any] = Field(default_factory=dict)
    #: PNG bytes kept in memory because the disk did not take them; never stored.
    data: bytes = Field(default=b"", exclude=True, repr=False)


class SavedTurn(BaseModel):
    """One utterance with its answer and the pictures drawn for it."""

    id: str = Field(default_factory=new_id)
    position: int
    created: datetime = Field(default_factory=now)
    text: str
    turn: Turn
    status: Status = "none"
    #: One sentence when the pictures failed.
    problem: str = ""
    #: Server process that draws it, see :mod:`assistant.session`.
    owner: str = ""
    #: Model, steps and guidance that were set when it was asked.
    settings: dict[str, Any] = Field(default_factory=dict)
    images: list[SavedImage] = Field(default_factory=list)


class SavedConversation(BaseModel):
    """A conversation with its turns in order; ``state`` is what the dialogue needs to go on."""

    id: str = Field(default_factory=new_id)
    title: str = ""
    created: datetime = Field(default_factory=now)
    updated: datetime = Field(default_factory=now)
    state: dict[str, Any] = Field(default_factory=dict)
    turns: list[SavedTurn] = Field(default_factory=list)


class Headline(BaseModel):
    """A past conversation in a list."""

    id: str
    title: str
    updated: datetime


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012  SQLAlchemy reads it as it stands


class ConversationRow(Base):
    __tablename__ = "conversation"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    title: Mapped[str]
    created: Mapped[datetime]
    updated: Mapped[datetime]
    state: Mapped[dict[str, Any]]
    turns: Mapped[list[TurnRow]] = relationship(order_by="TurnRow.position, TurnRow.created")


class TurnRow(Base):
    __tablename__ = "turn"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversation.id"))
    position: Mapped[int]
    created: Mapped[datetime]
    text: Mapped[str]
    act: Mapped[str]
    reply: Mapped[str]
    #: The rest of the answer: assumed, ignored, suggestions.
    notes: Mapped[dict[str, Any]]
    status: Mapped[str]
    problem: Mapped[str]
    owner: Mapped[str]
    settings: Mapped[dict[str, Any]]
    requests: Mapped[list[RequestRow]] = relationship(order_by="RequestRow.position")
    images: Mapped[list[ImageRow]] = relationship(order_by="ImageRow.request, ImageRow.position")


class RequestRow(Base):
    __tablename__ = "request"
    turn_id: Mapped[str] = mapped_column(ForeignKey("turn.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int]
    rash: Mapped[str]
    area: Mapped[str]
    tone: Mapped[str]
    severity: Mapped[str | None]
    size: Mapped[str | None]
    number: Mapped[str | None]
    seed: Mapped[int] = mapped_column(BigInteger)
    caption: Mapped[str]
    matched: Mapped[str | None]


class ImageRow(Base):
    __tablename__ = "image"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    turn_id: Mapped[str] = mapped_column(ForeignKey("turn.id"))
    request: Mapped[int]
    position: Mapped[int]
    seed: Mapped[int] = mapped_column(BigInteger)
    file: Mapped[str]
    details: Mapped[dict[str, Any]]


#: Statements that bring a database from version n to n + 1, in portable SQL. A released entry is never edited: a change
#: of the tables above is a new entry here. ``tests/assistant/test_store.py`` holds the two against each other.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE conversation (
            id VARCHAR(32) NOT NULL PRIMARY KEY, title TEXT NOT NULL, created TIMESTAMP NOT NULL,
            updated TIMESTAMP NOT NULL, state JSON NOT NULL)""",
        """CREATE TABLE turn (
            id VARCHAR(32) NOT NULL PRIMARY KEY, conversation_id VARCHAR(32) NOT NULL REFERENCES conversation (id),
            position INTEGER NOT NULL, created TIMESTAMP NOT NULL, text TEXT NOT NULL, act VARCHAR(16) NOT NULL,
            reply TEXT NOT NULL, notes JSON NOT NULL, status VARCHAR(16) NOT NULL, problem TEXT NOT NULL,
            owner VARCHAR(32) NOT NULL, settings JSON NOT NULL)""",
        "CREATE INDEX turn_of_conversation ON turn (conversation_id, position)",
        """CREATE TABLE request (
            turn_id VARCHAR(32) NOT NULL REFERENCES turn (id), position INTEGER NOT NULL, count INTEGER NOT NULL,
            rash TEXT NOT NULL, area TEXT NOT NULL, tone TEXT NOT NULL, severity TEXT, size TEXT, number TEXT,
            seed BIGINT NOT NULL, caption TEXT NOT NULL, PRIMARY KEY (turn_id, position))""",
        """CREATE TABLE image (
            id VARCHAR(32) NOT NULL PRIMARY KEY, turn_id VARCHAR(32) NOT NULL REFERENCES turn (id),
            request INTEGER NOT NULL, position INTEGER NOT NULL, seed BIGINT NOT NULL, file TEXT NOT NULL,
            details JSON NOT NULL)""",
        "CREATE INDEX image_of_turn ON image (turn_id)",
    ),
    ("ALTER TABLE request ADD COLUMN matched TEXT",),
)


def migrate(connection: Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Bring the database to the newest version; one of a newer version is refused with :class:`StoreError`."""
    connection.execute(text("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)"))
    version = connection.execute(text("SELECT MAX(version) FROM schema_version")).scalar() or 0
    if version > len(migrations):
        raise StoreError(
            f"The conversation database is of version {version}, made by a newer Script2Skin than this one (version"
            f" {len(migrations)}): update Script2Skin, or point SCRIPT2SKIN_DATABASE_URL at another database."
        )
    for number, statements in enumerate(migrations[version:], start=version + 1):
        for statement in statements:
            connection.execute(text(statement))
        connection.execute(text("INSERT INTO schema_version (version) VALUES (:version)"), {"version": number})


# ── the store ───────────────────────────────────────────────────────────────────────────────────────────────────


class Store:
    """Conversations in the database at ``url``. Every method may raise :class:`StoreError`; all are thread-safe."""

    def __init__(self, url: str | URL):
        try:
            self.url = make_url(url)
        except SQLAlchemyError:
            raise StoreError(
                f"The database address {url!r} is not one: give something like sqlite:////path/to/conversations.db."
            ) from None
        with self._explained():
            try:
                self._engine = create_engine(self.url, **_engine_options(self.url))
            except ImportError as error:  # the driver of that database is not installed
                raise StoreError(f"The conversation database {_shown(self.url)} cannot be used: {error}.") from None
            if self.url.get_backend_name() == "sqlite":
                _prepare_sqlite(self._engine)
            # SQLite cannot turn a read into a write when another program wrote in between: a write says so at once.
            self._writer = self._engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
            if not self._is_current():
                with self._writer.begin() as connection:
                    migrate(connection)

    @classmethod
    def at_home(cls, home: Path) -> Store:
        """The default: a SQLite file in the folder ``home``, which is made."""
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The folder {home} for conversations cannot be made ({error.strerror}): they are kept in memory only."
            ) from None
        return cls(URL.create("sqlite", database=str(home / "conversations.db")))

    def close(self) -> None:
        self._engine.dispose()

    def save(self, conversation: SavedConversation, turns: Sequence[SavedTurn]) -> None:
        """Write ``conversation`` with those ``turns`` of it: all or nothing; what is stored already is replaced."""
        with self._explained(), Session(self._writer) as session, session.begin():
            session.merge(_conversation_row(conversation))
            session.flush()
            for turn in turns:
                session.merge(_turn_row(turn, conversation.id))

    def load(self, conversation_id: str) -> SavedConversation | None:
        """The conversation with all its turns, or None when there is none of that id."""
        query = (
            select(ConversationRow)
            .where(ConversationRow.id == conversation_id)
            .options(
                selectinload(ConversationRow.turns).options(
                    selectinload(TurnRow.requests), selectinload(TurnRow.images)
                )
            )
        )
        with self._explained(), Session(self._engine) as session:
            row = session.scalar(query)
            return None if row is None else _saved_conversation(row)

    def headlines(self, limit: int = 50) -> list[Headline]:
        """Past conversations, the latest first."""
        query = select(ConversationRow).order_by(ConversationRow.updated.desc()).limit(limit)
        with self._explained(), Session(self._engine) as session:
            return [Headline(id=row.id, title=row.title, updated=row.updated) for row in session.scalars(query)]

    def delete(self, conversation_id: str) -> None:
        """Forget a conversation; its image files are the caller's to remove."""
        with self._explained(), Session(self._writer) as session, session.begin():
            turns = select(TurnRow.id).where(TurnRow.conversation_id == conversation_id).scalar_subquery()
            for table in (ImageRow, RequestRow):
                session.execute(table.__table__.delete().where(table.turn_id.in_(turns)))
            session.execute(TurnRow.__table__.delete().where(TurnRow.conversation_id == conversation_id))
            session.execute(ConversationRow.__table__.delete().where(ConversationRow.id == conversation_id))

    def _is_current(self) -> bool:
        """Whether there is nothing to migrate: then opening it needs no write lock."""
        with self._engine.connect() as connection:
            if not inspect(connection).has_table("schema_version"):
                return False
            return connection.execute(text("SELECT MAX(version) FROM schema_version")).scalar() == len(MIGRATIONS)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn whatever the database says into one sentence."""
        try:
            yield
        except StoreError:
            raise
        except DBAPIError as error:
            raise StoreError(_sentence(str(error.orig), self.url)) from error
        except SQLAlchemyError as error:
            raise StoreError(f"The conversation database {_shown(self.url)} cannot be used: {error}") from error


#: What a driver's message contains → what to tell the user. The messages are SQLite's (sqlite.org/rescode.html).
_SENTENCES: tuple[tuple[str, str], ...] = (
    ("database is locked", "The conversation database {url} is locked by another program"),
    ("disk is full", "The disk is full, so the conversation database {url} takes no more"),
    ("disk I/O error", "The disk with the conversation database {url} reports an error"),
    ("readonly database", "The conversation database {url} is write-protected"),
    ("unable to open", "The conversation database {url} cannot be opened"),
    ("not a database", "The file {url} is damaged or is no conversation database: move it away and a new one is made"),
    ("malformed", "The conversation database {url} is damaged: move it away and a new one is made"),
)


def _sentence(message: str, url: URL) -> str:
    for part, sentence in _SENTENCES:
        if part in message:
            return sentence.format(url=_shown(url)) + "; until then this conversation is kept in memory only."
    return f"The conversation database {_shown(url)} cannot be used ({message.splitlines()[0]}); this conversation is kept in memory only."


def _shown(url: URL) -> str:
    """The address without a password; for SQLite the file alone."""
    return (url.database or "in memory") if url.get_backend_name() == "sqlite" else url.render_as_string()


def _engine_options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() != "sqlite":
        return {"pool_pre_ping": True}
    return {"connect_args": {"timeout": BUSY_MS / 1000}}


def _prepare_sqlite(engine: Any) -> None:
    """Write-ahead log, a busy timeout, checked foreign keys, and transactions begun by us, not by the driver.

    The last is SQLAlchemy's recipe (docs, "Serializable isolation / Savepoints / Transactional DDL"): without it
    sqlite3 commits before CREATE TABLE, and two servers starting at once would both make the tables.
    """

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        _write_ahead(connection)
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))


def _write_ahead(connection: Any) -> None:
    """Switch to the write-ahead log. SQLite does not wait for a lock then, whatever the busy timeout says: we do."""
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


# ── rows and records ────────────────────────────────────────────────────────────────────────────────────────────


def _storable(words: str) -> str:
    """Text every database takes: no NUL (PostgreSQL refuses it), no lone surrogates (UTF-8 has none)."""
    return words.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def _conversation_row(saved: SavedConversation) -> ConversationRow:
    return ConversationRow(
        id=saved.id, title=_storable(saved.title), created=saved.created, updated=saved.updated, state=saved.state
    )


def _turn_row(saved: SavedTurn, conversation_id: str) -> TurnRow:
    turn = saved.turn
    return TurnRow(
        id=saved.id,
        conversation_id=conversation_id,
        position=saved.position,
        created=saved.created,
        text=_storable(saved.text),
        act=turn.act,
        reply=_storable(turn.reply),
        notes=turn.model_dump(mode="json", include={"assumed", "ignored", "suggestions"}),
        status=saved.status,
        problem=saved.problem,
        owner=saved.owner,
        settings=saved.settings,
        requests=[
            RequestRow(turn_id=saved.id, position=position, **request.model_dump())
            for position, request in enumerate(turn.requests)
        ],
        images=[ImageRow(turn_id=saved.id, **image.model_dump()) for image in saved.images],
    )


def _saved_conversation(row: ConversationRow) -> SavedConversation:
    return SavedConversation(
        id=row.id,
        title=row.title,
        created=row.created,
        updated=row.updated,
        state=row.state,
        turns=[_saved_turn(turn) for turn in row.turns],
    )


def _saved_turn(row: TurnRow) -> SavedTurn:
    fields = ImageRequest.model_fields
    requests = [ImageRequest(**{name: getattr(request, name) for name in fields}) for request in row.requests]
    return SavedTurn(
        id=row.id,
        position=row.position,
        created=row.created,
        text=row.text,
        turn=Turn(act=row.act, reply=row.reply, requests=requests, **row.notes),
        status=row.status,
        problem=row.problem,
        owner=row.owner,
        settings=row.settings,
        images=[
            SavedImage(**{name: getattr(image, name) for name in SavedImage.model_fields if name != "data"})
            for image in row.images
        ],
    )


def open_store(home: Path, database_url: str = "") -> Store:
    """The store that the settings name: ``database_url`` if given, else the SQLite file in ``home``."""
    return Store(database_url) if database_url else Store.at_home(home)
