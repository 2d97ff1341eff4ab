"""``script2skin train``: each recipe is a short YAML file; the same command goes on where a run stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

RECIPES = Path(__file__).parent / "recipes"


class Sheet(BaseModel):
    """Area of the sheet of rashes and tones; rash and tone of the sheet of areas."""

    model_config = ConfigDict(extra="forbid")
    area: str
    rash: str
    tone: str


class CardRecipe(BaseModel):
    """What a model card says that the checkpoint and its runs do not."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["card"]
    checkpoint: Path
    #: The checkpoint that the runs went on from: its training.json tells of the runs before them.
    earlier: Path | None = None
    runs: dict[str, Path]
    #: Commands that made the data.
    data: tuple[str, ...]
    limits: tuple[str, ...]
    #: Folder of `script2skin evaluate fidelity` on this checkpoint, and how it was done.
    fidelity: Path | None = None
    judged: str = ""
    at: Sheet


app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="""Train the parts of a checkpoint from scratch, then put them together.

    In this order: autoencoder, clip, unet, guidance, assemble. Each takes a recipe, a file in training/recipes/ or your own, and a
    time budget; stopped with Ctrl-C or killed, the same command goes on from the last checkpoint.""",
)

Recipe = Annotated[Path, typer.Argument(help="A YAML file; without one, the project's own.")]
Minutes = Annotated[float | None, typer.Option(min=0.01, help="Time budget in minutes, in place of the recipe's.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:1, in place of the recipe's.")]


def read_recipe(path: Path, kind: type, minutes: float | None = None, device: str | None = None) -> Any:
    """The validated recipe in ``path``. Raises typer.BadParameter, naming each wrong key, when it is not one."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        if minutes is not None:
            values["schedule"]["minutes"] = minutes
        if device is not None:
            values["device"] = device
        return kind.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise typer.BadParameter(f"{path}: {wrong}.") from error
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise typer.BadParameter(f"{path} is no recipe: {error}.") from error


@app.command()
def autoencoder(
    recipe: Recipe = RECIPES / "autoencoder.yaml", minutes: Minutes = None, device: Device = None
) -> None:
    """The KL autoencoder: an encoder of patch components, and a decoder that learns to draw from them."""
    from training.autoencoder import AutoencoderRecipe, train

    train(read_recipe(recipe, AutoencoderRecipe, minutes, device))


@app.command()
def sharpen(recipe: Recipe = RECIPES / "sharpen.yaml", minutes: Minutes = None, device: Device = None) -> None:
    """The decoder against a critic of texture, after the autoencoder; the U-Net need not wait for it."""
    from training.sharpen import SharpenRecipe, train

    train(read_recipe(recipe, SharpenRecipe, minutes, device))


@app.command()
def widen(recipe: Recipe = RECIPES / "widen.yaml") -> None:
    """More latent channels for a finished checkpoint, which draws as before until autoencoder and unet go on from it."""
    from training.widen import WidenRecipe
    from training.widen import widen as make_room

    typer.echo(make_room(read_recipe(recipe, WidenRecipe)))


@app.command()
def clip(recipe: Recipe = RECIPES / "clip.yaml", minutes: Minutes = None, device: Device = None) -> None:
    """A small CLIP with its own vocabulary of words; the U-Net needs its text tower."""
    from training.clip import ClipRecipe, train

    train(read_recipe(recipe, ClipRecipe, minutes, device))


@app.command()
def unet(recipe: Recipe = RECIPES / "unet.yaml", minutes: Minutes = None, device: Device = None) -> None:
    """The U-Net on cached latents; it may start as soon as the autoencoder has its first checkpoint."""
    from training.unet import UNetRecipe, train

    train(read_recipe(recipe, UNetRecipe, minutes, device))


@app.command()
def guidance(recipe: Recipe = RECIPES / "guidance.yaml", minutes: Minutes = None, device: Device = None) -> None:
    """A finished U-Net → one that is told the guidance scale and needs one evaluation a step in place of two."""
    from training.guidance import GuidanceRecipe, train

    train(read_recipe(recipe, GuidanceRecipe, minutes, device))


@app.command()
def judge(recipe: Recipe = RECIPES / "judge.yaml", minutes: Minutes = None, device: Device = None) -> None:
    """The judge that `script2skin evaluate fidelity` asks: which rash, which area, where the lesion is."""
    from training.judge import JudgeRecipe, train

    train(read_recipe(recipe, JudgeRecipe, minutes, device))


@app.command()
def lesions(recipe: Recipe = RECIPES / "lesions.yaml", minutes: Minutes = None, device: Device = None) -> None:
    """The finder of lesions with which drawing tells skin from lesion, so that the skin's tone is measured on skin alone."""
    from training.lesions import LesionsRecipe, train

    train(read_recipe(recipe, LesionsRecipe, minutes, device))


@app.command()
def assemble(recipe: Recipe = RECIPES / "assemble.yaml") -> None:
    """One folder in diffusers' layout out of the three runs' newest checkpoints."""
    from training.assemble import AssembleRecipe
    from training.assemble import assemble as put_together

    typer.echo(put_together(read_recipe(recipe, AssembleRecipe)))


@app.command()
def card(recipe: Recipe = RECIPES / "card.yaml") -> None:
    """The model card of an assembled checkpoint, with contact sheets that it draws itself."""
    from training.card import write

    told = read_recipe(recipe, CardRecipe)
    at = (told.at.area, told.at.rash, told.at.tone)
    typer.echo(write(told.checkpoint, told.runs, list(told.data), list(told.limits), at, told.earlier, told.fidelity, told.judged))


@app.command(name="all")
def everything(
    minutes: Annotated[float, typer.Option(min=0.01, help="Training time in all; drawing the phantoms comes on top.")] = 240,
    phantoms: Annotated[int, typer.Option(min=1, help="Images to draw and learn from.")] = 30_000,
    root: Annotated[Path, typer.Option("--runs", help="Folder for data, runs and the finished checkpoint.")] = Path("runs/all"),
    recipes: Annotated[Path, typer.Option(help="Folder with autoencoder, sharpen, clip, unet, guidance and assemble .yaml.")] = RECIPES,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    also: Annotated[list[Path] | None, typer.Option(help="A further data folder, drawn a third as often; repeatable.")] = None,
    start: Annotated[Path | None, typer.Option(help="A checkpoint to go on from, such as generation/embedded.")] = None,
    variety: Annotated[float, typer.Option(min=0, max=1, help="Of the phantoms; more needs a longer training.")] = 0.2,
    typical: Annotated[int, typer.Option(min=1, help="How many times as often a rash is drawn at its typical sites.")] = 3,
) -> None:
    """Draw the phantoms, train every part, assemble the checkpoint, draw its contact sheets.

    The same command goes on where it was stopped. On a data-centre GPU:
    script2skin train all --minutes 40 --variety 0.7 --recipes training/recipes/gpu --start generation/embedded
    On several: torchrun --nproc-per-node 8 .venv/bin/script2skin train all ...
    """
    from training.everything import STEPS
    from training.everything import everything as run_all

    names = (*STEPS, "assemble")
    values = {name: yaml.safe_load((recipes / f"{name}.yaml").read_text(encoding="utf-8")) for name in names}
    typer.echo(run_all(values, minutes, phantoms, device, root, tuple(also or ()), start, variety, typical))
