"""The one console command, ``script2skin``, with a subcommand for each job.

Nothing heavy is imported before a command needs it: ``--help`` and ``--dry-run`` never load torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module, metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from assistant.coverage import Coverage
    from assistant.frames import Trained
    from assistant.schema import ImageRequest, Turn
    from generation import Generator
    from generation.bulk import Kept

HELP = """From a typed sentence to synthetic images of skin conditions.

\b
Open the chat in the browser:
  script2skin app
Talk in this terminal; images are saved in ./script2skin-images:
  script2skin chat
Draw one sentence into a folder, PNG files with a JSON file beside each:
  script2skin generate "three images of eczema on the elbow, fair skin" --out eczema
A labelled set, the same number on every skin tone; the same command goes on where it was stopped:
  script2skin generate "500 images each of psoriasis on every skin tone" --out set --seed 1
What is understood of a sentence, without drawing:
  script2skin parse "now the same on black skin"

Images are synthetic and not for diagnosis.
"""
CHAT_HELP = """Talk with the assistant, one sentence a line.

\b
In a terminal you are asked for one sentence after another; end with Ctrl-D (Ctrl-C stops a drawing).
For programs, one JSON object a line comes back for every line that goes in:
  printf '%s\\n' "eczema on the elbow" "now on black skin" | script2skin chat --json --dry-run
"""
GENERATE_HELP = """Draw one sentence into a folder.

Every image is a PNG file with a JSON file beside it, and all are listed in metadata.jsonl.

\b
  script2skin generate "three images of acne on the chin, brown skin" --out acne --seed 7
  script2skin generate "eczema and psoriasis on the elbow, fair and brown" --count 400 --out set --seed 1
  script2skin generate "tinea on the foot" --out tinea --model runs/my-model --steps 30 --guidance 4
  script2skin generate "acne on the chin" --out tuned --text-encoder runs/clip --lora runs/lora --lora-scale 0.8
  script2skin generate --like set --out synthetic --model runs/my-model --count 3000 --balanced --seed 1

Any number of images may be asked for. --like draws what the training pictures of a set are labelled as, as often as they are, or
with --balanced every condition as often as the others; --count says how many in all. With --seed, the same command draws only what is not yet in the folder.
The folder is one that datasets.load_dataset("imagefolder") reads. Ends with 2 when the sentence leads to a question
instead of images, and with 1 when an image or the model failed.
"""

#: What arrow keys and colours leave in a line (ECMA-48 control sequences); their numbers are no numbers of images.
_KEYS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")

#: Subcommands that other rooms bring along, loaded when they are called: name → module with a typer ``app``, help.
ROOMS = {
    "data": ("data.cli", "Bring pictures into one labelled set."),
    "train": ("training.cli", "Train a model from a labelled set."),
    "evaluate": ("training.evaluate", "Measure what a model draws."),
    "study": ("study.cli", "Show real and synthetic pictures blinded to readers, and report what they saw."),
}

app = typer.Typer(
    no_args_is_help=True,
    help=HELP,
    rich_markup_mode=None,  # keeps the examples as they are laid out
    pretty_exceptions_enable=False,
    add_completion=False,
)

Model = Annotated[
    str | None,
    typer.Option("--model", help="embedded, sd15, owner/name@commit of a hub, a training run, or a folder in diffusers' layout."),
]
Steps = Annotated[int | None, typer.Option("--steps", help="Denoising steps; the model's own number unless given.")]
Guidance = Annotated[
    float | None,
    typer.Option("--guidance", help="How closely the words are followed (guidance scale); 1 is without guidance."),
]
TextEncoder = Annotated[
    str | None, typer.Option("--text-encoder", help="A fine-tuned CLIP text encoder: its training run or folder.")
]
Lora = Annotated[str | None, typer.Option("--lora", help="A LoRA adapter: its training run, folder or .safetensors file.")]
LoraScale = Annotated[
    float | None, typer.Option("--lora-scale", help="How strongly the adapter counts, above 0 and up to 2; 1 unless given.")
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, max=2**32 - 1, help="The same seed draws the same images.")]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Entry point of the console command."""
    from assistant.vocabulary import VocabularyError

    try:
        app()
    except VocabularyError as error:  # of one's own conditions: the project's own files are tested
        typer.echo(str(error), err=True)
        sys.exit(1)
    except BrokenPipeError:  # the reader has seen enough, as in `script2skin … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"script2skin {metadata.version('script2skin')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(name="app")
