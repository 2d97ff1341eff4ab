"""The U-Net, from scratch, on cached latents of a finished autoencoder and cached outputs of a frozen text tower.

v-prediction (Salimans & Ho 2022, arXiv 2202.00512) with zero terminal SNR and trailing steps (Lin et al. 2024, arXiv
2305.08891); uniform weights over time, because min-SNR weights with these two put 0 on the step that sampling starts from.
The loss counts a lesion's place more: it is a few of 256 places.
"""

from __future__ import annotations

import copy
import hashlib
import json
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from pydantic import Field
from tqdm import tqdm
from transformers import CLIPTextModel, CLIPTokenizer

from training import parallel, plots
from training.autoencoder import Source, gather
from training.dataset import Images, Record, fingerprint
from training.guided import plain
from training.norm import quicken
from training.patches import BASIS, Basis
from training.precision import compiled, mixed
from training.run import Run, Schedule, StepRandom, Strict, load, pick_device
from training.text import encode_captions, text_tower


class Net(Strict):
    """Cross-attention at the two finer levels; the caption also joins the time embedding, pooled by attention."""

    block_out_channels: tuple[int, int, int] = (80, 160, 256)
    heads: tuple[int, int, int] = (2, 4, 4)
    norm_num_groups: int = 16

    def build(self, latent_channels: int, latent_size: int, text_width: int) -> UNet2DConditionModel:
        return UNet2DConditionModel(
            sample_size=latent_size,
            in_channels=latent_channels,
            out_channels=latent_channels,
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            block_out_channels=self.block_out_channels,
            attention_head_dim=self.heads,
            layers_per_block=1,
            norm_num_groups=self.norm_num_groups,
            cross_attention_dim=text_width,
            resnet_time_scale_shift="scale_shift",
            addition_embed_type="text",
            addition_embed_type_num_heads=8,
        )


class Emphasis(Strict):
    low: int = 450
    high: int = 950
    share: float = Field(default=0.0, ge=0, lt=1)


class LatentRecipe(Strict):
    """What every training on latents and captions is told."""

    run: Path
    #: Runs of the autoencoder (its decoder may still be learning) and of a finished CLIP, or a checkpoint that has both.
    autoencoder: Path
    clip: Path
    data: tuple[Source, ...]
    device: str = "auto"
    schedule: Schedule
    #: A latent place that is all lesion counts 1 + this.
    lesion_weight: float = Field(default=3.0, ge=0)
    #: Timesteps that get ``share`` of the draws on top of their uniform part: where sites and outlines are decided.
    emphasis: Emphasis = Emphasis()
    #: Each picture is also learnt mirrored: captions name no side.
    mirror: bool = True
    #: Look for new pictures in the folders of ``data`` while training, for data that are still being drawn. What a step draws
    #: then depends on when they came, and a resumed run is no repetition of an uninterrupted one. One process only.
    grows: bool = False
    #: Where encoded pictures are kept, for runs to share; in the run's own folder unless given.
    latents: Path | None = None
    #: Compile the U-Net (a minute or two, worth it on a GPU).
    compile: bool = False
    #: Captions drawn at every checkpoint, with this many steps and this guidance.
    show: tuple[str, ...] = ()
    steps: int = Field(default=20, ge=1)
    guidance_scale: float = 3.0


class UNetRecipe(LatentRecipe):
    kind: Literal["unet"]
    net: Net = Net()
    #: A checkpoint in diffusers' pipeline layout whose U-Net to go on from, in place of a new ``net``.
    start: Path | None = None
    #: Share of captions replaced by the empty one, for classifier-free guidance.
    caption_dropout: float = Field(default=0.1, ge=0, le=1)


def noise_scheduler() -> DDPMScheduler:
    """The schedule that the U-Net is trained under; the pipeline samples with it or with one made from its config.

    Ancestral steps (Ho et al. 2020, arXiv 2006.11239): the fresh noise of each mends what a U-Net with little training got
    wrong in the last. From the same weights DDIM drew jagged moles and torn fingers where this drew round and whole ones.
    """
    return DDPMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,  # without effect on trailing steps; the pipeline warns of 0
        rescale_betas_zero_snr=True,
        clip_sample=False,
    )


