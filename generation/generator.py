"""A checkpoint ready to draw: requests in, pictures with their provenance out."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from assistant.schema import ImageRequest
from assistant.settings import settings
from generation import catalog, files, layout, provenance, rashes
from generation.errors import CheckpointError, SamplingError
from generation.sampling import Sampling

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from PIL import Image


#: Degrees of ITA outside the band of a tone that light alone explains; by eye, on phantoms.
TOLERANCE = 5.0
#: The tone of the steps that all tones share: from the middle of the scale the way is short to every other.
SHARED_TONE = "medium"
#: So many of the pictures drawn last are kept, for the same in another tone: under 20 MB at 512 pixels.
RECENT = 24
#: The least chance of the condition asked for, as the checkpoint's classifier sees it; a picture with less shows another one.
LEAST_CHANCE = 0.3
#: From the seed of a try to the next one's: far enough that no other image of a set has it.
NEXT_TRY = 1_000_003


@dataclass(frozen=True)
class GeneratedImage:
    """One image of a request, or the reason why there is none."""

    request: ImageRequest
    #: Which image of the request, from 0.
    index: int
    seed: int
    #: The provenance record, as in the PNG and the sidecar JSON.
    sidecar: dict[str, Any] = field(repr=False)
    image: Image.Image | None = field(default=None, repr=False)
    #: The file's bytes, record included; re-encoding ``image`` would lose it.
    png: bytes = field(default=b"", repr=False)
    #: In a few words, why the picture is no result; None when it is one.
    error: str | None = None

    @property
    def passes_for(self) -> str | None:
        """The condition that the checkpoint's classifier takes this picture for, where it is not the one asked for."""
        from generation import checks

        return checks.passes_for(self.sidecar)

    @property
    def measured_ita(self) -> float | None:
        """ITA in degrees of the skin as pictured: a colour, never a Fitzpatrick type."""
        tone = self.sidecar.get("measured_tone")
        return tone["ita"] if tone else None

    def save(self, folder: Path) -> Path:
        """Write PNG and sidecar JSON into ``folder``; returns the PNG's path. Raises `SaveError`."""
        if self.error:
            raise ValueError(f"Image {self.index} failed, so there is nothing to save: {self.error}.")
        return provenance.save(self, folder)