def open_app(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")] = 8501,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other computers in.")] = "localhost",
    browser: Annotated[bool, typer.Option(help="Open a browser window, where there is one.")] = True,
) -> None:
    """Open the chat in the browser."""
    page = util.find_spec("streamlit_app")
    if page is None or page.origin is None:
        _fail("The page streamlit_app.py is missing; install the project again.")
    from streamlit.web import cli

    typer.echo(f"The chat is at http://{'localhost' if host == '0.0.0.0' else host}:{port}. Ctrl+C here ends it.")
    threading.Thread(target=_load_ahead, args=(host, port), daemon=True).start()
    cli.main(["run", page.origin, *streamlit_flags(port, host, browser)], prog_name="streamlit")


def streamlit_flags(port: int, host: str, browser: bool) -> list[str]:
    """What ``streamlit run`` is told: where to listen, and to call nobody."""
    options = {
        "server.port": port,
        "server.address": host,
        "server.headless": str(not browser).lower(),
        "server.showEmailPrompt": "false",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        # Streamlit's own words at the start, and a notice on the page that offers to install things for its developers.
        "logger.hideWelcomeMessage": "true",
    }
    return [f"--{name}={value}" for name, value in options.items()]


def _load_ahead(host: str, port: int) -> None:
    """Import what the page needs while the browser still loads the page's own script; any earlier, the server waits."""
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            break
        time.sleep(0.02)
    for module in ("assistant.session", "generation.job", "numpy"):
        import_module(module)


@app.command()
def prepare(model: Model = None, text_encoder: TextEncoder = None, lora: Lora = None, lora_scale: LoraScale = None) -> None:
    """Get a model ready for this processor; else the first drawing does it, and takes some seconds longer."""
    from assistant.settings import settings
    from generation import Generator

    with _sentences(), _progress(1) as (say, _):
        say("Getting the model ready for this processor, once")
        for failed in (settings().home / "compiled").glob(".*.failed"):  # tried again
            failed.unlink(missing_ok=True)
        generator = Generator.load(
            model or settings().model, settings().device, text_encoder=text_encoder, lora=lora, lora_scale=lora_scale
        )
    typer.echo(f"{generator.checkpoint.name} is ready; it is drawn by {generator.runtime}.")


@app.command(help=CHAT_HELP)
def chat(
    as_json: AsJson = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Answer, but draw nothing; loads no model.")] = False,
    out: Annotated[Path, typer.Option("--out", help="Folder for the images.")] = Path("script2skin-images"),
    model: Model = None,
    steps: Steps = None,
    guidance: Guidance = None,
    seed: Seed = None,
    text_encoder: TextEncoder = None,
    lora: Lora = None,
    lora_scale: LoraScale = None,
    device: Device = None,
) -> None:
    from assistant import Conversation

    parts = {"text_encoder": text_encoder, "lora": lora, "lora_scale": lora_scale}
    studio = None if dry_run else Studio(out, model, steps, guidance, device, parts=parts)
    known = {} if studio is None else {"trained": studio.trained(), "coverage": studio.coverage()}
    conversation = Conversation(seed=seed, **known)
    for text in _lines(prompt=not as_json and sys.stdin.isatty()):
        turn = conversation.say(text)
        if not as_json:
            typer.echo(_clean(turn.reply) + "\n")
        result = studio.draw(turn, show=not as_json) if studio else {}
        if as_json:
            _print_json({**turn.model_dump(mode="json"), **result})


