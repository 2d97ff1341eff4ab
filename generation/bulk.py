"""Requests into a folder: every picture is saved as it comes, and a run that was stopped goes on where it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.schema import ImageRequest
from generation import provenance
from generation.generator import Generator


@dataclass(frozen=True)
class Kept:
    """One image of a request: its file, or why there is none."""

    #: Number of its request, from 0, and of the image in it.
    request: int
    index: int
    #: The provenance record.
    sidecar: dict[str, Any]
    path: Path | None
    error: str | None = None
    #: Drawn in an earlier run with the very same settings.
    there_before: bool = False


def shared_out(requests: Sequence[ImageRequest], total: int) -> list[ImageRequest]:
    """The same requests with ``total`` images between them, as evenly as it goes; seeds stay.

    Raises:
        ValueError: fewer images than requests.
    """
    if total < len(requests):
        raise ValueError(f"{total} images cannot be shared out over {len(requests)} combinations; ask for more images.")
    base, more = divmod(total, len(requests))
    return [
        request.model_copy(update={"count": base + (number < more)}) for number, request in enumerate(requests)
    ]


def draw_into(
    folder: Path,
    generator: Generator,
    requests: Sequence[ImageRequest],
    *,
    steps: int | None = None,
    guidance_scale: float | None = None,
    batch_size: int | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Iterator[Kept]:
    """Draw and save every image of every request that is not yet in ``folder``.

    Args:
        on_step: called with (step, steps) of the images being drawn.

    Raises:
        GenerationError: of `Generator.draw`, and `SaveError`; files already written stay.
    """
    for number, request in enumerate(requests):
        sampling = generator.sampling(steps, guidance_scale, batch_size, rash=request.rash)
        missing = []
        for index in range(request.count):
            record = generator.record(request, index, sampling)
            path = provenance.saved_at(record, folder)
            if path:
                yield Kept(number, index, provenance.read_sidecar(path.with_suffix(".json")), path, there_before=True)
            else:
                missing.append(index)
        drawn = generator.draw(
            request,
            steps=steps,
            guidance_scale=guidance_scale,
            batch_size=batch_size,
            indices=missing,
            on_step=(lambda _done, step, total: on_step(step, total)) if on_step else None,
        )
        for image in drawn:
            path = None if image.error else image.save(folder)
            yield Kept(number, image.index, image.sidecar, path, image.error)
