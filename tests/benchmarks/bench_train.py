"""Images a second in fine-tuning beside the loops of the stock example scripts: the same model, data and machine, in one run.

    python tests/benchmarks/bench_train.py lora --data runs/scabies --steps 40
    python tests/benchmarks/bench_train.py clip --data runs/isic2017 --steps 40

The stock loops do at every step what the examples of diffusers (text_to_image, LoRA) and transformers (contrastive image–text)
do: read the image files, scale and turn them, encode them with the autoencoder and their captions with the text tower, through
`accelerate`, in the same number type as ours. Both learn from the same number of images with the same optimizer and rate;
then the loss on the same held-out images under the same noise is compared. Rounds alternate, so that other work on the
machine falls on both.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from training.dataset import read_folder
from training.learning import Lasting, LoRA
from training.precision import quick_dtype
from training.run import StepRandom

RATE = 5e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("lora", "clip"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--base", default="embedded")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--steps", type=int, default=40, help="of each, in all")
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ways = {"lora": lora, "clip": clip}[arguments.kind](arguments, Path(folder))
        compare(ways, arguments)


def compare(ways: dict[str, tuple[Callable[[int], None], Callable[[], float]]], arguments: argparse.Namespace) -> None:
    """Take steps by turns, then measure: each way is a function that takes a step and one that gives its held-out loss."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    before = {way: loss() for way, (_, loss) in ways.items()}
    each = arguments.steps // arguments.rounds
    for turn in range(arguments.rounds):
        for way, (step, _) in ways.items():
            start = time.perf_counter()
            for number in range(turn * each, (turn + 1) * each):
                step(number)
            seconds[way].append(time.perf_counter() - start)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {quick_dtype('cpu')}; {each} steps of {arguments.batch} a round")
    for way, (_, loss) in ways.items():
        speed = statistics.median(each * arguments.batch / taken for taken in seconds[way])
        print(f"{way:6} {speed:7.2f} images a second; held-out loss {before[way]:.4f}, after {each * arguments.rounds} steps {loss():.4f}")
    ratio = statistics.median(a / b for a, b in zip(seconds["stock"], seconds["ours"], strict=True))
    print(f"ours is {ratio:.2f} times as fast")


class Files(torch.utils.data.Dataset):
    """Images as the examples read them: from disk at every epoch."""

    def __init__(self, records: list[Any], size: int, ids: torch.Tensor, mean: float | tuple, std: float | tuple) -> None:
        self.records, self.size, self.ids = records, size, ids
        self.mean, self.std = (torch.tensor(v).view(-1, 1, 1) for v in (mean, std))

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        with Image.open(self.records[row].path) as file:
            image = file.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255
        if torch.rand(()) < 0.5:
            pixels = pixels.flip(2)
        return {"pixel_values": (pixels - self.mean) / self.std, "input_ids": self.ids[row]}


def forever(loader: Any) -> Iterator[dict[str, torch.Tensor]]:
    while True:
        yield from loader