@app.command(help=GENERATE_HELP)
def generate(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the images.")],
    text: Annotated[str | None, typer.Argument(help="What to draw, as one sentence.")] = None,
    like: Annotated[
        Path | None, typer.Option(help="A set of `script2skin data import`, or drawn before: the same labels, in place of a sentence.")
    ] = None,
    balanced: Annotated[bool, typer.Option("--balanced", help="With --like: every condition as often as the others.")] = False,
    seed: Seed = None,
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="Images in all, shared out over what the sentence names.")
    ] = None,
    model: Model = None,
    steps: Steps = None,
    guidance: Guidance = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", help="Images at a time; 4 take a fifth less time each on a CPU, 32 much less on a GPU.")
    ] = None,
    sheet: Annotated[Path | None, typer.Option(help="Also put them all on one contact sheet, .jpg or .png.")] = None,
    text_encoder: TextEncoder = None,
    lora: Lora = None,
    lora_scale: LoraScale = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    from assistant import Conversation

    if (text is None) == (like is None):
        raise typer.BadParameter("Say what to draw, as one sentence, or give --like with the folder of a set; not both.")
    parts = {"text_encoder": text_encoder, "lora": lora, "lora_scale": lora_scale}
    studio = Studio(out, model, steps, guidance, device, batch_size, parts)
    if like:
        _draw_like(studio, like, out, seed, count, balanced, sheet, as_json)
        return
    with _sentences():
        conversation = Conversation(seed=seed, trained=studio.checkpoint().card.trained, limit=None, coverage=studio.coverage())
    turn = conversation.say(text)
    if turn.act != "generate" or not turn.requests:
        if as_json:
            _print_json(turn.model_dump(mode="json"))
        _fail(_clean(turn.reply), code=2)
    typer.echo(_clean(turn.reply), err=True)
    if count is not None:
        turn = turn.model_copy(update={"requests": _share_out(turn.requests, count)})
    _draw_into(studio, turn, out, conversation.history.seed, sheet, as_json)


def _draw_like(
    studio: Studio, like: Path, out: Path, seed: int | None, count: int | None, balanced: bool, sheet: Path | None, as_json: bool
) -> None:
    import random

    from assistant.schema import Turn
    from data.like import requests_like
    from data.manifest import read

    seed = random.getrandbits(32) if seed is None else seed
    try:
        rows = read(like)
        if not rows:
            _fail(f"{like} lists no pictures in metadata.jsonl; make a set of it with `script2skin data import`.")
        requests, left_out = requests_like(rows, seed, count, balanced)
    except ValueError as error:
        _fail(_clean(str(error)))
    total, conditions = sum(request.count for request in requests), sorted({request.rash for request in requests})
    note = f" {left_out} of its training pictures are left out: nobody knows their tone, or the vocabulary lacks their condition." if left_out else ""
    typer.echo(f"{total:,} images labelled like {like}: {', '.join(conditions)}.{note}", err=True)
    _draw_into(studio, Turn(act="generate", requests=requests, reply=""), out, seed, sheet, as_json)


def _draw_into(studio: Studio, turn: Turn, out: Path, seed: int, sheet: Path | None, as_json: bool) -> None:
    """Draw a turn's requests into ``out``, list them, say what went wrong, and end as a command does."""
    result = studio.draw(turn, show=not as_json, manifest=True)
    if sheet and (trouble := _sheet(sheet, turn.requests, result["images"])):
        result["error"] = result["error"] or trouble
        typer.echo(_clean(trouble), err=True)
    if as_json:
        _print_json({**turn.model_dump(mode="json"), **result})
    if result["stopped"]:
        again = f" The same command with --seed {seed} goes on from here."
        _fail(f"Stopped; the images drawn so far are in {out}.{again}", code=130)
    if result["error"] or any(image["error"] for image in result["images"]):
        raise typer.Exit(1)


