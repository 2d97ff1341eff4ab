"""``script2skin train``: each recipe is a short YAML file; the same command goes on where a run stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
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
    help="""Fine-tune a checkpoint on your own captioned images, or train one from scratch.

    Fine-tuning: clip, lora, dreambooth, finetune. From scratch, in this order: autoencoder, clip (with recipes/clip.yaml), unet,
    guidance, assemble. Each takes a recipe, a file in training/recipes/ or your own; stopped with Ctrl-C or killed, the same command
    goes on from the last checkpoint. On several GPUs or processes: torchrun --nproc-per-node 8 .venv/bin/script2skin train …""",
)

Recipe = Annotated[Path, typer.Argument(help="A YAML file; without one, the project's own.")]
Minutes = Annotated[float | None, typer.Option(min=0.01, help="Time budget in minutes, in place of the recipe's.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:1, in place of the recipe's.")]
Data = Annotated[list[Path] | None, typer.Option(help="A set of `script2skin data import`, in place of the recipe's; repeatable.")]
BaseModelName = Annotated[str | None, typer.Option("--base", help="The model to start from, in place of the recipe's.")]
RunFolder = Annotated[Path | None, typer.Option("--out", help="Folder of the run, in place of the recipe's; the model is named after it.")]
Tower = Annotated[str | None, typer.Option(help="A fine-tuned text tower to learn with: a run of `train clip`, or a folder.")]


def read_recipe(path: Path, kind: type, minutes: float | None = None, device: str | None = None, **others: Any) -> Any:
    """The validated recipe in ``path``, ``others`` of its values replaced where they are given.

    Raises typer.BadParameter, naming each wrong key, when it is not one.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        values |= {name: value for name, value in others.items() if value is not None}
        if minutes is not None:
            kept = {name: value for name, value in values["schedule"].items() if name not in ("epochs", "max_steps")}
            values["schedule"] = {**kept, "minutes": minutes}
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
def clip(
    recipe: Recipe = RECIPES / "tune_clip.yaml", data: Data = None, base: BaseModelName = None, run: RunFolder = None,
    pipeline: Annotated[str | None, typer.Option(help="The model that the text tower is for, where the base is a CLIP alone.")] = None,
    minutes: Minutes = None, device: Device = None,
) -> None:  # fmt: skip
    """A CLIP on captioned images: fine-tuned, or from scratch with training/recipes/clip.yaml.

    \b
    script2skin train clip --data set --out runs/clip
    """
    if _kind(recipe) == "clip":
        from training.clip import ClipRecipe, train

        with sentences():
            train(read_recipe(recipe, ClipRecipe, minutes, device, data=_sources(data), run=run))
        return
    from training.tune_clip import TuneClipRecipe
    from training.tune_clip import train as tune

    with sentences():
        tune(read_recipe(recipe, TuneClipRecipe, minutes, device, data=_sources(data), base=base, run=run, pipeline=pipeline))


@app.command()
def lora(
    recipe: Recipe = RECIPES / "lora.yaml", data: Data = None, base: BaseModelName = None, run: RunFolder = None,
    text_encoder: Tower = None, minutes: Minutes = None, device: Device = None,
) -> None:  # fmt: skip
    """LoRA adapters for a checkpoint's U-Net, and its text tower if the recipe says so, from captioned images.

    \b
    script2skin train lora --data set --out runs/my-lora
    script2skin train lora --data set --text-encoder runs/clip --out runs/with-clip
    """
    _tune(recipe, minutes, device, data, base, run, text_encoder)


@app.command()
def dreambooth(
    recipe: Recipe = RECIPES / "dreambooth.yaml", data: Data = None, base: BaseModelName = None, run: RunFolder = None,
    text_encoder: Tower = None, minutes: Minutes = None, device: Device = None,
) -> None:  # fmt: skip
    """DreamBooth: a new thing from a few images, with pictures of the base's own so that nothing else is forgotten.

    \b
    script2skin train dreambooth --data few --out runs/booth
    """
    _tune(recipe, minutes, device, data, base, run, text_encoder)


@app.command()
def finetune(
    recipe: Recipe = RECIPES / "finetune.yaml", data: Data = None, base: BaseModelName = None, run: RunFolder = None,
    text_encoder: Tower = None, minutes: Minutes = None, device: Device = None,
) -> None:  # fmt: skip
    """A checkpoint's whole U-Net, or its cross-attention for a new text tower, from captioned images.

    \b
    script2skin train finetune --data set --out runs/mine
    script2skin train finetune training/recipes/cross_attention.yaml --data set --text-encoder runs/clip --out runs/fitted
    """
    _tune(recipe, minutes, device, data, base, run, text_encoder)


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
def leap(recipe: Recipe = RECIPES / "leap.yaml", minutes: Minutes = None, device: Device = None) -> None:
    """A student that draws in half of its teacher's steps, learnt from the teacher's own pictures: no data are needed."""
    from training.leap import LeapRecipe, train

    with sentences():
        train(read_recipe(recipe, LeapRecipe, minutes, device))


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


def _tune(
    recipe: Path, minutes: float | None, device: str | None, data: list[Path] | None, base: str | None, run: Path | None,
    text_encoder: str | None,
) -> None:  # fmt: skip
    from training.tune import TuneRecipe, train

    with sentences():
        train(read_recipe(recipe, TuneRecipe, minutes, device, data=_sources(data), base=base, run=run, text_encoder=text_encoder))


def _sources(data: list[Path] | None) -> list[dict[str, Path]] | None:
    return [{"path": path} for path in data] if data else None


def _kind(recipe: Path) -> str | None:
    """What a recipe says it is; None where it cannot be read, which `read_recipe` then says."""
    try:
        return yaml.safe_load(recipe.read_text(encoding="utf-8")).get("kind")
    except (OSError, yaml.YAMLError, AttributeError):
        return None


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Errors meant for people end the command with their one sentence, without a traceback."""
    from generation.errors import GenerationError
    from training.run import TrainingError

    try:
        yield
    except (TrainingError, GenerationError, FloatingPointError, OSError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