def accelerated(model: torch.nn.Module, files: Files, batch: int) -> tuple[Any, torch.nn.Module, torch.optim.Optimizer, Iterator]:
    """As the examples set themselves up."""
    from accelerate import Accelerator

    accelerator = Accelerator(mixed_precision="bf16" if quick_dtype("cpu") is torch.bfloat16 else "no", cpu=not torch.cuda.is_available())
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], RATE, betas=(0.9, 0.99), weight_decay=0.01)
    loader = torch.utils.data.DataLoader(files, batch, shuffle=True, drop_last=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    return accelerator, model, optimizer, forever(loader)


def lora(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from training.base import Noise, read_base
    from training.run import Run
    from training.text import tokens
    from training.tune import Batches, Learner, Material, TuneRecipe, prepared

    device = torch.device("cpu")
    records = read_folder(arguments.data)
    schedule = Lasting(max_steps=arguments.steps, batch=arguments.batch, lr=RATE, warmup_steps=1, final_lr=1, ema=0)
    recipe = TuneRecipe(
        kind="tune", run=folder / "run", base=arguments.base, data=[{"path": arguments.data}], schedule=schedule, lora=LoRA(rank=16),
        caption_dropout=0, device="cpu",
    )  # fmt: skip
    base = read_base(arguments.base)
    material = Material(recipe, base, records, np.ones(len(records)), device)
    torch.manual_seed(0)
    unet, learning = prepared(base, recipe, device)
    noise = Noise(base, device)
    learner = Learner(recipe, material, unet, learning, noise, device)
    run = Run(folder / "run", recipe, schedule.over(len(records))[0], learning, "")
    batches = Batches(material.learn, arguments.batch, arguments.batch, len(noise), 0)

    def ours(step: int) -> None:
        learning.train()
        run._one_step(lambda number, _: (learner.losses(part, None) for part in batches.parts(number, device)))

    plain = read_base(arguments.base)
    torch.manual_seed(0)
    theirs = plain.unet.requires_grad_(False)
    theirs.add_adapter(recipe.lora.config(theirs))
    train = [record for record in records if record.split == "train"]
    ids = tokens(plain.tokenizer, [record.text for record in train])
    files = Files(train, plain.vae.config.sample_size, ids, (0.5,) * 3, (0.5,) * 3)
    accelerator, theirs, optimizer, loader = accelerated(theirs, files, arguments.batch)
    width = theirs.config.time_cond_proj_dim

    def answer(net: Any, noisy: torch.Tensor, times: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        from training.guided import embedded

        told = {"timestep_cond": embedded(torch.ones(len(times)), width)} if width else {}
        return net(noisy, times, said, **told).sample

    def stock(step: int) -> None:
        theirs.train()
        batch = next(loader)
        with torch.no_grad(), accelerator.autocast():
            latents = plain.vae.encode(batch["pixel_values"]).latent_dist.sample().float() * plain.vae.config.scaling_factor
            said = plain.text_encoder(batch["input_ids"])[0]
        random, times = torch.randn_like(latents), torch.randint(len(noise), (len(latents),))
        noisy, target = noise.over(latents, random, times)
        with accelerator.autocast():
            out = answer(theirs, noisy, times, said)
        loss = F.mse_loss(out.float(), target)
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(theirs.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    @torch.no_grad()
    def held_out(net: torch.nn.Module) -> float:
        net.eval()
        kept = material.held_out
        size = min(16, len(kept.records))
        errors = []
        for step in range(8):
            for part in Batches(kept, size, size, len(noise), 0).parts(step, device):
                noisy, target = noise.over(part.clean, part.noise, part.times)
                errors.append(F.mse_loss(answer(net, noisy, part.times, material.text_of(part.said)).float(), target).item())
        return float(np.mean(errors))

    return {"stock": (stock, lambda: held_out(theirs)), "ours": (ours, lambda: held_out(unet))}


def clip(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    import copy

    from training.pairs import CaptionedImages, learnable
    from training.run import Run
    from training.tune_clip import Learning, TuneClipRecipe, contrast, prepared, read_base, step_losses

    device = torch.device("cpu")
    base = read_base(arguments.base, None)
    records = learnable(read_folder(arguments.data), base.tokenizer)
    schedule = Lasting(max_steps=arguments.steps, batch=arguments.batch, lr=RATE, warmup_steps=1, final_lr=1, ema=0)
    recipe = TuneClipRecipe(kind="clip-tune", run=folder / "run", base=arguments.base, data=[{"path": arguments.data}], schedule=schedule)
    learn, held_out = (
        CaptionedImages([r for r in records if (r.split == "train") is train], base.tokenizer, base.fed, folder / "cache") for train in (True, False)
    )
    model = prepared(base.model, recipe)
    run = Run(folder / "run", recipe, schedule.over(len(learn))[0], Learning(clip=model), "")
    shuffled = np.random.default_rng(0)

    def ours(step: int) -> None:
        model.train()
        rows = shuffled.choice(len(learn), arguments.batch, replace=False)
        run._one_step(lambda number, _: step_losses(model, learn, rows, number, recipe, None, device))

    train = [record for record in records if record.split == "train"]
    ids = base.tokenizer([r.text for r in train], padding="max_length", max_length=base.tokenizer.model_max_length, return_tensors="pt").input_ids
    theirs = copy.deepcopy(base.model)
    for name, value in theirs.named_parameters():
        value.requires_grad_(name in {n for n, p in model.named_parameters() if p.requires_grad})
    files = Files(train, base.fed.size, ids, base.fed.mean, base.fed.std)
    accelerator, theirs, optimizer, loader = accelerated(theirs, files, arguments.batch)

    def stock(step: int) -> None:
        theirs.train()
        batch = next(loader)
        with accelerator.autocast():
            out = theirs(**batch, return_loss=True)
        accelerator.backward(out.loss)
        accelerator.clip_grad_norm_(theirs.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    @torch.no_grad()
    def loss_of(net: torch.nn.Module) -> float:
        """The loss with equal captions as positives, which both are after."""
        from training.tune_clip import Forward

        net.eval()
        forward = Forward(net, held_out, device, (0, 0))
        distinct, true = held_out.said(np.arange(len(held_out)), StepRandom(0, 0).numpy)
        images = forward.images(held_out.images(np.arange(len(held_out))), 0)
        return contrast(images, forward.texts(torch.from_numpy(distinct), 0), forward.scale(), torch.from_numpy(true)).item()

    return {"stock": (stock, lambda: loss_of(theirs)), "ours": (ours, lambda: loss_of(model))}


if __name__ == "__main__":
    main()