@app.command()
def edit(
    image: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Picture to change; it stays as it is.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the changed picture, its record and its masks.")],
    tone: Annotated[str | None, typer.Option(help="Another skin tone: very fair, fair, medium, olive, brown, black.")] = None,
    size: Annotated[str | None, typer.Option(help="Another size of the lesion: tiny, large, or its diameter times a number.")] = None,
    move: Annotated[str | None, typer.Option(help="Elsewhere: left, right, up, down, or x,y of its middle in pixels.")] = None,
    more: Annotated[int, typer.Option(min=0, help="How many more of the lesion.")] = 0,
    mask: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Where the lesion is, white on black; found unless given.")] = None,
    rash: Annotated[str | None, typer.Option(help="What a photograph without a record shows.")] = None,
    area: Annotated[str | None, typer.Option(help="Where; on a face, brows and eyes are told from a lesion.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed puts more lesions elsewhere.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Change a picture: its skin in another tone, its lesion of another size, elsewhere, or more of it.

    Works on pictures that Script2Skin drew, which say themselves what is on them, and on photographs. What is not changed
    keeps its bits. Sizes, pieces and the largest difference elsewhere are measured and stand in the JSON file beside it.
    """
    from generation.edit import Edit
    from generation.editing import edit_file

    with _sentences():
        place = move if move is None or "," not in move else _pair(move)
        path, record = edit_file(image, Edit(tone, _number(size), place, more), out, mask, rash, area, seed=seed)
    if as_json:
        _print_json({"file": str(path), "sidecar": str(path.with_suffix(".json")), **record})
        return
    print(path)
    done = record["edit"]
    typer.echo(f"Lesion: {done['area'][0]} to {done['area'][1]} pixels, {done['pieces'][0]} to {done['pieces'][1]} pieces. Elsewhere nothing changed.", err=True)
    if more and done.get("added", more) < more:
        typer.echo(f"There was room for {done['added']} of {more} more.", err=True)


def _number(size: str | None) -> str | float | None:
    try:
        return float(size) if size else size
    except ValueError:
        return size


def _pair(move: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in move.split(","))
    except ValueError:
        _fail(f"--move {move!r} is no x,y in pixels, such as 128,90.", code=2)
    return x, y


@app.command()
def parse(text: Annotated[str, typer.Argument(help="Any sentence.")], as_json: AsJson = False) -> None:
    """Show what is understood of one sentence.

    No history is looked at: "now on black skin" is read as a change of something.
    """
    from assistant.parser import Parser

    values = Parser().parse(text).model_dump(mode="json", exclude_defaults=True)
    if as_json:
        _print_json(values)
        return
    patches = values.pop("patches", [])
    for name, value in [*values.items(), *((f"patch {number}", patch) for number, patch in enumerate(patches, 1))]:
        typer.echo(_clean(f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"))


class Studio:
    """Draws turns into a folder; the model is loaded for the first one."""

    def __init__(
        self,
        out: Path,
        model: str | None,
        steps: int | None,
        guidance: float | None,
        device: str | None,
        batch_size: int | None = None,
        parts: dict[str, Any] | None = None,
    ):
        from assistant.settings import settings

        self._out = out
        self._model = model or settings().model
        self._device = device or settings().device
        self._parts = parts or {}
        self._how = {
            "steps": settings().steps if steps is None else steps,
            "guidance_scale": settings().guidance_scale if guidance is None else guidance,
            "batch_size": batch_size,
        }
        self._generator: Generator | None = None

    def checkpoint(self) -> Any:
        """Raises `generation.CheckpointError` when the model is not at hand."""
        from generation import find

        return find(self._model)

    def trained(self) -> Trained | None:
        """The model's vocabulary; a model that is not at hand is said once, and the conversation goes on."""
        from generation import GenerationError

        try:
            return self.checkpoint().card.trained
        except GenerationError as error:
            typer.echo(_clean(str(error)), err=True)
            return None

    def coverage(self) -> Coverage | None:
        """What is counted of the model's training pictures; a damaged count is said, and the conversation goes on."""
        from generation import GenerationError

        try:
            checkpoint = self.checkpoint()
        except GenerationError:  # `trained` says it
            return None
        try:
            return checkpoint.coverage
        except GenerationError as error:
            typer.echo(_clean(str(error)), err=True)
            return None

    def draw(self, turn: Turn, show: bool, manifest: bool = False) -> dict[str, Any]:
        """Draw a turn's requests; ``show`` prints each path as it comes. Nothing is raised: the result says it all.

        Returns:
            ``images`` (file, sidecar, request, index, seed, error and so on), ``error`` (one sentence or None) and
            ``stopped`` (by Ctrl-C).
        """
        from generation import GenerationError, checks

        result: dict[str, Any] = {"images": [], "error": None, "stopped": False}
        if turn.act != "generate" or not turn.requests:
            return result
        kept: list[Kept] = []
        try:
            for image in self._images(turn.requests):
                kept.append(image)
                result["images"].append(_listed(image))
                if image.error:
                    typer.echo(f"Image {len(kept)} failed: {image.error}.", err=True)
                elif show:
                    print(image.path, flush=True)  # not typer.echo, which would write across the bar
        except GenerationError as error:
            result["error"] = str(error)
            typer.echo(_clean(str(error)), err=True)
        except KeyboardInterrupt:
            result["stopped"] = True
        passing = [other for image in kept if (other := checks.passes_for(image.sidecar))]
        if passing:
            words = "It may pass for" if len(kept) == 1 else f"{len(passing)} of {len(kept)} images may pass for"
            typer.echo(f"{words} {' or '.join(sorted(set(passing)))}; the record of each says so.", err=True)
        if manifest and (trouble := _list_in_manifest(self._out, kept, self.checkpoint().card.license)):
            result["error"] = result["error"] or trouble
            typer.echo(_clean(trouble), err=True)
        return result

    def _images(self, requests: list[ImageRequest]) -> Iterator[Kept]:
        from generation import Generator
        from generation.bulk import draw_into

        with _progress(sum(request.count for request in requests)) as (say, on_step):
            if self._generator is None:
                say("Loading the model")
                self._generator = Generator.load(self._model, self._device, **self._parts)
            say("Drawing")
            for image in draw_into(self._out, self._generator, requests, on_step=on_step, **self._how):
                on_step(1, 1)
                yield image


@contextlib.contextmanager
def _progress(total: int) -> Iterator[tuple[Any, Any]]:
    """A bar on standard error, where that is a terminal: gives (say(words), on_step(step, steps))."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    show = {"transient": True, "disable": not console.is_terminal, "redirect_stdout": sys.stdout.isatty()}
    with Progress(*columns, console=console, **show) as bar:
        task = bar.add_task("", total=total)
        done = 0

        def say(words: str) -> None:
            bar.update(task, description=words)

        def on_step(step: int, steps: int) -> None:
            nonlocal done
            done += step == steps == 1
            bar.update(task, completed=done, description=f"Drawing, step {step} of {steps}" if steps > 1 else None)

        yield say, on_step


def _listed(image: Kept) -> dict[str, Any]:
    """An image as the JSON output lists it."""
    return {
        "file": str(image.path) if image.path else None,
        "sidecar": str(image.path.with_suffix(".json")) if image.path else None,
        "request": image.request,
        "index": image.index,
        "seed": image.sidecar["seed"],
        "caption": image.sidecar["caption"],
        "measured_tone": image.sidecar.get("measured_tone"),
        "seen_rash": image.sidecar.get("seen_rash"),
        "error": image.error,
    }


def _sheet(path: Path, requests: list[ImageRequest], images: list[dict[str, Any]]) -> str | None:
    """Put what was drawn on one sheet; returns a sentence when that cannot be done."""
    from PIL import Image

    from generation.sheets import contact_sheet

    drawn = [image for image in images if not image["error"]]
    if not drawn:
        return None
    asked = [requests[image["request"]] for image in drawn]
    words = [", ".join(filter(None, (request.rash, request.area, request.tone))) for request in asked]
    columns = next((n for n in (6, 5, 4) if len(drawn) % n == 0), min(6, len(drawn)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        contact_sheet([Image.open(image["file"]) for image in drawn], words, columns, side=256).save(path, quality=88)
    except (OSError, ValueError) as error:
        return f"The sheet {path} could not be written: {error}. The images are in {Path(drawn[0]['file']).parent}."
    typer.echo(f"Contact sheet: {path}", err=True)
    return None


def _list_in_manifest(folder: Path, kept: list[Kept], license: str) -> str | None:
    """List the images in the folder's ``metadata.jsonl``, beside what it lists already; returns what went wrong."""
    from data.manifest import ManifestError, read, write

    if not any(image.path for image in kept):
        return None
    try:
        rows = {row.file_name: row for row in read(folder)}
        for image in kept:
            if image.path:
                rows[image.path.name] = _row(image, license)
        write(folder, rows.values())
    except ManifestError as error:
        return str(error)
    except OSError as error:
        return f"{folder / 'metadata.jsonl'} could not be written: {error.strerror}."
    return None


def _row(image: Kept, license: str) -> Any:
    from assistant.schema import VALUE_SLOTS
    from data.manifest import Row

    record = image.sidecar
    return Row(
        **{slot: record["request"][slot] for slot in VALUE_SLOTS},
        file_name=image.path.name,
        text=record["caption"],
        source=f"script2skin {record['model']['name']}",
        license=license,
        group=str(record["seed"]),  # the same noise on another tone is much the same picture
        split="train",
        ita=(record.get("measured_tone") or {}).get("ita"),
    )


def _share_out(requests: list[ImageRequest], count: int) -> list[ImageRequest]:
    from generation.bulk import shared_out

    try:
        return shared_out(requests, count)
    except ValueError as error:
        _fail(str(error))


def _lines(prompt: bool) -> Iterator[str]:
    """Lines of standard input, whatever bytes they hold; in a terminal each is asked for."""
    if prompt:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - gives input() a history and line editing
        typer.echo("Say what you want to see. Ctrl-D ends.\n")
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            while True:
                yield _KEYS.sub("", input("you: "))
        typer.echo()
        return
    for line in sys.stdin.buffer:
        yield _KEYS.sub("", line.decode("utf-8-sig", errors="replace").rstrip("\r\n"))


def _print_json(value: dict[str, Any]) -> None:
    """One line of UTF-8, whatever the terminal's own encoding is."""
    sys.stdout.buffer.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")
    sys.stdout.buffer.flush()


def _clean(text: str) -> str:
    """Without Markdown's bold, and without control characters: quoted user text must not steer the terminal."""
    return "".join(letter for letter in text.replace("**", "") if letter.isprintable() or letter == "\n")


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """Errors meant for people end the command with their one sentence, without a traceback."""
    from generation import GenerationError

    try:
        yield
    except GenerationError as error:
        _fail(_clean(str(error)))


def _fail(message: str, code: int = 1) -> Any:
    typer.echo(message, err=True)
    raise typer.Exit(code)


def _room(name: str, module: str) -> Any:
    """A command that hands its arguments to another room's typer app."""

    def run(context: typer.Context) -> None:
        import_module(module).app(args=context.args, prog_name=f"script2skin {name}")

    return run


for _name, (_module, _summary) in ROOMS.items():
    if util.find_spec(_module.partition(".")[0]):
        _settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
        app.command(_name, help=_summary, context_settings=_settings)(_room(_name, _module))
