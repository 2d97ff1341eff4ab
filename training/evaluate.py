"""``script2skin evaluate``: measures of a checkpoint, each a command that can be stopped and goes on where it was."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="""Measure what a model draws.

    fidelity: are tone, rash and area as asked; how near to the training pictures; how varied; any copies?
    strips: the same request in every tone: the same lesion, the same site, tones in order?
    compare: the same requests by two models, such as before and after a fine-tuning, side by side.""",
)


@app.callback()
def _common() -> None:
    pass


def _show(done: int, total: int) -> None:
    if sys.stderr.isatty() or done % 50 == 0 or done == total:
        typer.echo(f"\r{done} of {total} pictures", nl=not sys.stderr.isatty(), err=True)


@app.command()
def fidelity(
    model: Annotated[str, typer.Option(help="embedded, or a folder in diffusers' layout.")] = "embedded",
    out: Annotated[Path, typer.Option(help="Folder for pictures, fidelity.json, table and plots.")] = Path("runs/fidelity"),
    judge: Annotated[Path, typer.Option(help="Run of `script2skin train judge`.")] = Path("runs/judge"),
    judged: Annotated[Path, typer.Option(help="Phantoms that the judge was trained on; those for validation are the reference.")] = Path("runs/judged"),
    train: Annotated[list[Path] | None, typer.Option(help="A folder that the model learnt from, to look for copies; repeatable.")] = None,
    images: Annotated[int, typer.Option(min=12, help="How many, spread evenly over rash, area and tone.")] = 1200,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 1,
    steps: Annotated[int | None, typer.Option(min=1, help="The model's own number unless given.")] = None,
    guidance: Annotated[float | None, typer.Option(min=0, help="The model's own scale unless given.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
) -> None:
    """Are tone, rash and area as asked? At least 1,200 pictures, and what the measures say of held-out phantoms beside it.

    \b
    script2skin data phantoms --out runs/judged --count 12000 --seed 142 --variety 0.5 --typical 3
    script2skin train judge
    script2skin evaluate fidelity --train runs/phantoms
    """
    from generation import Generator
    from generation.errors import GenerationError
    from training import fidelity as measure
    from training.judge import read
    from training.run import pick_device

    try:
        where = pick_device(device)
        report = measure.evaluate(
            out, Generator.load(model, device), read(judge, where), judged, tuple(train or ()), images, seed, where, _show,
            steps=steps, guidance_scale=guidance, batch_size=batch,
        )  # fmt: skip
    except (FileNotFoundError, ValueError, GenerationError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"\n{measure.table(report)}\nAll figures, plots and pictures: {out}")


@app.command()
def strips(
    model: Annotated[str, typer.Option(help="embedded, or a folder in diffusers' layout.")] = "embedded",
    out: Annotated[Path, typer.Option(help="Folder for pictures, strips.json and strips.jpg.")] = Path("runs/strips"),
    judge: Annotated[Path, typer.Option(help="Run of `script2skin train judge`.")] = Path("runs/judge"),
    strips: Annotated[int, typer.Option(min=1, help="How many; the conditions take turns.")] = 38,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 5,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
) -> None:
    """The same request in every skin tone from one seed: is it the same lesion at the same site, and are the tones in order?

    \b
    script2skin evaluate strips --judge runs/judge
    """
    from generation import Generator
    from generation.errors import GenerationError
    from training import strips as measure
    from training.judge import read
    from training.run import pick_device

    try:
        where = pick_device(device)
        report = measure.evaluate(out, Generator.load(model, device), read(judge, where), strips, seed, where, _show, batch_size=batch)
    except (FileNotFoundError, ValueError, GenerationError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"\n{measure.table(report)}\nAll figures and pictures: {out}")


@app.command()
def compare(
    models: Annotated[list[str], typer.Argument(help="Two models or more: embedded, runs, folders.")],
    out: Annotated[Path, typer.Option(help="Folder for pictures, comparison.json and comparison.jpg.")] = Path("runs/comparison"),
    rash: Annotated[list[str] | None, typer.Option(help="Only these conditions (repeat the option); all that every model knows unless given.")] = None,
    each: Annotated[int, typer.Option(min=1, help="Images a condition and model.")] = 2,
    judge: Annotated[Path | None, typer.Option(help="Run of `script2skin train judge`, to measure as well as to show.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
) -> None:
    """The same requests from the same seeds by every model: a sheet to look at, and what a judge says of each.

    \b
    script2skin evaluate compare embedded runs/clip
    script2skin evaluate compare embedded runs/lora --rash scabies --rash eczema --each 12 --judge runs/judge
    """
    from assistant.vocabulary import vocabulary
    from generation import Generator
    from generation.errors import GenerationError
    from training import compare as measure
    from training.judge import read
    from training.run import pick_device

    try:
        where = pick_device(device)
        loaded = {name: Generator.load(name, device) for name in models}
        known = [set(generator.card.trained.rash) for generator in loaded.values() if generator.card.trained and generator.card.trained.rash]
        rashes = rash or [name for name in vocabulary().names("rash") if all(name in trained for trained in known)]
        requests = measure.asked(rashes, each, seed)
        report = measure.compare(loaded, requests, out, read(judge, where) if judge else None, where, _show)
    except (FileNotFoundError, ValueError, GenerationError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"\n{measure.table(report)}\nSheet and pictures: {out}")