def step_scheduler() -> DDIMScheduler:
    """The same schedule without fresh noise (Song et al. 2021, arXiv 2010.02502): for a student that leaps, `training.guidance`."""
    config = {k: v for k, v in noise_scheduler().config.items() if k != "_use_default_values"}
    return DDIMScheduler.from_config({**config, "set_alpha_to_one": True})


SAMPLERS = {"ddpm": noise_scheduler, "ddim": step_scheduler}
Sampler = Literal["ddpm", "ddim"]


@dataclass
class Batch:
    """Latents (N, C, h, w) and the noise that is laid over them at ``times`` (N,), captions' outputs (N, tokens, width)."""

    clean: torch.Tensor
    noise: torch.Tensor
    times: torch.Tensor
    text: torch.Tensor
    #: (N, 1, h, w) what each place counts.
    weight: torch.Tensor
    #: ᾱ of every timestep.
    alphas: torch.Tensor
    #: Latents under their noise, and the velocity that made them so.
    noisy: torch.Tensor = field(init=False)
    velocity: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        noisy, self.velocity = velocity(self.clean, self.noise, self.alphas[self.times])
        self.noisy = noisy.contiguous(memory_format=torch.channels_last)

    def at(self, times: torch.Tensor) -> Batch:
        """The same pictures under the same noise at other ``times``."""
        return Batch(self.clean, self.noise, times, self.text, self.weight, self.alphas)

    def with_noisy(self, noisy: torch.Tensor, times: torch.Tensor) -> Batch:
        """The same captions with noisy pictures that a sampler made; ``velocity`` is not theirs."""
        moved = copy.copy(self)
        moved.times = times
        moved.noisy = noisy.contiguous(memory_format=torch.channels_last)
        return moved

    def loss(self, out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return ((out.float() - target).square() * self.weight).mean() / self.weight.mean()


class Material:
    """Latents and captions of a recipe, from which batches are drawn; and pictures of what was learnt."""

    def __init__(self, recipe: LatentRecipe, device: torch.device) -> None:
        self.recipe, self.device = recipe, device
        autoencoder = load(AutoencoderKL, recipe.autoencoder, "vae").to(device)
        self.text_encoder, self.tokenizer = text_tower(recipe.clip)
        self.text_encoder.to(device)
        self.store = Latents(recipe.latents or recipe.run / "latents", autoencoder, recipe.autoencoder / BASIS, recipe.mirror)
        self.alphas = noise_scheduler().alphas_cumprod.to(device)
        self.number: dict[str, int] = {}
        self.records: list[Record] = []
        self.weights, self.caption = np.zeros(0), np.zeros(0, int)
        self.latents = self.lesion = self.embeddings = torch.zeros(0)
        records, weights = gather(recipe.data)
        with parallel.one_after_another():
            found = self.store.of(records)
        self.empty = 0
        self._learn_captions({""})
        self._add(records, weights, *found)
        learn = np.array([record.split == "train" for record in records])
        self.held_out = np.flatnonzero(~learn & np.array([bool(record.text) for record in records]))[:128]
        self._found: queue.SimpleQueue = queue.SimpleQueue()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, args=({r.path for r in records},), daemon=True)
        if recipe.grows and parallel.alone():
            self._watcher.start()

    def _add(self, records: list[Record], weights: np.ndarray, latents: torch.Tensor, lesion: torch.Tensor) -> None:
        self._learn_captions({record.text for record in records})
        self.records = [*self.records, *records]
        self.weights = np.concatenate([self.weights, weights])
        self.caption = np.concatenate([self.caption, [self.number[record.text] for record in records]])
        self.latents = _joined(self.latents, latents.to(self.device))
        self.lesion = _joined(self.lesion, lesion.to(self.device))
        named = np.array([bool(record.text) for record in self.records])
        learn = np.array([record.split == "train" for record in self.records]) & named
        self.chances = np.where(learn, self.weights, 0) / self.weights[learn].sum()

    def _learn_captions(self, captions: Iterable[str]) -> None:
        new = sorted(set(captions) - self.number.keys())
        if new:
            self.number |= {caption: len(self.number) + i for i, caption in enumerate(new)}
            told = encode_captions(self.text_encoder, self.tokenizer, new)
            self.embeddings = _joined(self.embeddings, told.to(self.device))

    def _watch(self, known: set[Path]) -> None:
        while not self._ended.wait(15):
            try:
                known |= self._look(known)
            except (OSError, ValueError, RuntimeError) as error:  # a file half written, no memory: what is there is learnt
                print(f"No new pictures: {error}", flush=True)

    def end(self) -> None:
        """Look for no more pictures; waits for those that are being encoded, because a thread in the midst of that aborts a process
        that ends."""
        self._ended.set()
        if self._watcher.is_alive():
            self._watcher.join(timeout=60)

    def _look(self, known: set[Path]) -> set[Path]:
        """Encode pictures that were added to the folders, for `batch` to take in; gives their paths."""
        records, weights = gather(self.recipe.data)
        new = [i for i, record in enumerate(records) if record.path not in known]
        if new:
            added = [records[i] for i in new]
            self._found.put((added, weights[new], *self.store.of(added)))
        return {records[i].path for i in new}

    def text(self, captions: np.ndarray) -> torch.Tensor:
        return self.embeddings[torch.as_tensor(captions).to(self.device, non_blocking=True)].float()

    def batch(self, random: StepRandom, dropout: float = 0.0) -> Batch:
        """A training batch, ``dropout`` of its captions replaced by the empty one."""
        while not self._found.empty():
            self._add(*self._found.get())
        rows = random.numpy.choice(len(self.records), self.recipe.schedule.batch, p=self.chances)
        captions = np.where(random.numpy.random(len(rows)) < dropout, self.empty, self.caption[rows])
        return self._batch(rows, captions, random, self.recipe.emphasis)

    def held_out_batch(self) -> Batch | None:
        """The same held-out pictures, noise and uniform times whenever it is asked for; None where nothing is held out."""
        rows = self.held_out
        return self._batch(rows, self.caption[rows], StepRandom(0, 0), None) if len(rows) else None

    def _batch(self, rows: np.ndarray, captions: np.ndarray, random: StepRandom, emphasis: Emphasis | None) -> Batch:
        device = self.device
        places = torch.from_numpy(rows * self.latents.shape[1] + random.numpy.integers(self.latents.shape[1], size=len(rows)))
        places = places.to(device, non_blocking=True)
        clean, lesion = (kept.flatten(0, 1)[places].float() for kept in (self.latents, self.lesion))
        times = stratified_times(len(rows), len(self.alphas), random.torch, emphasis).to(device, non_blocking=True)
        noise = torch.randn(clean.shape, generator=random.on(device), device=device)
        return Batch(clean, noise, times, self.text(captions), 1 + self.recipe.lesion_weight * lesion, self.alphas)

    def show(
        self, model: UNet2DConditionModel, picture: Path, sampler: Sampler = "ddpm", steps: int | None = None
    ) -> None:
        """Draw the recipe's captions, with the newest decoder, in the recipe's number of steps unless another is given."""
        if self.recipe.show:
            newest = load(AutoencoderKL, self.recipe.autoencoder, "vae").to(self.device)
            pipe = pipeline(model, newest, self.text_encoder, self.tokenizer, sampler)
            draw(pipe, self.recipe.show, steps or self.recipe.steps, self.recipe.guidance_scale, picture)