class Generator:
    """One loaded checkpoint. Drawing is safe from several threads: they take turns, one micro-batch at a time."""

    def __init__(self, checkpoint: catalog.Checkpoint, parts: layout.Layout, pipeline: StableDiffusionPipeline, beside: dict[str, Any]):
        """Use `Generator.load`."""
        self.checkpoint = checkpoint
        self.card = checkpoint.card
        self._layout = parts
        self._pipeline = pipeline
        self._lock = threading.Lock()
        #: What looks at pictures, made ready for this processor; empty where torch does.
        self._beside = beside
        self._classifier: rashes.Classifier | None = None
        #: The pictures drawn last, by all that they follow from; guarded by the lock.
        self._recent: dict[tuple[Any, ...], _Picture] = {}
        self.model: dict[str, Any] = _identity(checkpoint, parts)
        if parts.classifier:
            self.model["rash_classifier_sha256"] = parts.classifier.sha256
        #: What runs the U-Net and the decoder: "torch", or "openvino" with its version.
        self.runtime: str = getattr(pipeline.unet, "runtime", "torch")

    @classmethod
    def load(
        cls,
        model: str | Path = "embedded",
        device: str = "auto",
        *,
        text_encoder: str | Path | None = None,
        lora: str | Path | None = None,
        lora_scale: float | None = None,
        dtype: str = "auto",
        runtime: str | None = None,
    ) -> Generator:
        """Load a checkpoint; this is where torch is imported (some seconds the first time).

        Args:
            model: a name or folder, see `generation.catalog`.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, …
            text_encoder: fine-tuned CLIP text encoder to use in place of the checkpoint's own: a folder, a training run, or a
                hub repository.
            lora: LoRA adapter, merged into the weights: a ``.safetensors`` file, its folder, a training run, or a hub
                repository.
            lora_scale: how strongly the adapter counts, above 0 and up to 2; 1 for one that is given here, else as the card says.
            dtype: what the U-Net and the autoencoder compute in: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
            runtime: what runs them on a CPU: ``torch``, ``openvino``, or ``auto``; by default as the settings say. The first time
                OpenVINO takes some seconds to convert a model.

        Raises:
            CheckpointError: missing, damaged or incompatible; nothing has been run yet.
        """
        checkpoint = catalog.find(model)
        if lora_scale is None:
            lora_scale = 1.0 if lora else checkpoint.card.lora_scale
        parts = layout.read_layout(
            checkpoint.folder,
            catalog.find_text_encoder(text_encoder) if text_encoder else checkpoint.text_encoder,
            catalog.find_lora(lora) if lora else checkpoint.lora,
            lora_scale,
            checkpoint.base.name if checkpoint.base else checkpoint.name,
        )
        _check_hashes(checkpoint)
        from generation import loading

        device = loading.pick_device(device)
        beside: dict[str, Any] = {}
        numbers, runtime = loading.named_dtype(dtype, device), runtime or settings().runtime
        pipeline = loading.load_pipeline(parts, device, numbers, runtime, checkpoint.card.resolution, beside)
        return cls(checkpoint, parts, pipeline, beside)

    @property
    def resolution(self) -> int:
        """Side of the square image in pixels."""
        return self.card.resolution or self._layout.resolution

    def sampling(
        self,
        steps: int | None = None,
        guidance_scale: float | None = None,
        batch_size: int | None = None,
        tone_tries: int | None = None,
        exposure: float | None = None,
        rash: str | None = None,
        rash_tries: int | None = None,
    ) -> Sampling:
        """Settings as given, else as the checkpoint's card says (for ``rash``). Raises `SamplingError` when out of range."""
        from generation import sampling

        if guidance_scale is None:
            guidance_scale = self.card.guidance_by_rash.get(rash, self.card.guidance_scale)
        chosen = Sampling(
            steps=self.card.steps if steps is None else steps,
            guidance_scale=float(guidance_scale),
            guidance_rescale=self.card.guidance_rescale,
            batch_size=1 if batch_size is None else batch_size,
            resolution=self.resolution,
            tone_tries=self.card.tone_tries if tone_tries is None else tone_tries,
            exposure=self.card.exposure if exposure is None else float(exposure),
            rash_tries=self._rash_tries(rash_tries, rash),
            shared_steps=min(self.card.shared_steps, (self.card.steps if steps is None else steps) - 1),
            shared_push=self.card.shared_push,
            redrawn_steps=self._redrawn(self.card.steps if steps is None else steps, rash),
        )
        sampling.check(chosen, self._pipeline, self.card.guidance_most)
        return chosen

    def _rash_tries(self, given: int | None, rash: str | None) -> int:
        """0 where nobody can say whether a picture shows ``rash``."""
        known = rashes.names(self._layout.classifier) if self._layout.classifier else ()
        if not known or (rash is not None and rash not in known):
            return 0
        return self.card.rash_tries if given is None else given

    def _redrawn(self, steps: int, rash: str | None) -> int:
        """The card's share of ``steps``."""
        own = self.card.redrawn_by_rash.get(rash, self.card.redrawn_steps) if self.card.redrawn_steps else 0
        return min(steps, max(1, round(own * steps / self.card.steps))) if own else 0

    def record(self, request: ImageRequest, index: int, sampling: Sampling) -> dict[str, Any]:
        """The provenance record that image ``index`` will have, but for what is measured on it."""
        settings = {
            **sampling.record(),
            "scheduler": type(self._pipeline.scheduler).__name__,
            "device": self._pipeline.device.type,
            "dtype": str(self._pipeline.unet.dtype).removeprefix("torch."),
            "runtime": self.runtime,
        }
        if not request.matched:  # as in records of before there was such a thing
            del settings["redrawn_steps"]
        if not sampling.rash_tries:
            del settings["rash_tries"]
        record = provenance.record(request, index, self.model, settings)
        word = self.card.identifiers.get(request.rash)
        return {**record, "identifier": word} if word else record

    def draw(
        self,
        request: ImageRequest,
        *,
        steps: int | None = None,
        guidance_scale: float | None = None,
        batch_size: int | None = None,
        tone_tries: int | None = None,
        exposure: float | None = None,
        rash_tries: int | None = None,
        indices: Iterable[int] | None = None,
        on_step: Callable[[int, int, int], None] | None = None,
        cancelled: threading.Event | Callable[[], bool] | None = None,
    ) -> Iterator[GeneratedImage]:
        """Draw the images of a request, each yielded as soon as it is done.

        Image *i* comes from its own seed (``request.image_seed(i)``) and has the same bits whether it is drawn
        alone or with the others, on the same machine and with the same settings.

        Args:
            steps, guidance_scale: as the checkpoint's card says by default.
            batch_size: images at a time, 1 by default. More is faster on a GPU and no faster on a CPU; a micro-batch
                that is not full costs as much as a full one.
            tone_tries: how many times at most an image is drawn again, from a seed that follows from its own, when its skin
                lies more than `TOLERANCE` outside the ITA band of the tone asked for; the nearest is kept, and its record
                says how often. As the checkpoint's card says by default.
            exposure: by how many stops at most the exposure of such an image is set before it is drawn again: a picture taken
                a little too light or too dark keeps all else that way. Its record says by how many; by default as the card says.
            rash_tries: how many times at most an image is drawn again in which the checkpoint's classifier sees another condition
                than the one asked for; the likeliest is kept. As the card says by default; 0 where it has no classifier.
            indices: which images of the request, all by default.
            on_step: called with (images done, step, steps) after every step.
            cancelled: an event, or a function, asked at every step and while waiting for another thread's turn; when
                it says yes the iterator ends, and images already yielded stay valid.

        Raises:
            CaptionError, SamplingError: before anything is drawn, when the first image is asked for.
        """
        from generation import sampling

        chosen = self.sampling(steps, guidance_scale, batch_size, tone_tries, exposure, request.rash, rash_tries)
        self._caption(request)
        stop = _asker(cancelled)
        done = 0

        def progress(step: int, total: int) -> None:
            if on_step:
                on_step(done, step, total)

        for batch in _batches(_indices(request, indices), chosen.batch_size):
            seeds = [None if index is None else request.image_seed(index) for index in batch]
            if not _acquire(self._lock, stop):
                return
            try:
                pictures = self._drawn(request, seeds, chosen, progress, stop)
            except sampling.Stopped:
                return
            finally:
                self._lock.release()
            for index, picture in zip(batch, pictures, strict=True):
                if index is not None:
                    done += 1
                    yield self._finish(request, index, chosen, picture)

    def _caption(self, request: ImageRequest) -> str:
        """What the text encoder sees. Raises `CaptionError`."""
        from generation import checks

        return checks.check_caption(request, self._pipeline.tokenizer, self.card.identifiers.get(request.rash, ""))

    def _drawn(
        self, request: ImageRequest, seeds: list[int | None], chosen: Sampling, progress: Any, stop: Callable[[], bool]
    ) -> list[_Picture | None]:
        """A picture for every place; where they are matched to one in another tone and its skin can be told, that one in this tone."""
        if not (chosen.redrawn_steps and request.matched and request.matched != request.tone):
            return self._anew(request, seeds, chosen, progress, stop)
        of = request.model_copy(update={"tone": request.matched, "matched": None})
        total = chosen.steps + chosen.redrawn_steps
        keys = self._keys(of, seeds, chosen)
        if all(key is None or key in self._recent for key in keys):
            before = [self._recent.get(key) for key in keys]
        else:
            before = self._anew(of, seeds, chosen, lambda step, _total: progress(step, total), stop)
        matched = self._matched(before, request, seeds, chosen, lambda step, _total: progress(chosen.steps + step, total), stop)
        alone = [None if matched[place] else seed for place, seed in enumerate(seeds)]
        if any(seed is not None for seed in alone):
            others = self._in_tone(request, alone, chosen, progress, stop)
            matched = [mine or (other and other._replace(alone=True)) for mine, other in zip(matched, others, strict=True)]
        return matched

    def _anew(
        self, request: ImageRequest, seeds: list[int | None], chosen: Sampling, progress: Any, stop: Callable[[], bool]
    ) -> list[_Picture | None]:
        """As `_in_tone`, and kept at hand for "now on black skin" where that will be asked for."""
        pictures = self._in_tone(request, seeds, chosen, progress, stop)
        if not chosen.redrawn_steps:
            return pictures
        keys = self._keys(request, seeds, chosen)
        self._recent |= {key: picture for key, picture in zip(keys, pictures, strict=True) if key is not None}
        for key in list(self._recent)[:-RECENT]:
            del self._recent[key]
        return pictures

    def _keys(self, request: ImageRequest, seeds: list[int | None], chosen: Sampling) -> list[tuple[Any, ...] | None]:
        """All that the picture of each place follows from."""
        caption = self._caption(request)
        return [None if seed is None else (caption, seed, place, chosen) for place, seed in enumerate(seeds)]

    def _matched(
        self, before: list[_Picture | None], request: ImageRequest, seeds: list[int | None], chosen: Sampling, progress: Any, stop: Any
    ) -> list[_Picture | None]:
        """The pictures ``before`` recoloured for the tone of ``request``, and redrawn; None where that cannot be done."""
        from PIL import Image

        from generation import edit, sampling

        start: list[Image.Image | None] = []
        for picture in before:
            image = None
            if picture and not picture.error:
                with contextlib.suppress(edit.EditError):
                    image = Image.fromarray(edit.in_tone(picture.rgb, request.tone, request.rash, request.area))
            start.append(image)
        kept = [seed if image else None for seed, image in zip(seeds, start, strict=True)]
        if not any(start):
            return [None] * len(seeds)
        decoded = sampling.draw_batch(self._pipeline, self._caption(request), kept, chosen, progress, stop, start=start)
        finder = self._beside.get("finder")
        return [None if picture is None else _Picture.of(picture, request.tone, (0, 0), chosen, finder) for picture in decoded]

    def _in_tone(
        self, request: ImageRequest, seeds: list[int | None], chosen: Sampling, progress: Any, stop: Callable[[], bool]
    ) -> list[_Picture | None]:
        """For every place the picture that is as asked, or else the nearest to it of all tries."""
        from generation import sampling

        caption = self._caption(request)
        opening = self._caption(request.model_copy(update={"tone": SHARED_TONE})) if chosen.shared_steps else None
        best: list[_Picture | None] = [None] * len(seeds)
        again = [(0, 0)] * len(seeds)
        wanted = list(seeds)
        while any(seed is not None for seed in wanted):
            tried = [None if seed is None else (seed + sum(times) * NEXT_TRY) % 2**32 for seed, times in zip(wanted, again, strict=True)]
            for place, decoded in enumerate(sampling.draw_batch(self._pipeline, caption, tried, chosen, progress, stop, opening)):
                if decoded is None:
                    continue
                picture = self._seen(_Picture.of(decoded, request.tone, again[place], chosen, self._beside.get("finder")), request.rash, chosen)
                if best[place] is None or picture.fault < best[place].fault:
                    best[place] = picture
                for_tone, for_rash = again[place]
                if picture.off > TOLERANCE and for_tone < chosen.tone_tries:
                    again[place] = for_tone + 1, for_rash
                elif picture.another and for_rash < chosen.rash_tries:
                    again[place] = for_tone, for_rash + 1
                else:
                    wanted[place] = None
        return best

    def _seen(self, picture: _Picture, rash: str, chosen: Sampling) -> _Picture:
        """``picture``, with what the classifier sees in it where it is asked."""
        if picture.error or not chosen.rash_tries:
            return picture
        if self._classifier is None:
            quick = self._beside.get("classifier")
            self._classifier = rashes.read(self._layout.classifier, quick and quick.run)
        chances = self._classifier.chances(picture.rgb)
        seen = max(chances, key=chances.get)
        return picture._replace(seen=seen, chance=chances[rash], another=seen != rash and chances[rash] < LEAST_CHANCE)

    def _finish(self, request: ImageRequest, index: int, chosen: Sampling, picture: _Picture) -> GeneratedImage:
        """Wrap a picture up with its record."""
        from PIL import Image

        from generation import checks

        sidecar = self.record(request, index, chosen)
        seed = sidecar["seed"]
        if picture.error:
            return GeneratedImage(request, index, seed, {**sidecar, "error": picture.error}, error=picture.error)
        sidecar["measured_tone"] = checks.measured_tone(picture.ita, request.tone, picture.again[0], picture.stops)
        if picture.seen:
            sidecar["seen_rash"] = checks.seen_rash(picture.seen, picture.chance, request.rash, not picture.another, picture.again[1])
        if picture.alone:
            sidecar["alone"] = True
        image = Image.fromarray(picture.rgb)
        return GeneratedImage(request, index, seed, sidecar, image, provenance.encode_png(image, sidecar))


