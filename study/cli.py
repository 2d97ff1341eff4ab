"""``script2skin study``: show real and synthetic pictures blinded to readers, and report what they saw."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

MISSING = "{} is missing: a report needs the training extra. Install it with `make dev`."

app = typer.Typer(
    pretty_exceptions_enable=False,
    add_completion=False,
    help="""Show real and synthetic pictures to readers, blinded and mixed: which is real, and what does it show?

    \b
    script2skin study --real photos --synthetic drawn --out study     # opens the page; the same command goes on
    script2skin study report study                                    # accuracy, agreement, by tone and by rash""",
)


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    real: Annotated[Path | None, typer.Option(help="Set of photographs, with metadata.jsonl: see `script2skin data import`.")] = None,
    synthetic: Annotated[Path | None, typer.Option(help="Set of synthetic pictures, as `script2skin generate` writes it.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the study; --out alone opens the one that is there.")] = None,
    images: Annotated[int, typer.Option(min=2, help="Pictures that every reader sees, half of them real.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Another seed chooses other pictures.")] = 0,
    side: Annotated[int, typer.Option(min=32, help="Side of all pictures in pixels; smaller pictures are left out.")] = 256,
    page: Annotated[bool, typer.Option(help="Open the page; --no-page only makes the study.")] = True,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")] = 8502,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets readers at other computers in.")] = "localhost",
    browser: Annotated[bool, typer.Option(help="Open a browser window, where there is one.")] = True,
) -> None:
    if context.invoked_subcommand:
        return
    from study import plan

    if out is None or (real is None) != (synthetic is None):
        _fail("Give --real SET, --synthetic SET and --out STUDY; or --out alone for a study that is there.", 2)
    try:
        study = plan.make(out, real, synthetic, images, seed, side) if real and synthetic else plan.load(out)
    except plan.StudyError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or out}: {error.strerror or error}")
    pairs = len(study.pictures) // 2
    typer.echo(f"{len(study.pictures)} pictures in {out}: {pairs} real, {pairs} synthetic, pairs of one rash; {_same_tone(study)} of them of one tone too.")
    if len(study.pictures) < study.plan.images:
        typer.echo(f"{study.plan.images} were asked for; the two sets hold no more that match.", err=True)
    if page:
        _open(study.folder, port, host, browser)


@app.command()
def report(
    study: Annotated[Path, typer.Argument(help="Folder of a study.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for report.md, report.json and plots; the study's own unless given.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Accuracy with intervals, sensitivity, specificity, diagnoses, kappa: for all, by reader, by tone, by rash."""
    from study import plan

    try:
        from study import report as told

        found = told.write(plan.load(study), out or study, seed)
    except ImportError as error:
        _fail(MISSING.format(error.name))
    except plan.StudyError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or study}: {error.strerror or error}")
    typer.echo(f"{found}\nReport and plots: {out or study}")


def _same_tone(study) -> int:
    return sum(shown.same_tone for shown in study.pictures) // 2


def _open(folder: Path, port: int, host: str, browser: bool) -> None:
    from importlib import util

    from streamlit.web import cli

    from script2skin import streamlit_flags

    os.environ["SCRIPT2SKIN_STUDY"] = str(folder.resolve())
    typer.echo(f"The study is at http://{'localhost' if host == '0.0.0.0' else host}:{port}. Ctrl+C here ends it; answers are kept.")
    cli.main(["run", util.find_spec("study.page").origin, *streamlit_flags(port, host, browser)], prog_name="streamlit")


def _fail(message: str, code: int = 1) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(code)
