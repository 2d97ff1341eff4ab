"""``script2skin data``: pictures from a source into one labelled set, and what is in it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

MISSING = "{} is missing: data work needs the training extra. Install it with `make dev`."

app = typer.Typer(no_args_is_help=True, help="Bring pictures into one labelled set that `datasets` reads.")

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the set. Pictures already in it are left as they are.")]
Side = Annotated[int, typer.Option(min=64, help="Scale larger pictures down to this many pixels on their shorter side.")]


@app.command()
def isic2017(
    folder: Annotated[Path, typer.Argument(help="Folder with ISIC-2017_Training_Data/ and its tables, or with images/ and labels.csv.")],
    out: Out,
    side: Side = 512,
) -> None:
    """ISIC 2017: melanoma, mole and seborrheic keratosis under a dermatoscope (CC0).

    Keeps the official split. Skin tone is measured on each picture and marked as estimated.
    """
    from data.importing import Source
    from data.sources import isic2017 as source

    _import(lambda: source.items(folder), Source(source.NAME, source.LICENSE), out, side)


@app.command()
def folder(
    path: Annotated[Path, typer.Argument(help='Folder of pictures, or a .jsonl file with {"image": …, "caption": …} a line.')],
    out: Out,
    license: Annotated[str, typer.Option(help="What you may do with these pictures, e.g. CC-BY-NC-4.0. It goes into every row.")],
    name: Annotated[str | None, typer.Option(help="Name of the source in the set; the folder's own name unless given.")] = None,
    side: Side = 512,
    group: Annotated[str | None, typer.Option(help=r"Regular expression that finds the patient in a file's path, e.g. '(P\d+)_'.")] = None,
    shares: Annotated[tuple[float, float, float], typer.Option(help="Shares of train, validation and test.")] = (0.8, 0.1, 0.1),
    seed: Annotated[int, typer.Option(help="Another seed gives another split.")] = 0,
) -> None:
    """Your own pictures: in a folder for each class, with a .txt caption beside each, or listed in a .jsonl file.

    A group (patient, or pictures that look the same) never crosses a split. Files left out are listed in skipped.jsonl.
    """
    from data.importing import Source
    from data.sources import folder as source

    pattern = _pattern(group)
    own = name or (path.resolve().stem if path.suffix else path.resolve().name)
    slug = re.sub(r"[^a-z0-9]+", "-", own.lower()).strip("-") or "pictures"
    try:
        _import(lambda: source.items(path, pattern), Source(slug, license, shares, seed), out, side)
    except ValueError as error:
        _fail(str(error))


@app.command()
def describe(out: Annotated[Path, typer.Argument(help="Folder of a set.")]) -> None:
    """Count a set by source, split, rash and tone."""
    from data import manifest

    try:
        rows = manifest.read(out)
    except manifest.ManifestError as error:
        _fail(str(error))
    if not rows:
        _fail(f"{out} has no {manifest.FILE}. Bring pictures in with `script2skin data isic2017` or `script2skin data folder`.")
    typer.echo(f"{len(rows)} pictures in {len({(row.source, row.group) for row in rows})} groups")
    for column in ("source", "license", "split", "rash", "area", "tone"):
        counts = Counter(getattr(row, column) or "not known" for row in rows).most_common()
        typer.echo(f"{column}: " + ", ".join(f"{value} {count}" for value, count in counts))
    typer.echo(f"tone estimated: {sum(row.tone_estimated for row in rows)}")


@app.command()
def phantoms(
    out: Out,
    count: Annotated[int, typer.Option(min=1, help="How many; a larger number later adds to what is there.")] = 1000,
    seed: Annotated[int, typer.Option(help="Another seed gives another set.")] = 0,
    rash: Annotated[list[str] | None, typer.Option(help="Only these rashes (repeat the option); all unless given.")] = None,
    area: Annotated[list[str] | None, typer.Option(help="Only these areas.")] = None,
    tone: Annotated[list[str] | None, typer.Option(help="Only these skin tones.")] = None,
    variety: Annotated[float, typer.Option(min=0, max=1, help="How far camera, light, backdrop and lesions stray; less is learned sooner.")] = 1,
    typical: Annotated[int, typer.Option(min=1, help="How many times as often a rash is drawn at its typical sites.")] = 1,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; the pictures do not depend on it.")] = None,
) -> None:
    """Draw phantoms: rashes rendered on a 3D body, every rash, area and tone equally often, with lesion masks.

    Needs the training extra: `make dev`. Draws 256x256 pictures; what is there already is kept.
    """
    try:
        from data.phantom.make import make

        with _progress() as bar:
            task = bar.add_task("Phantoms", total=count)
            for done in make(out, count, seed, rash, area, tone, workers, variety=variety, typical=typical):
                bar.update(task, completed=done)
    except KeyboardInterrupt:
        _fail("Stopped. The same command goes on from here.", code=130)
    except ImportError as error:
        _fail(MISSING.format(error.name))
    except (ValueError, OSError) as error:
        _fail(str(error))
    typer.echo(f"{count} phantoms in {out}")


@app.command()
def phantom_sheet(
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture to write, .png or .jpg.")],
    area: Annotated[str | None, typer.Option(help="Every rash on every tone at this area …")] = None,
    rash: Annotated[str, typer.Option(help="… or this rash at every area.")] = "eczema",
    tone: Annotated[str, typer.Option(help="Tone of the sheet of areas.")] = "fair",
    seed: int = 0,
) -> None:
    """A contact sheet of phantoms, to look at: every rash on every tone at one area, or one rash at every area."""
    try:
        from data.phantom.sheets import every_area, rash_by_tone

        sheet = rash_by_tone(area, seed) if area else every_area(rash, tone, seed)
        sheet.save(out)
    except ImportError as error:
        _fail(MISSING.format(error.name))
    except (KeyError, ValueError, OSError) as error:
        _fail(str(error).strip("'\""))


def _import(items, source, out: Path, side: int) -> None:
    """Import with a progress line, then say where every file went. Ends the program with one sentence on an error."""
    from data.importing import import_source
    from data.manifest import ManifestError
    from data.sources import SourceError

    try:
        found = list(items())
        with _progress() as bar:
            task = bar.add_task("Pictures", total=len(found))
            report = import_source(found, source, out, side, lambda done: bar.update(task, completed=done))
    except KeyboardInterrupt:
        _fail("Stopped. The same command goes on from here.", code=130)
    except (SourceError, ManifestError) as error:
        _fail(str(error))
    except ImportError as error:
        _fail(MISSING.format(error.name))
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename or out}")
    typer.echo(f"{report.found} files found: {report.added} added, {report.present} there before, {len(report.skipped)} left out.")
    for reason, count in report.reasons():
        typer.echo(f"  {count} left out: {reason}")
    if report.skipped:
        typer.echo(f"Each of them is listed in {out / 'skipped.jsonl'}")


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _pattern(group: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(group) if group else None
    except re.error as error:
        _fail(f"--group {group!r} is no regular expression: {error}.")


def _fail(message: str, code: int = 1) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(code)