class _Picture(NamedTuple):
    """A picture as 8-bit sRGB, or why it is none; the ITA of its skin, how far that is from the tone's band in degrees (0 where
    too little skin shows), and what was done about it."""

    rgb: Any
    error: str | None
    ita: float | None
    off: float
    #: Times that it was drawn before, and came out in another tone, or as another condition.
    again: tuple[int, int]
    stops: float
    #: Of a request that is matched: it could not be, and was drawn like any other.
    alone: bool = False
    #: The condition that the classifier takes it for, and the chance it gives the one asked for; None where it was not asked.
    seen: str | None = None
    chance: float = 1.0
    #: It shows another condition than the one asked for, as far as anybody can tell.
    another: bool = False

    @classmethod
    def of(cls, decoded: Any, tone: str, again: tuple[int, int], chosen: Sampling, finder: Any = None) -> _Picture:
        from generation import checks, ita, lesions, sampling

        if error := checks.failure(decoded):
            return cls(None, error, None, float("inf"), again, 0.0)
        rgb, stops = sampling.to_rgb(decoded), 0.0
        small, chance = lesions.find(rgb, finder)
        lesion = lesions.not_skin(small, chance)
        if (angle := ita.measure(small, lesion)) is None:
            lesion, angle = None, ita.measure(small)  # next to nothing but lesion: better measured with it than not at all
        if chosen.exposure and (stops := ita.stops_into_band(small, tone, chosen.exposure, lesion=lesion, angle=angle)):
            rgb, small = ita.expose(rgb, stops), ita.expose(small, stops)
            angle = ita.measure(small, lesion)
        return cls(rgb, None, angle, 0.0 if angle is None else ita.beyond(angle, tone), again, stops)

    @property
    def fault(self) -> tuple[float, ...]:
        """What is worst about it, first: of several tries the least is kept."""
        return (self.off > TOLERANCE) + self.another, self.off if self.off > TOLERANCE else 0.0, -self.chance


