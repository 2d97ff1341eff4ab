"""``script2skin evaluate``: measures of a checkpoint, each a command that can be stopped and goes on where it was."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from training.cli import sentences

QUICK = Path(__file__).parent / "recipes" / "augmentation_quick.yaml"

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="""Measure what a model draws.

    fidelity: are tone, rash and area as asked; how near to the training pictures; how varied; any copies?
    strips: the same request in every tone: the same lesion, the same site, tones in order?
    compare: the same requests by two models, such as before and after a fine-tuning, side by side.
    augmentation: does a classifier learn better with synthetic pictures beside real ones?
    predict: what a kept classifier says of the pictures of a folder.
    fairness: the same measures for every skin tone, of a generator and of a classifier, the worst-off first.""",
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
    from training import fidelity as measure
    from training.judge import read
    from training.run import pick_device

    with sentences():
        where = pick_device(device)
        report = measure.evaluate(
            out, Generator.load(model, device), read(judge, where), judged, tuple(train or ()), images, seed, where, _show,
            steps=steps, guidance_scale=guidance, batch_size=batch,
        )  # fmt: skip
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
    from training import strips as measure
    from training.judge import read
    from training.run import pick_device

    with sentences():
        where = pick_device(device)
        report = measure.evaluate(out, Generator.load(model, device), read(judge, where), strips, seed, where, _show, batch_size=batch)
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
    from training import compare as measure
    from training.judge import read
    from training.run import pick_device

    with sentences():
        where = pick_device(device)
        loaded = {name: Generator.load(name, device) for name in models}
        known = [set(generator.card.trained.rash) for generator in loaded.values() if generator.card.trained and generator.card.trained.rash]
        rashes = rash or [name for name in vocabulary().names("rash") if all(name in trained for trained in known)]
        requests = measure.asked(rashes, each, seed)
        report = measure.compare(loaded, requests, out, read(judge, where) if judge else None, where, _show)
    typer.echo(f"\n{measure.table(report)}\nSheet and pictures: {out}")


@app.command()
def augmentation(
    config: Annotated[Path, typer.Option(help="A YAML file; without one the quick form, training/recipes/augmentation_quick.yaml.")] = QUICK,
    real: Annotated[Path | None, typer.Option(help="Labelled set of `script2skin data import`, in place of the config's.")] = None,
    synthetic: Annotated[list[Path] | None, typer.Option(help="Set of `script2skin generate --out`, in place of the config's; repeatable.")] = None,
    generator_data: Annotated[list[Path] | None, typer.Option(help="With --synthetic: a folder that its generator learnt from; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for trainings and report, in place of the config's.")] = None,
    part: Annotated[str, typer.Option(help="Train only part 2 of 4, as 2/4, on this machine or GPU; then the whole command for the report.")] = "1/1",
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:1, in place of the config's.")] = None,
) -> None:
    """Do synthetic pictures help a classifier? Real only, real and synthetic, controls of the same size, over shares, ratios and seeds.

    The same command goes on where it was stopped. Held-out pictures in the generator's training are looked for first.

    \b
    script2skin data import ISIC-2017 --out runs/isic2017
    script2skin generate "120 images each of melanoma, mole and seborrheic keratosis" --out runs/isic_synthetic --seed 5
    script2skin evaluate augmentation                       # quick: about ten minutes on two cores
    script2skin evaluate augmentation --config training/recipes/augmentation.yaml
    """
    from training import augmentation as experiment
    from training.cli import read_recipe
    from training.run import TrainingError

    sets = None
    if synthetic:
        told = {"generator_data": [str(path) for path in generator_data]} if generator_data else {}
        sets = {path.resolve().name: {"path": str(path), **told} for path in synthetic}
    recipe = read_recipe(config, experiment.AugmentationRecipe, device=device, real=real, synthetic=sets, out=out)
    try:
        which, of = map(int, part.split("/"))
        if not 1 <= which <= of:
            raise ValueError(part)
    except ValueError:
        raise typer.BadParameter(f"--part {part} is none: give 2/4 for the second of four.") from None
    try:
        report = experiment.run(recipe, (which, of), lambda line: typer.echo(line, err=True))
    except (TrainingError, FileNotFoundError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        typer.echo("Stopped. The same command goes on from here.", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"Part {part} is done; when all are, the command without --part writes the report." if report is None else f"Report: {report}")


@app.command()
def predict(
    checkpoint: Annotated[Path, typer.Option(help="Folder of a classifier, such as best/hybrid of `script2skin evaluate augmentation`.")],
    images: Annotated[Path, typer.Option(help="Folder with pictures.")],
    out: Annotated[Path, typer.Option(help="The CSV file to write: image_id and the probability of every class.")] = Path("predictions.csv"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
) -> None:
    """Probabilities of every picture in a folder, by a kept classifier.

    \b
    script2skin evaluate predict --checkpoint runs/augmentation_quick/best/hybrid --images ISIC-2017_Test --out predictions.csv
    """
    from training import classifier
    from training.run import TrainingError, pick_device

    try:
        where = pick_device(device)
        count = classifier.predict(classifier.read(checkpoint, where), images, out, where, _show)
    except (TrainingError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{count} pictures: {out}")


@app.command()
def fairness(
    fidelity: Annotated[Path | None, typer.Option(help="Folder of `script2skin evaluate fidelity`, of a generator.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="CSV of a classifier: truth, predicted and tone; or what `predict` writes.")] = None,
    labelled: Annotated[Path | None, typer.Option(help="With what `predict` writes: the set that knows condition and tone of its pictures.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for fairness.json, table and plot; the first one given unless named.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples.")] = 0,
) -> None:
    """Is every skin tone served alike? Measures by tone with intervals, the worst-off first, and whether a gap is more than chance.

    \b
    script2skin evaluate fairness --fidelity runs/fidelity
    script2skin evaluate fairness --predictions predictions.csv --labelled set
    """
    from data.manifest import ManifestError
    from training import fairness as measure

    where = out or fidelity or (predictions.parent if predictions else Path())
    try:
        text = measure.evaluate(fidelity, predictions, labelled, where, seed)
    except (OSError, ValueError, KeyError, ManifestError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{text}\nAll figures and the plot: {where}")
