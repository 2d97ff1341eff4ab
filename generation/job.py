"""Drawing in the background: one worker a process takes jobs in turn, each can be watched and stopped.

Importing this loads no torch: the worker's thread opens the generator when the first job comes.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from assistant.session import Chat, Part
from assistant.settings import settings
from assistant.store import SavedImage, SavedTurn
from generation.errors import GenerationError

if TYPE_CHECKING:
    from generation import GeneratedImage, Generator

log = logging.getLogger(__name__)

Stage = Literal["waiting", "loading", "drawing", "ended"]
Outcome = Literal["done", "stopped", "failed", "interrupted"]


@dataclass(frozen=True)
class Progress:
    """How far a job is: ``images`` of ``total`` finished, and ``step`` of ``steps`` of the batch being drawn."""

    stage: Stage
    images: int
    total: int
    step: int = 0
    steps: int = 0

    @property
    def fraction(self) -> float:
        """Between 0 and 1; a batch's steps count for one image, so it never runs back."""
        inside = self.step / self.steps if self.steps else 0.0
        return min(1.0, (self.images + inside) / self.total) if self.total else 1.0

    @property
    def words(self) -> str:
        if self.stage == "waiting":
            return "Waiting for other images to be drawn"
        if self.stage == "loading":
            return "Loading the model"
        step = f" · step {self.step} of {self.steps}" if self.steps else ""
        return f"Image {min(self.images + 1, self.total)} of {self.total}{step}"


class Job:
    """The missing images of one turn. ``keep(position, image)`` gets every picture with the place of its
    request in the turn, ``end(outcome, problem)`` the end."""

    def __init__(
        self,
        parts: Sequence[Part],
        settings: dict[str, Any],
        keep: Callable[[int, GeneratedImage], None],
        end: Callable[[Outcome, str], None],
    ):
        self.parts = parts
        self.settings = settings
        self.progress = Progress("waiting", 0, sum(len(part.indices) for part in parts))
        self._keep = keep
        self._end = end
        self._stop: Outcome | None = None

    def stop(self, outcome: Outcome = "stopped") -> None:
        """End within a step; finished images stay."""
        self._stop = self._stop or outcome

    def stopping(self) -> bool:
        return self._stop is not None

    def ended(self) -> bool:
        """Whether nothing is drawn any more; how it went may still be being written down."""
        return self.progress.stage == "ended"

    def run(self) -> None:
        """Draw to the end. Called by the worker; nothing is raised, the outcome says what went wrong."""
        outcome: Outcome = "failed"
        problem = ""
        try:
            problem = self._draw()
            short = self.progress.images < self.progress.total
            outcome = self._stop if self._stop and short else "failed" if problem else "done"
        except Exception as error:
            problem = _sentence(error)
        finally:
            self.progress = replace(self.progress, stage="ended")
            self._end(outcome, problem)

    def _draw(self) -> str:
        """Draw all parts; returns why some pictures are none, in one sentence, or nothing."""
        flaws: list[str] = []
        if not self.stopping():
            self.progress = replace(self.progress, stage="loading")
            generator = opened(self.settings.get("model") or "embedded")
        for part in self.parts:
            if self.stopping():
                break
            before = self.progress.images
            images = generator.draw(
                part.request,
                indices=part.indices,
                steps=self.settings.get("steps"),
                guidance_scale=self.settings.get("guidance_scale"),
                on_step=lambda done, step, steps, before=before: self._watch(before + done, step, steps),
                cancelled=self.stopping,
            )
            for image in images:
                if image.error:
                    flaws.append(image.error)
                else:
                    self._keep(part.position, image)
                self._watch(self.progress.images + 1, 0, 0)
        return f"{len(flaws)} of {self.progress.total} images failed: {flaws[0]}." if flaws else ""

    def _watch(self, images: int, step: int, steps: int) -> None:
        self.progress = Progress("drawing", images, self.progress.total, step, steps)


class Studio:
    """One thread that runs jobs one after another, in the order they came: pipelines are not thread-safe."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def draw(self, chat: Chat, saved: SavedTurn, settings: dict[str, Any] | None = None) -> None:
        """Draw what is missing of a turn, see :meth:`Chat.begin`; a turn that is being drawn is left alone."""
        with self._wake:
            # a turn says that it has ended a moment before its job is gone: who asks for the rest meanwhile gets it
            self._wake.wait_for(lambda: saved.id not in self._jobs or not self._jobs[saved.id].ended(), timeout=10)
            if saved.id in self._jobs:
                return
            parts = chat.begin(saved, settings)
            job = Job(
                parts,
                saved.settings,
                keep=lambda position, image: chat.add_image(saved, _saved_image(position, image), image.png),
                end=lambda outcome, problem: self._end(chat, saved, outcome, problem),
            )
            self._jobs[saved.id] = job
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="script2skin-studio", daemon=True)
                self._thread.start()
                atexit.register(self.shutdown)
            self._waiting.append(job)
            self._wake.notify_all()

    def job(self, saved: SavedTurn) -> Job | None:
        """The job that draws or will draw a turn, if it is of this process."""
        return self._jobs.get(saved.id)

    def shutdown(self, timeout: float = 5.0) -> None:
        """At the end of the process: what is drawn or waits ends as interrupted, and can be taken up again."""
        for job in list(self._jobs.values()):
            job.stop("interrupted")
        until = time.monotonic() + timeout
        while self._jobs and time.monotonic() < until:
            time.sleep(0.02)

    def _end(self, chat: Chat, saved: SavedTurn, outcome: Outcome, problem: str) -> None:
        try:
            chat.finish(saved, outcome, problem)
        finally:
            with self._wake:
                del self._jobs[saved.id]
                self._wake.notify_all()

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._waiting:
                    self._wake.wait()
                job = self._waiting.popleft()
            try:
                job.run()
            except Exception:  # keeping the images failed: the next job must still be drawn
                log.exception("A drawing could not be brought to its end")


_generator: tuple[object, Generator] | None = None


def opened(model: str) -> Generator:
    """The generator of ``model``; the last one used stays in memory until another is asked for, or its files are other ones.
    Only the studio's thread calls this. Raises `generation.CheckpointError`."""
    global _generator
    from generation import Generator, find

    checkpoint = find(model)
    state = (checkpoint, checkpoint.changed())
    if _generator is None or _generator[0] != state:
        _generator = None  # the memory of the old one first
        _generator = (state, Generator.load(model, settings().device))
    return _generator[1]


def _saved_image(position: int, image: GeneratedImage) -> SavedImage:
    return SavedImage(request=position, position=image.index, seed=image.seed, details=image.sidecar)


def _sentence(error: Exception) -> str:
    """One sentence for the chat; what is no error of ours is logged in full as well."""
    if isinstance(error, GenerationError):
        return str(error)
    log.error("Drawing failed", exc_info=error)
    if isinstance(error, MemoryError):
        return "There is not enough memory to draw with this model: ask for fewer images or choose a smaller model."
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"Drawing failed ({type(error).__name__}: {first})."