def _check_hashes(checkpoint: catalog.Checkpoint) -> None:
    """The weights are those that the card names, and a derived model's base is the one that it was trained from."""
    card, found = checkpoint.card, layout.weights_sha256(checkpoint.folder)
    if card.sha256 and card.sha256 != found:
        raise CheckpointError(
            f"{checkpoint.folder} is damaged or was changed: its weights are not those that {catalog.CARD} names."
        )
    if card.base_sha256 and card.base_sha256 != found:
        raise CheckpointError(
            f"{checkpoint.name} was trained from other weights than {checkpoint.base.name} has now: give it the base of that time, or "
            "train it again."
        )


def _identity(checkpoint: catalog.Checkpoint, parts: layout.Layout) -> dict[str, Any]:
    """Name and hash of the model, and of what was put in place of its parts; a derived model's hash is its base's."""
    identity: dict[str, Any] = {"name": checkpoint.name, "sha256": layout.weights_sha256(checkpoint.folder)}
    if checkpoint.base:
        identity["base"] = checkpoint.base.name
    if parts.text_encoder.folder != checkpoint.folder / "text_encoder":
        identity["text_encoder_sha256"] = parts.text_encoder.sha256
    if parts.lora:
        identity["lora_sha256"] = files.file_sha256(parts.lora.path)
        if parts.lora.scale != 1:
            identity["lora_scale"] = parts.lora.scale
    return identity


def _indices(request: ImageRequest, indices: Iterable[int] | None) -> list[int]:
    wanted = list(range(request.count)) if indices is None else sorted(set(indices))
    if wanted and not 0 <= wanted[0] <= wanted[-1] < request.count:
        raise SamplingError(f"There is no image {wanted[-1]} in a request for {request.count} (counted from 0).")
    return wanted


def _batches(indices: list[int], size: int) -> Iterator[list[int | None]]:
    """Micro-batches of ``size`` places; image *i* has place ``i % size``, places without an image are None."""
    wanted = set(indices)
    for first in sorted({index - index % size for index in indices}):
        yield [index if index in wanted else None for index in range(first, first + size)]


def _asker(cancelled: threading.Event | Callable[[], bool] | None) -> Callable[[], bool]:
    if cancelled is None:
        return lambda: False
    return cancelled.is_set if isinstance(cancelled, threading.Event) else cancelled


def _acquire(lock: threading.Lock, stop: Callable[[], bool]) -> bool:
    """Wait for the pipeline, but not longer than the person does."""
    while not stop():
        if lock.acquire(timeout=0.1):
            return True
    return False
