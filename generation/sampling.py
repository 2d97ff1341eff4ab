"""Drawing latents and decoding them: one micro-batch at a time, one random generator an image.

Kernels add up in another order when the batch has another size, so the last bits of image 3 drawn in a batch of 4
differ from those of image 3 drawn alone. Therefore a micro-batch always has the same size, and an image always the
same place in it: alone means that the other places are filled with copies and thrown away. With the default size 1
nothing is wasted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from generation.errors import SamplingError

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from PIL import Image


@dataclass(frozen=True)
class Sampling:
    """How a picture is drawn, next to what is on it."""

    steps: int
    #: Classifier-free guidance (Ho and Salimans 2022); 1 or less is without, at half the cost unless the U-Net is told the
    #: scale (Meng et al. 2023) and evaluates once whatever it is.
    guidance_scale: float
    guidance_rescale: float
    #: Size of a micro-batch; part of the record, since other sizes change the last bits.
    batch_size: int
    #: Side of the square image in pixels.
    resolution: int
    #: How many times at most an image is drawn again because its skin has not the colour of the tone asked for.
    tone_tries: int = 0
    #: By how many stops at most the exposure of such an image is set before it is drawn again.
    exposure: float = 0.0
    #: How many of the first steps are drawn as for one tone, whichever is asked for.
    shared_steps: int = 0
    #: In the step after those, how far beyond its own tone the caption goes, as a share of the way from the shared one.
    shared_push: float = 0.0
    #: Of a picture that is matched to one in another tone: how many of the last steps it goes through again once it is recoloured.
    redrawn_steps: int = 0
    #: How many times at most an image is drawn again because it looks like another condition.
    rash_tries: int = 0

    def record(self) -> dict[str, Any]:
        return asdict(self)


class Stopped(Exception):
    """Raised inside the pipeline to leave it between two steps."""


def check(sampling: Sampling, pipeline: StableDiffusionPipeline, guidance_most: float) -> None:
    """Raises `SamplingError` for settings that this pipeline cannot run with."""
    most = pipeline.scheduler.config.num_train_timesteps
    if not 1 <= sampling.steps <= most:
        raise SamplingError(f"The number of steps is {sampling.steps}; it must be from 1 to {most}.")
    if not 0 <= sampling.guidance_scale <= guidance_most:
        raise SamplingError(f"The guidance is {sampling.guidance_scale:g}; it must be from 0 to {guidance_most:g}.")
    if not 0 <= sampling.tone_tries <= 20:
        raise SamplingError(f"The number of tries for the tone is {sampling.tone_tries}; it must be from 0 to 20.")
    if not 0 <= sampling.rash_tries <= 20:
        raise SamplingError(f"The number of tries for the rash is {sampling.rash_tries}; it must be from 0 to 20.")
    if not 0 <= sampling.exposure <= 1:
        raise SamplingError(f"The exposure may be set by {sampling.exposure:g} stops; it must be from 0 to 1.")
    if not 1 <= sampling.batch_size <= 256:
        raise SamplingError(f"The batch size is {sampling.batch_size}; it must be from 1 to 256.")


def draw_batch(
    pipeline: StableDiffusionPipeline,
    caption: str,
    seeds: Sequence[int | None],
    sampling: Sampling,
    on_step: Callable[[int, int], None],
    cancelled: Callable[[], bool],
    opening: str | None = None,
    start: Sequence[Image.Image | None] | None = None,
) -> list[torch.Tensor | None]:
    """Draw one micro-batch.

    Args:
        caption: canonical caption, all that the text encoder sees.
        seeds: ``sampling.batch_size`` seeds; None is an empty place.
        on_step: called with (step from 1, number of steps) after every denoising step.
        cancelled: asked after every step.
        opening: the caption of the first ``sampling.shared_steps`` steps, where it is another one (eDiff-I, arXiv 2211.01324:
            what is where is decided in the first steps).
        start: pictures to go on from, one a place, through the last ``sampling.redrawn_steps`` steps alone (SDEdit, arXiv 2108.01073).

    Returns:
        For every place a decoded picture, float32 [3, height, width] nominally in [-1, 1], or None for an empty place.

    Raises:
        Stopped: ``cancelled`` said so.
        SamplingError: not enough memory.
    """
    import torch

    told = _encoded(pipeline, caption, len(seeds), sampling.guidance_scale)
    then: tuple[torch.Tensor, torch.Tensor | None] | None = None
    if start is None and sampling.shared_steps and opening not in (None, caption):
        told, then = _encoded(pipeline, opening, len(seeds), sampling.guidance_scale), told

    def after_step(pipe: Any, step: int, _timestep: Any, tensors: dict) -> dict:
        on_step(step + 1, pipe.num_timesteps)
        if cancelled():
            raise Stopped
        if then is not None and 0 <= step + 1 - sampling.shared_steps <= 1:
            own = then[0]
            if step + 1 == sampling.shared_steps:  # the shared steps left it in between; as if the tone were further still
                own = own + sampling.shared_push * (own - told[0])
            tensors["prompt_embeds"] = torch.cat([then[1], own]) if pipe.do_classifier_free_guidance else own
        return tensors

    filler = next(place for place, seed in enumerate(seeds) if seed is not None)
    generators = [torch.Generator("cpu").manual_seed(seeds[filler] if seed is None else seed) for seed in seeds]
    if start is None:
        draw, more = pipeline, {"guidance_rescale": sampling.guidance_rescale, "height": sampling.resolution, "width": sampling.resolution}
    else:
        from diffusers import StableDiffusionImg2ImgPipeline

        draw = StableDiffusionImg2ImgPipeline(**pipeline.components, requires_safety_checker=False)
        draw.set_progress_bar_config(disable=True)
        # int(steps × strength) are taken, and a third of six must be two
        images = [start[filler] if seed is None else image for seed, image in zip(seeds, start, strict=True)]
        more = {"image": images, "strength": (sampling.redrawn_steps + 0.5) / sampling.steps}
    try:
        with torch.inference_mode():
            latents = draw(
                prompt_embeds=told[0],
                negative_prompt_embeds=told[1],
                generator=generators,
                num_inference_steps=sampling.steps,
                guidance_scale=max(1.0, sampling.guidance_scale),  # below 1 there is none either; a told U-Net starts at 1
                callback_on_step_end=after_step,
                callback_on_step_end_tensor_inputs=["latents"] if then is None else ["latents", "prompt_embeds"],
                output_type="latent",
                **more,
            ).images
            scaled = (latents / pipeline.vae.config.scaling_factor).to(pipeline.vae.dtype)
            decoded = pipeline.vae.decode(scaled, return_dict=False)[0].float().cpu()
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise SamplingError(
            f"There is not enough memory for {len(seeds)} images of {sampling.resolution} pixels at a time."
        ) from error
    return [None if seed is None else picture for seed, picture in zip(seeds, decoded, strict=True)]


#: Of every pipeline, what its text encoder said of the captions asked for last: the images of a request have one, and its opening.
_SAID: WeakKeyDictionary[Any, dict[tuple[str, bool], tuple[Any, Any]]] = WeakKeyDictionary()
_MOST_SAID = 64


def _encoded(pipeline: StableDiffusionPipeline, text: str, count: int, guidance_scale: float) -> tuple[Any, Any]:
    """What the U-Net sees of ``text`` and of nothing, as often as there are places; the latter None where it is not needed."""
    both = pipeline.unet.config.time_cond_proj_dim is None and guidance_scale > 1  # as the pipeline decides it
    said = _SAID.setdefault(pipeline, {})
    if (text, both) not in said:
        while len(said) >= _MOST_SAID:
            del said[next(iter(said))]
        said[text, both] = pipeline.encode_prompt([text], pipeline.device, 1, both)
    return tuple(None if part is None else part.expand(count, -1, -1) for part in said[text, both])


def to_rgb(decoded: torch.Tensor) -> Any:
    """8-bit sRGB [height, width, 3] (numpy) of a decoded picture [3, height, width] in [-1, 1]."""
    import torch

    levels = ((decoded.clamp(-1, 1) + 1) * 127.5).round()
    return levels.to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
