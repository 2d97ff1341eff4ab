"""From nothing to a checkpoint in one command and one time budget; started again, it goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training import parallel
from training.assemble import AssembleRecipe, assemble
from training.autoencoder import AutoencoderRecipe
from training.autoencoder import train as train_autoencoder
from training.card import draw_sheets
from training.clip import ClipRecipe
from training.clip import train as train_clip
from training.guidance import GuidanceRecipe
from training.guidance import train as train_guidance
from training.sharpen import SharpenRecipe
from training.sharpen import train as train_sharpen
from training.unet import UNetRecipe
from training.unet import train as train_unet

#: Share of the time budget of each part, in the order in which they are trained.
SHARES = {"autoencoder": 0.25, "clip": 0.1, "unet": 0.4, "guidance": 0.12, "sharpen": 0.13}
STEPS = {
    "autoencoder": (AutoencoderRecipe, train_autoencoder),
    "clip": (ClipRecipe, train_clip),
    "unet": (UNetRecipe, train_unet),
    "guidance": (GuidanceRecipe, train_guidance),
    "sharpen": (SharpenRecipe, train_sharpen),
}


def everything(
    recipes: dict[str, dict[str, Any]],
    minutes: float,
    phantoms: int,
    device: str,
    root: Path,
    also: tuple[Path, ...] = (),
    start: Path | None = None,
    variety: float = 1.0,
    typical: int = 1,
) -> Path:
    """Draw ``phantoms`` images, train every part for its share of ``minutes``, assemble, and draw the contact sheets.

    ``recipes`` gives the values of each part's recipe; its run and data folders are set below ``root``. ``also`` are
    further data folders, drawn a third as often an image. With ``start``, a checkpoint, its U-Net and decoder go on
    learning and its text tower stays. ``variety`` and ``typical``: see `data.phantom.make`. Returns the new checkpoint's
    folder. Under torchrun all processes train, and the first alone does the rest.
    """
    data = root / "phantoms"
    with parallel.one_after_another():
        render(data, phantoms, variety, typical)
    sources = [{"path": data}, *({"path": path, "weight": 0.32} for path in also)]
    runs = {name: root / name for name in STEPS}
    if start is not None:
        runs["clip"] = start
    for name, (kind, train) in STEPS.items():
        if runs[name] == start:
            continue
        values = {**recipes[name], "run": runs[name], "data": sources, "device": device}
        values |= {key: runs[key] for key in ("autoencoder", "clip") if key in values}
        values |= {"teacher": runs["unet"]} if "teacher" in values else {}
        values |= {"latents": root / "latents"} if name in ("unet", "guidance") else {}
        if start is not None and "start" in kind.model_fields:
            values["start"] = start
        values["schedule"] = {**values["schedule"], "minutes": minutes * SHARES[name]}
        train(kind.model_validate(values))
    out = root / "checkpoint"
    if parallel.rank() == 0:
        parts = {"unet": runs["guidance"], "autoencoder": runs["sharpen"], "clip": runs["clip"]}
        assemble(AssembleRecipe.model_validate({**recipes["assemble"], **parts, "out": out, "data": [data, *also]}))
        show(out, device)
    return out


def render(folder: Path, count: int, variety: float, typical: int) -> None:
    """Draw the phantoms that are not there yet; nothing where the finished set's list is."""
    from data.phantom.make import make

    if (folder / "metadata.jsonl").exists() and len((folder / "metadata.jsonl").read_text().splitlines()) >= count:
        return
    for done in make(folder, count, variety=variety, typical=typical):
        if done % 1000 == 0:
            print(f"{done} of {count} phantoms", flush=True)


def show(checkpoint: Path, device: str) -> None:
    """Contact sheets beside the weights: the check that a person makes."""
    from generation import Generator

    generator = Generator.load(str(checkpoint), device)
    trained = generator.card.trained
    site, rash, tone = ("forearm", "eczema", "medium")
    draw_sheets(
        generator,
        checkpoint,
        site if site in trained.area else min(trained.area),
        rash if rash in trained.rash else min(trained.rash),
        tone if tone in trained.tone else min(trained.tone),
    )
