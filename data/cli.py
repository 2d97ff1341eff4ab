"""``script2skin data``: pictures from a source into one labelled set, and what is in it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from data.clean import Found
    from data.importing import Source
    from data.manifest import Row

#: Named here for the help alone; `data.sources.forms` has them with what they read.
FORMS = "dermnet, isic2016, isic2017, isic2018, isic2019, isic2020, fitzpatrick17k, scin, pad-ufes-20, folder, imagefolder"
MISSING = "{} is missing: data work needs the training extra. Install it with `make dev`."

app = typer.Typer(no_args_is_help=True, help="Bring pictures into one labelled set that `datasets` reads.")

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the set. Pictures already in it are left as they are.")]


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="Folder of an unpacked download, of your own pictures, or a .jsonl file of captions.")],
    out: Out,
    source: Annotated[str, typer.Option(help="Form of the download: auto (it is recognised), or one of " + FORMS + ".")] = "auto",
    license: Annotated[str | None, typer.Option(help="What you may do with these pictures, e.g. CC-BY-4.0; needed where the form does not say it.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the source in the set; the form's or the folder's own name unless given.")] = None,
    side: Annotated[int, typer.Option(min=64, help="Scale larger pictures down to this many pixels on their shorter side.")] = 512,
    group: Annotated[str | None, typer.Option(help=r"Own folders: regular expression that finds the patient in a file's path, e.g. '(P\d+)_'.")] = None,
    shares: Annotated[tuple[float, float, float], typer.Option(help="Shares of train, validation and test, where there is no official split.")] = (0.8, 0.1, 0.1),
    seed: Annotated[int, typer.Option(help="Another seed gives another split.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; the set does not depend on it.")] = None,
) -> None:
    """Bring pictures in: Dermnet, ISIC 2016 to 2020, Fitzpatrick17k, SCIN, PAD-UFES-20, class folders, captions, image folders.

    Official splits are kept. A group (patient, lesion, case, and whatever looks alike) never crosses a split. Every file
    is counted: what is left out is listed with its reason in skipped.jsonl. A tone that nobody stated is measured on the
    skin and marked as estimated. An import that was stopped goes on with the same command.
    """
    from data.sources import Skipped, SourceError

    pattern = _pattern(group)
    try:
        from data.importing import Source
        from data.sources import forms
        from data.splits import split_of

        split_of("", shares)
        form = forms.detect(path) if source == "auto" else source
        if pattern and form != "folder":
            _fail(f"--group is for your own folders; {form} states its groups itself.")
        found = list(forms.items(form, path, **({"group": pattern} if pattern else {})))
        allowed = license or _license(form, path)
        typer.echo(f"Reading {path} as {form}" + (f", licence {allowed}" if allowed else ""))
        if not any(not isinstance(each, Skipped) for each in found):
            _fail(f"{path}: none of {len(found)} files can be used, for instance {found[0].path}: {found[0].reason}.")
    except (SourceError, ValueError) as error:
        _fail(str(error))
    except ImportError as error:
        _fail(MISSING.format(error.name))
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename or path}")
    own = name or (form if form in forms.PUBLIC else path.resolve().stem if path.is_file() else path.resolve().name)
    slug = re.sub(r"[^a-z0-9]+", "-", own.lower()).strip("-") or "pictures"
    _import(found, Source(slug, allowed or "", shares, seed), out, side, workers)


@app.command()
def describe(
    out: Annotated[Path, typer.Argument(help="Folder of a set.")],
    sheet: Annotated[Path | None, typer.Option(help="Also write a contact sheet to look at, .jpg or .png: some pictures of every rash.")] = None,
    each: Annotated[int, typer.Option(min=1, help="Pictures of a rash on the sheet.")] = 6,
) -> None:
    """Count a set by source, split, rash and tone; what its imports left out and why; how many pictures look alike."""
    from data import manifest

    try:
        rows = manifest.read(out)
    except manifest.ManifestError as error:
        _fail(str(error))
    if not rows:
        _fail(f"{out} has no {manifest.FILE}. Bring pictures in with `script2skin data import`.")
    typer.echo(f"{len(rows)} pictures in {len({(row.source, row.group) for row in rows})} groups")
    for column in ("source", "license", "split", "rash", "area", "tone"):
        counts = Counter(getattr(row, column) or "not known" for row in rows).most_common()
        typer.echo(f"{column}: " + ", ".join(f"{value} {count}" for value, count in counts))
    typer.echo(f"tone estimated: {sum(row.tone_estimated for row in rows)}")
    _describe_imports(out, rows)
    if sheet:
        from data.sheet import sheet_of

        try:
            sheet_of(out, rows, each).save(sheet)
        except (OSError, ValueError) as error:
            _fail(f"{sheet}: {error}")
        typer.echo(f"Contact sheet: {sheet}")


@app.command()
def coverage(
    sets: Annotated[list[Path] | None, typer.Argument(help="Folders of sets that a model learnt from.")] = None,
    planned: Annotated[list[str] | None, typer.Option(help="Phantoms that are no longer kept: the options that drew them, e.g. '--count 5000 --seed 70 --typical 3' (repeat it).")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the counts as JSON; as coverage.json beside a model's card, the chat warns where they are few.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Also draw heat maps, .png or .jpg: rash by area, for every tone and every source.")] = None,
    note: Annotated[str, typer.Option(help="What else is to be known about these counts; goes into the JSON.")] = "",
) -> None:
    """Count the training pictures behind every rash, area and tone, by source; phantoms are counted without being there.

    \b
    script2skin data coverage phantoms set --out checkpoint/coverage.json --sheet coverage.png
    """
    from data import manifest

    if not sets and not planned:
        _fail("Give at least one set, or --planned.", code=2)
    try:
        from data import coverage as count

        cells: count.Cells = Counter()
        for folder in sets or ():
            rows = manifest.read(folder)
            if not rows:
                _fail(f"{folder} has no {manifest.FILE}. Bring pictures in with `script2skin data import`.")
            cells += count.counted(rows)
        for options in planned or ():
            cells += count.planned(options)
        notes = " ".join(filter(None, [note, *(f"Phantoms by plan: {options}." for options in planned or ())]))
        found = count.coverage(cells, exact=not planned, note=notes)
        typer.echo(count.summary(found))
        if out:
            out.write_text(count.text(found), encoding="utf-8")
        if sheet:
            count.sheet(found, sheet)
    except ImportError as error:
        _fail(MISSING.format(error.name))
    except (manifest.ManifestError, ValueError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or out}: {error.strerror or error}")


@app.command()
def clean(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder of a set, for instance of generated pictures.")],
    judge: Annotated[Path | None, typer.Option(help="Run of `script2skin train judge`, or a classifier such as runs/augmentation/best/real: what it does not recognise as labelled is set aside.")] = None,
    judge_from: Annotated[float | None, typer.Option(min=0, max=1, help="Chance of what is on the label from which on the judge recognises it; 0.05 unless given.")] = None,
    clip: Annotated[str | None, typer.Option(help="Checkpoint or CLIP model that is asked the same, such as embedded.")] = None,
    train: Annotated[list[Path] | None, typer.Option(help="Set that the generator learnt from: near-copies of it are set aside (repeat the option).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be set aside, and move nothing.")] = False,
    restore: Annotated[bool, typer.Option("--restore", help="Bring back what was set aside, instead.")] = False,
    reason: Annotated[list[str] | None, typer.Option(help="With --restore: only what was set aside for this alone (repeat the option).")] = None,
    sheets: Annotated[Path | None, typer.Option(help="Folder for two contact sheets, kept.jpg and discarded.jpg.")] = None,
    device: Annotated[str, typer.Option(help="Where judge and CLIP compute: cpu, cuda.")] = "cpu",
    workers: Annotated[int | None, typer.Option(min=1, help="Threads.")] = None,
) -> None:
    """Set noisy pictures aside, each with the reason and the score, in SET/discarded; none is deleted, --restore brings them back.

    Noisy are: blank, blurred, in a colour cast, with a pen ring, a ruler, hair, dark corners or text; not recognised as what was
    asked (--judge, --clip); near-copies of each other or of training pictures (--train). Blur and cast are told from what is
    usual in the set and at the lightness of the skin.
    """
    from data.manifest import ManifestError

    if reason and not restore:
        _fail("--reason goes with --restore.", code=2)
    try:
        from data import clean as filter_

        if restore:
            typer.echo(f"{filter_.restore(folder, reason or ())} pictures are back in {folder}.")
            return
        with _progress() as bar:
            task = bar.add_task("Looking")
            found = filter_.look(
                folder, judge, clip, train or (), device, lambda stage, done, total: bar.update(task, description=stage, completed=done, total=total), workers,
                filter_.JUDGE if judge_from is None else judge_from,
            )
        if sheets:
            sheets.mkdir(parents=True, exist_ok=True)
            for name, discarded in (("kept.jpg", False), ("discarded.jpg", True)):
                if sheet := filter_.sheet(folder, found, discarded):
                    sheet.save(sheets / name, quality=88)
        if found.discarded and not dry_run:
            filter_.set_aside(folder, found)
    except KeyboardInterrupt:
        _fail("Stopped; the same command looks through the set again.", code=130)
    except (ManifestError, FileNotFoundError, ValueError) as error:
        _fail(str(error))
    except ImportError as error:
        _fail(MISSING.format(error.name))
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename or folder}")
    except RuntimeError as error:  # TrainingError, of a classifier that cannot be read; importing it here would need torch
        _fail(str(error))
    _tell_clean(folder, found, dry_run)


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


def _tell_clean(folder: Path, found: Found, dry_run: bool) -> None:
    """Say how many stay and why the others do not."""
    if not found.kept and not found.discarded:
        _fail(f"{folder} lists no pictures in metadata.jsonl.")
    for name, count in found.asked.items():
        typer.echo(f"The {name} was asked of {count} pictures; it does not know the rash of the others.")
    words = "would be set aside" if dry_run else f"set aside in {folder / 'discarded'}, with the reasons in discarded.jsonl"
    typer.echo(f"{len(found.kept)} pictures stay, {len(found.discarded)} {words}.")
    for reason, count in found.counts():
        typer.echo(f"  {count}: {reason}")
    if dry_run:
        for name, reasons in found.discarded.items():
            typer.echo(f"    {name}: " + ", ".join(f"{each.reason} ({each.score:g}, limit {each.limit:g})" for each in reasons))


def _license(form: str, path: Path) -> str | None:
    """The licence of a public download; ``None`` where each row states its own. Ends the program where nobody says it."""
    from data.sources import forms, imagefolder

    if form in forms.PUBLIC:
        return forms.PUBLIC[form].LICENSE
    if form == "imagefolder" and imagefolder.licensed(path):
        return None
    _fail(f"{path} does not say what one may do with its pictures; give --license, for instance CC-BY-NC-4.0. It goes into every row.", code=2)


def _import(items: list, source: Source, out: Path, side: int, workers: int | None) -> None:
    """Import with a progress line, then say where every file went. Ends the program with one sentence on an error."""
    try:
        from data.importing import import_source
        from data.manifest import ManifestError

        with _progress() as bar:
            task = bar.add_task("Pictures", total=len(items))
            report = import_source(
                items, source, out, side, lambda stage, done, total: bar.update(task, description=stage, completed=done, total=total), workers
            )
    except KeyboardInterrupt:
        _fail("Stopped. The same command goes on from here.", code=130)
    except ManifestError as error:
        _fail(str(error))
    except ImportError as error:
        _fail(MISSING.format(error.name))
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename or out}")
    typer.echo(f"{report.found} files found: {report.added} added, {report.present} there before, {len(report.skipped)} left out.")
    for reason, count in report.reasons():
        typer.echo(f"  {count} left out: {reason}")
    if report.alike:
        typer.echo(f"{report.alike} pairs look alike; each is one group.")
    if report.skipped:
        typer.echo(f"What is left out is listed in {out / 'skipped.jsonl'}")


def _describe_imports(out: Path, rows: list[Row]) -> None:
    from data import skipped

    sizes = Counter(row.group for row in rows if ":" in row.group)
    if sizes:
        typer.echo(f"look alike: {sum(sizes.values())} pictures in {len(sizes)} groups of several lesions, cases or sources")
    left_out = Counter((entry["source"], skipped.kind_of(entry["reason"])) for entry in skipped.read(out))
    if left_out:
        typer.echo("left out: " + ", ".join(f"{source}: {reason} {count}" for (source, reason), count in left_out.most_common()))


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
