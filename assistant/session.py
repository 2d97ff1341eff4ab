"""What a chat page does, without the page: say, draw, keep, open again.

A :class:`Chats` is one a server process; it hands out one :class:`Chat` a conversation, so two browser tabs on the
same address share it and a refreshed tab finds a drawing still going on. A chat holds everything in memory and writes
it through to the store and the folder of images; when either refuses, the chat says so in one sentence
(:attr:`Chat.trouble`), goes on in memory, and writes what is missing as soon as it can.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from assistant.schema import ImageRequest, Turn
from assistant.store import (
    Headline,
    SavedConversation,
    SavedImage,
    SavedTurn,
    Status,
    Store,
    StoreError,
    new_id,
    now,
    open_store,
)

if TYPE_CHECKING:
    from assistant.conversation import Conversation
    from assistant.coverage import Coverage
    from assistant.frames import Trained

log = logging.getLogger(__name__)

FAULT = "Something in Script2Skin failed on this sentence, so nothing has changed. Please say it in other words."
TITLE_LENGTH = 80
#: Seconds before a store that could not be opened is tried again.
RETRY_S = 10.0


@dataclass(frozen=True)
class Part:
    """Images that are still to be drawn of one request: request ``position`` (from 0) of its turn."""

    position: int
    request: ImageRequest
    #: Which images of the request, from 0.
    indices: tuple[int, ...]

    def seeds(self) -> list[int]:
        seeds = self.request.image_seeds()
        return [seeds[index] for index in self.indices]


def missing_parts(saved: SavedTurn) -> list[Part]:
    """What is still to be drawn for a turn. Each image has its own seed, so any of them can be drawn alone."""
    have = {(image.request, image.position) for image in saved.images}
    parts = []
    for position, request in enumerate(saved.turn.requests):
        indices = tuple(index for index in range(request.count) if (position, index) not in have)
        if indices:
            parts.append(Part(position, request, indices))
    return parts


class Chat:
    """One conversation: what was said and drawn, and the dialogue that goes on from there."""

    def __init__(self, chats: Chats, saved: SavedConversation):
        self.saved = saved
        #: Why something could not be kept, in one sentence; empty when all is kept.
        self.trouble = ""
        self._chats = chats
        self._dialogue: Conversation | None = None
        self._unsaved: dict[str, SavedTurn] = {}
        self._lock = threading.RLock()

    @property
    def id(self) -> str:
        return self.saved.id

    @property
    def turns(self) -> list[SavedTurn]:
        return self.saved.turns

    def say(
        self,
        text: str,
        settings: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
        trained: Trained | None = None,
        coverage: Coverage | None = None,
    ) -> SavedTurn:
        """Answer ``text``; a turn that asks for images comes back with status ``drawing``: start to draw it.

        ``settings`` (model, steps, guidance_scale) are kept with the turn; ``seed`` is used where a new one would be
        drawn; ``trained`` is the checkpoint's vocabulary and ``coverage`` counts what it was trained on.
        """
        with self._lock:
            turn = self._answer(text, seed, trained, coverage)
            saved = SavedTurn(
                position=len(self.turns),
                text=text,
                turn=turn,
                status="drawing" if turn.act == "generate" and turn.requests else "none",
                owner=self._chats.owner,
                settings=dict(settings or {}),
            )
            self.saved.title = self.saved.title or " ".join(text.split())[:TITLE_LENGTH]
            self.turns.append(saved)
            self._write(saved)
            return saved

    def add_image(self, saved: SavedTurn, image: SavedImage, png: bytes) -> None:
        """Keep a picture that was drawn: the file first, then its row."""
        with self._lock:
            image.data = png
            saved.images.append(image)
            self._write(saved)

    def finish(self, saved: SavedTurn, status: Status, problem: str = "") -> None:
        """Say what became of a turn's pictures."""
        with self._lock:
            saved.status, saved.problem = status, problem
            self._write(saved)

    def begin(self, saved: SavedTurn, settings: Mapping[str, Any] | None = None) -> list[Part]:
        """Mark a turn as being drawn by this process, and say what of it is missing.

        ``settings`` replace those that were kept with it, unless some of its images were already drawn with those.
        """
        with self._lock:
            if settings is not None and not saved.images:
                saved.settings = dict(settings)
            saved.status, saved.problem, saved.owner = "drawing", "", self._chats.owner
            self._write(saved)
            return missing_parts(saved)

    def png(self, image: SavedImage) -> bytes | None:
        """The bytes as they were drawn, or None when the file is gone."""
        if image.data:
            return image.data
        try:
            return (self._chats.images / image.file).read_bytes() if image.file else None
        except OSError:
            return None

    def pictured(self, saved: SavedTurn) -> SavedTurn | None:
        """The turn whose images belong under ``saved``: itself, or after an undo the one that was restored."""
        if saved.images:
            return saved
        if saved.turn.act != "undo" or not saved.turn.requests:
            return None
        before = self.turns[: self.turns.index(saved)]
        return next(
            (turn for turn in reversed(before) if turn.images and turn.turn.requests == saved.turn.requests), None
        )

    def _answer(self, text: str, seed: int | None, trained: Trained | None, coverage: Coverage | None) -> Turn:
        from assistant import Conversation

        forgotten = ""
        if self._dialogue is None and self.saved.state:
            try:
                self._dialogue = Conversation.restore(self.saved.state)
            except ValidationError:
                forgotten = "What was said before could not be read back, so I start afresh. "
        if self._dialogue is None:
            self._dialogue = Conversation()
        self._dialogue.trained, self._dialogue.coverage = trained, coverage
        try:
            turn = self._dialogue.say(text, seed)
        except Exception:  # a fault of ours must not end the conversation
            log.exception("No answer to %.200r", text)
            turn = Turn(act="answer", reply=FAULT)
        self.saved.state = self._dialogue.dump()
        return turn.model_copy(update={"reply": forgotten + turn.reply})

    def _write(self, saved: SavedTurn) -> None:
        """Write a turn, with all that could not be written before."""
        self._chats.adopt(self)
        self.saved.updated = now()
        self._unsaved[saved.id] = saved
        try:
            self._write_files()
            self._chats.store().save(self.saved, list(self._unsaved.values()))
        except OSError as error:
            self.trouble = (
                f"Images cannot be written to {self._chats.images} ({error.strerror}); until they can, they are kept in"
                " memory only."
            )
        except StoreError as error:
            self.trouble = str(error)
        else:
            self._unsaved.clear()
            self.trouble = ""

    def _write_files(self) -> None:
        """Move pictures from memory to their files: whole under a passing name, then renamed."""
        for saved in self._unsaved.values():
            for image in saved.images:
                if not image.data:
                    continue
                name = f"{self.id}/{saved.position:04d}-{image.request:02d}-{image.position:02d}-{image.id[:8]}.png"
                path = self._chats.images / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_suffix(".json").write_text(json.dumps(image.details, indent=2, ensure_ascii=False), "utf-8")
                part = path.with_suffix(".part")
                part.write_bytes(image.data)
                part.replace(path)
                image.file, image.data = name, b""