def _joined(kept: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
    return torch.cat([kept, added]) if len(kept) else added


def train(recipe: UNetRecipe) -> Run:
    device = pick_device(recipe.device)
    torch.manual_seed(recipe.schedule.seed)
    material = Material(recipe, device)
    if recipe.start is None:
        *_, channels, side, _ = material.latents.shape
        model = recipe.net.build(channels, side, material.embeddings.shape[2])
    else:
        model = plain(load(UNet2DConditionModel, recipe.start, "unet")).train().requires_grad_(True)
    model = quicken(model, device)
    model.save_config(recipe.run / "model")
    run = Run(recipe.run, recipe, recipe.schedule, model, fingerprint(material.records))
    learner = compiled(model) if recipe.compile else model

    def loss_of(batch: Batch, net: UNet2DConditionModel) -> torch.Tensor:
        with mixed(device):
            out = net(batch.noisy, batch.times, batch.text).sample
        return batch.loss(out, batch.velocity)

    def loss(step: int, random: StepRandom) -> dict[str, torch.Tensor]:
        return {"loss": loss_of(material.batch(random, recipe.caption_dropout), learner)}

    @torch.no_grad()
    def validate(picture: Path) -> dict[str, float]:
        material.show(model, picture)
        held_out = material.held_out_batch()
        return {} if held_out is None else {"loss_held_out": loss_of(held_out, model).item()}

    try:
        run.fit(loss, validate)
    finally:
        material.end()
    return run


def velocity(clean: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """x_t = √ᾱ·x + √(1−ᾱ)·ε and v = √ᾱ·ε − √(1−ᾱ)·x, for ``alpha`` = ᾱ (N,)."""
    signal, noisiness = alpha.sqrt().view(-1, 1, 1, 1), (1 - alpha).sqrt().view(-1, 1, 1, 1)
    return signal * clean + noisiness * noise, signal * noise - noisiness * clean


def stratified_times(
    count: int, steps: int, generator: torch.Generator, emphasis: Emphasis | None = None
) -> torch.Tensor:
    """Timesteps (count,), one from each of ``count`` equally likely parts: the same mean, less noise in the loss.

    Uniform, or with ``emphasis.share`` of the draws uniform between its bounds and the others uniform over all.
    """
    parts = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    if emphasis is not None and emphasis.share:
        low, high, share = emphasis.low, emphasis.high, emphasis.share
        chance = [0, (1 - share) * low / steps, (1 - share) * high / steps + share, 1]
        parts = torch.from_numpy(np.interp(parts.numpy(), chance, [0, low / steps, high / steps, 1]))
    return (parts * steps).long().clamp(max=steps - 1)


class Latents:
    """Latents kept on disk, in shards of up to 1024 images, so that images added later are the only ones encoded."""

    def __init__(
        self, folder: Path, autoencoder: AutoencoderKL, basis: Path, mirror: bool = False, resolution: int | None = None
    ) -> None:
        """With a file ``basis`` the encoder is that projection, which is a hundred times quicker as one convolution.

        ``resolution``: side of the images in pixels; the autoencoder's own unless given.
        """
        self.resolution = resolution or autoencoder.config.sample_size
        size = "" if self.resolution == autoencoder.config.sample_size else f"-{self.resolution}"
        self.folder = folder / (weights_hash(autoencoder)[:12] + size + ("-mirrored" if mirror else ""))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.autoencoder = autoencoder
        self.basis = Basis.load(basis) if basis.exists() else None
        self.mirror = mirror

    def of(self, records: list[Record]) -> tuple[torch.Tensor, torch.Tensor]:
        """(latents float16 (N, sides, C, h, w), lesion share of each place float16 (N, sides, 1, h, w)), as ``records`` go.

        One side, or two with ``mirror``: the picture and its mirror image.
        """
        known: dict[str, tuple[int, int]] = {}
        shards = sorted(self.folder.glob("*.json"))
        for number, shard in enumerate(shards):
            known |= {name: (number, row) for row, name in enumerate(json.loads(shard.read_text()))}
        missing = [record for record in records if str(record.path) not in known]
        for start in range(0, len(missing), 1024):
            part = missing[start : start + 1024]
            path = self._encode(part, len(shards))
            known |= {str(record.path): (len(shards), row) for row, record in enumerate(part)}
            shards.append(path)
        places = [known[str(record.path)] for record in records]
        stored = {s: torch.load(shards[s].with_suffix(".pt"), weights_only=True) for s in {s for s, _ in places}}
        return tuple(torch.stack([stored[s][kind][row] for s, row in places]) for kind in ("latents", "lesion"))

    @torch.no_grad()
    def _encode(self, records: list[Record], number: int) -> Path:
        images = Images(records, self.resolution)
        latents, lesion = [], []
        at_once = max(1, 16 * 256**2 // self.resolution**2)  # at 512 pixels four, for a GPU with 8 GB
        for start in tqdm(range(0, len(records), at_once), f"Latents, {at_once} at a time", disable=None):
            rows = range(start, min(start + at_once, len(records)))
            images.ready(rows)
            pixels = torch.from_numpy(np.stack([images.image(i) for i in rows])).permute(0, 3, 1, 2) / 127.5 - 1
            latents.append(self._sides(pixels, self._latent).half().cpu())
            side = latents[-1].shape[-1]
            shares = torch.stack([pooled(images.mask(i), side) for i in rows])
            lesion.append(self._sides(shares, lambda x: x).half())
        path = self.folder / f"{number:05d}.json"
        torch.save({"latents": torch.cat(latents), "lesion": torch.cat(lesion)}, path.with_suffix(".pt"))
        aside = path.with_suffix(".new")  # the list last and whole: with it a shard counts
        aside.write_text(json.dumps([str(record.path) for record in records]))
        aside.replace(path)
        return path

    def _sides(self, pictures: torch.Tensor, through: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        return torch.stack([through(x) for x in ((pictures, pictures.flip(3)) if self.mirror else (pictures,))], 1)

    def _latent(self, pixels: torch.Tensor) -> torch.Tensor:
        if self.basis is not None:
            return self.basis.encode(pixels)
        device = self.autoencoder.device
        with mixed(device):
            return self.autoencoder.encode(pixels.to(device)).latent_dist.mean * self.autoencoder.config.scaling_factor


def pooled(mask: np.ndarray | None, side: int) -> torch.Tensor:
    """Share of lesion in each place of a latent, float32 (1, side, side); 0 where nothing was marked."""
    if mask is None:
        return torch.zeros(1, side, side)
    blocks = mask.reshape(side, mask.shape[0] // side, side, mask.shape[1] // side)
    return torch.from_numpy(blocks.mean((1, 3), dtype=np.float32) / 255)[None]


def weights_hash(model: torch.nn.Module) -> str:
    """SHA-256 over the encoder-side weights of an autoencoder: the decoder may be sharpened without new latents."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if name.startswith(("encoder.", "quant_conv.")):
            digest.update(name.encode() + value.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()


def pipeline(
    unet: UNet2DConditionModel,
    autoencoder: AutoencoderKL,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    sampler: Sampler = "ddpm",
) -> StableDiffusionPipeline:
    """The pipeline that the chat will load, from parts in memory."""
    pipe = StableDiffusionPipeline(
        unet=unet,
        vae=autoencoder,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        scheduler=SAMPLERS[sampler](),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@torch.no_grad()
def draw(pipe: StableDiffusionPipeline, captions: tuple[str, ...], steps: int, guidance_scale: float, out: Path) -> None:
    """A sheet of one image a caption, each from its own generator, six to a row; captions beside it as JSON."""
    images = []
    for start in range(0, len(captions), 8):
        part = list(captions[start : start + 8])
        generators = [torch.Generator().manual_seed(start + i) for i in range(len(part))]
        with mixed(pipe.device):
            drawn = pipe(
                part,
                num_inference_steps=steps,
                guidance_scale=guidance_scale,
                generator=generators,
                output_type="np",
            ).images
        images.append((drawn * 255).round().astype(np.uint8))
    plots.grid(np.concatenate(images), 6, out)
    out.with_suffix(".json").write_text(json.dumps(list(captions), indent=1) + "\n")