class Chats:
    """The conversations of a server process, kept under the folder ``home``."""

    def __init__(self, home: Path, database_url: str = ""):
        self.home = home
        self.images = home / "images"
        self.owner = new_id()
        #: Why past conversations cannot be read, in one sentence; empty when they can.
        self.trouble = ""
        self._database_url = database_url
        self._store: Store | None = None
        self._failure: tuple[float, StoreError] | None = None
        self._open: dict[str, Chat] = {}
        self._lock = threading.Lock()
        self._sign = self._sign_of_life()

    def store(self) -> Store:
        """The store; :class:`StoreError` when it cannot be opened (tried again every few seconds)."""
        with self._lock:
            if self._store is None:
                if self._failure is not None and time.monotonic() - self._failure[0] < RETRY_S:
                    raise self._failure[1]
                try:
                    self._store = open_store(self.home, self._database_url)
                except StoreError as error:
                    self._failure = (time.monotonic(), error)
                    raise
            return self._store

    def new(self) -> Chat:
        """An empty conversation; it is kept from its first turn on."""
        return Chat(self, SavedConversation())

    def adopt(self, chat: Chat) -> None:
        self._open.setdefault(chat.id, chat)

    def open(self, conversation_id: str) -> Chat | None:
        """The conversation of that id, from memory or the store; None when there is none."""
        chat = self._open.get(conversation_id)
        if chat and not any(turn.status == "drawing" and turn.owner != self.owner for turn in chat.turns):
            return chat
        saved = self._read(lambda store: store.load(conversation_id), None)
        if saved is None:
            return chat
        chat = self._open[conversation_id] = Chat(self, saved)
        for turn in chat.turns:
            if turn.status == "drawing" and not self._alive(turn.owner):
                chat.finish(turn, "interrupted")
        return chat

    def headlines(self, limit: int = 50) -> list[Headline]:
        """Conversations to open again, the latest first; those only in memory are among them."""
        found = {headline.id: headline for headline in self._read(lambda store: store.headlines(limit), [])}
        for chat in list(self._open.values()):
            found[chat.id] = Headline(id=chat.id, title=chat.saved.title, updated=chat.saved.updated)
        return sorted(found.values(), key=lambda headline: headline.updated, reverse=True)[:limit]

    def delete(self, conversation_id: str) -> None:
        """Forget a conversation and its images. Raises :class:`StoreError`."""
        self.store().delete(conversation_id)
        self._open.pop(conversation_id, None)
        folder = self.images / conversation_id
        for file in folder.glob("*"):
            file.unlink(missing_ok=True)
        if folder.is_dir():
            folder.rmdir()

    def _read(self, read: Callable[[Store], Any], otherwise: Any) -> Any:
        try:
            result = read(self.store())
        except StoreError as error:
            self.trouble = str(error)
            return otherwise
        self.trouble = ""
        return result

    def _sign_of_life(self) -> FileLock | None:
        """A lock held as long as this process lives: how another one knows that our drawings still go on."""
        lock = FileLock(self._sign_path(self.owner))
        try:
            Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except (OSError, Timeout):
            return None
        return lock

    def _sign_path(self, owner: str) -> Path:
        return self.home / "running" / f"{owner}.lock"

    def _alive(self, owner: str) -> bool:
        """Whether the process that began a drawing still runs; our own drawings are in memory, so not asked for."""
        if owner == self.owner or not self._sign_path(owner).exists():
            return False
        lock = FileLock(self._sign_path(owner))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:
            return False
        lock.release()
        self._sign_path(owner).unlink(missing_ok=True)
        return False
