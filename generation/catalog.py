"""Which checkpoints are known, where they lie and what they say about themselves. Imports neither torch nor diffusers.

A checkpoint is named by

- ``embedded``, the one that comes with the project,
- the name of a folder, or of a link to one, in ``<home>/models`` (home: see ``assistant.settings``),
- a path to a folder, or to a training run, whose ``final/`` is meant,
- ``sd15``, or any other hub repository as ``owner/name@revision``. Hub weights come from the local cache; they are
  downloaded only with ``SCRIPT2SKIN_OFFLINE=false``.

A folder may hold ``script2skin.json``, read as a `Card`: default steps and guidance, and the vocabulary that the
checkpoint was trained on. A folder without one is a general model: nothing is known to be outside its vocabulary.

A ``coverage.json`` beside the card, from ``script2skin data coverage``, says how many training pictures stand behind each
condition, site and tone; the chat then says where they are few.

A *derived* model has no pipeline of its own: its card names the ``base`` that it was made from, and what goes in place of
the base's text encoder (``text_encoder``) or is merged into its weights (``lora``). All else is the base's.
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assistant.coverage import FILE as COVERAGE
from assistant.coverage import Coverage
from assistant.frames import Trained
from assistant.settings import settings
from generation import hub, rashes
from generation.errors import CheckpointError
from generation.hub import HUB

CARD = "script2skin.json"
INDEX = "model_index.json"
#: What a training run makes when it has come to its end, and what it has before.
FINAL = "final"
UNFINISHED = ("checkpoints", "recipe.json")
EMBEDDED = Path(__file__).parent / "embedded"
#: Names that a model can have in the list; they are folder names.
_NAME = re.compile(r"\w[\w .-]{0,79}")
Read = TypeVar("Read", bound=BaseModel)


class Card(BaseModel):
    """``script2skin.json`` of a checkpoint. Defaults are those of Stable Diffusion 1.5."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str | None = None
    #: Default sampling; ``guidance_scale`` 1 means no guidance.
    steps: int = Field(default=25, ge=1, le=1000)
    guidance_scale: float = Field(default=7.5, ge=0, le=30)
    #: For conditions that come out better with another scale than most.
    guidance_by_rash: dict[str, Annotated[float, Field(ge=0, le=30)]] = Field(default_factory=dict)
    #: The largest scale that may be asked for: a U-Net that is told the scale knows those that it learnt.
    guidance_most: float = Field(default=30.0, ge=1, le=30)
    #: φ of Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed", section 3.4; 0 is off.
    guidance_rescale: float = Field(default=0.0, ge=0, le=1)
    #: How many times at most an image is drawn again whose skin has not the colour that was asked for.
    tone_tries: int = Field(default=0, ge=0, le=20)
    #: Before that: by how many stops at most the exposure of such an image is set, so that its skin lies in the band.
    exposure: float = Field(default=0.0, ge=0, le=1)
    #: How many times at most an image is drawn again in which the checkpoint's own classifier (`generation.rashes`) sees another
    #: condition than the one asked for.
    rash_tries: int = Field(default=0, ge=0, le=20)
    #: So many of the first steps are drawn as for `generator.SHARED_TONE` whatever the tone, so that pictures of one seed in
    #: several tones show the same lesion on the same body.
    shared_steps: int = Field(default=0, ge=0)
    #: In the step after those the caption goes beyond its own tone, by this share of the way from the shared one: the fewer steps
    #: there are, the less of them is left to reach the lightest and the darkest skin.
    shared_push: float = Field(default=0.0, ge=0, le=2)
    #: Of ``steps``: how many of the last ones an image goes through again that is matched to one in another tone, after its skin has
    #: been recoloured. 0: such an image is drawn as any other.
    redrawn_steps: int = Field(default=0, ge=0)
    #: For conditions that another number does better: one that is diffuse and scaly has its scale drawn anew on another tone, where small
    #: lesions would move.
    redrawn_by_rash: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    #: Side of the square image in pixels; None: what the U-Net's own config says.
    resolution: int | None = Field(default=None, ge=8, le=4096)
    #: Vocabulary that the checkpoint was trained on: lists of canonical names; None: not restricted.
    trained: Trained | None = None
    #: What may be done with the images: an SPDX name or a few words; goes into the manifest of a set.
    license: str = Field(default="as the model's own licence says", min_length=1)
    #: `layout.weights_sha256` of the folder; when given, the weights are compared with it on loading.
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    #: Of a derived model: what it was made from, as ``--model`` takes it; a relative path counts from the card's folder.
    base: str | None = Field(default=None, min_length=1)
    #: `layout.weights_sha256` of the base when this was trained.
    base_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    #: Folder of a tuned text encoder, and folder or file of a LoRA adapter, beside the card.
    text_encoder: str | None = Field(default=None, min_length=1)
    lora: str | None = Field(default=None, min_length=1)
    #: How strongly the adapter counts.
    lora_scale: float = Field(default=1.0, gt=0, le=2)
    #: Of conditions that were learnt by DreamBooth: the word that goes before their captions.
    identifiers: dict[str, Annotated[str, Field(pattern=r"^\w+$")]] = Field(default_factory=dict)

    def over(self, base: Card) -> Card:
        """This card, with all that it does not set as ``base`` has it; the name is never the base's, the hash always."""
        own = {name: getattr(self, name) for name in self.model_fields_set}
        return base.model_copy(update={**own, "name": self.name, "sha256": base.sha256})


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is at hand."""

    name: str
    #: In diffusers' layout; a derived model's is its base's.
    folder: Path
    #: What it says of itself; a derived model's is complete, with the base's values where it sets none.
    card: Card
    #: Of a derived model.
    base: Checkpoint | None = None
    text_encoder: Path | None = None
    lora: Path | None = None
    #: Where its card lies, when not in ``folder``.
    own: Path | None = None

    @property
    def coverage(self) -> Coverage | None:
        """Training pictures by condition, site and tone: a derived model's own and those of its base; None where nobody counted.

        Raises:
            CheckpointError: a ``coverage.json`` is there and is not a valid one.
        """
        found = [_read_coverage(folder) for folder in filter(None, (self.folder, self.own))]
        counted = [coverage for coverage in found if coverage is not None]
        return sum(counted[1:], counted[0]) if counted else None

    @property
    def made_of(self) -> str:
        """What a derived model is, in a few words: "embedded with a LoRA adapter and a text encoder of its own"."""
        if self.base is None:
            return ""
        scale = "" if self.card.lora_scale == 1 else f" at {self.card.lora_scale:g}"
        parts = [f"a LoRA adapter{scale}"] if self.lora else []
        parts += ["a text encoder of its own"] if self.text_encoder else []
        return " ".join([self.base.name, *(["with", " and ".join(parts)] if parts else [])])

    def changed(self) -> int:
        """When its files were last written or replaced, in nanoseconds: a model that is trained again keeps its name."""
        folders = [*(self.folder / name for name in ("unet", "text_encoder", rashes.FOLDER)), *filter(None, (self.text_encoder, self.lora))]
        paths = [path for folder in folders for path in (folder, *folder.glob("*.safetensors"))]
        return max((path.stat().st_mtime_ns for path in paths if path.exists()), default=0)

    @property
    def added(self) -> tuple[str, ...]:
        """Conditions that a derived model learnt and that its base did not know."""
        before, now = self.base and self.base.card.trained, self.card.trained
        if not before or not before.rash or not now:  # nothing is known to be outside an open vocabulary
            return ()
        return tuple(sorted(now.rash - before.rash))


def read_card(folder: Path) -> Card:
    """The folder's ``script2skin.json``, or the defaults when it has none.

    Raises:
        CheckpointError: the file is there and is not a valid card.
    """
    return _read(folder / CARD, Card, "model card") or Card()


def _read_coverage(folder: Path) -> Coverage | None:
    return _read(folder / COVERAGE, Coverage, "count of training pictures")


def _read(path: Path, model: type[Read], what: str) -> Read | None:
    """A JSON file beside the weights, None where there is none. Raises `CheckpointError` for one that is not valid."""
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise CheckpointError(f"{path} is not a valid {what}: {where}: {first['msg']}.") from error


def find(model: str | Path) -> Checkpoint:
    """Resolve a name, a path or a hub repository to a folder on this machine.

    Raises:
        CheckpointError: nothing of that name is at hand; the sentence says what to do.
    """
    try:
        return _derived(*_place(str(model)))
    except OSError as error:  # a name longer than a file's can be, a folder that may not be looked into
        raise CheckpointError(f"{str(model)[:80]} cannot be read: {(error.strerror or str(error)).lower()}.") from error


def find_text_encoder(given: str | Path) -> Path:
    """Folder of a text encoder: of a run or a model, or with one in it, or a hub repository ``owner/name@revision``.

    What is in it is for `layout.read_layout` to judge.

    Raises:
        CheckpointError: nothing of that name is at hand.
    """
    folder = _beside(str(given), hub.TEXT_ENCODER_FILES, "text encoder folder")
    card = read_card(folder)
    if card.base and not card.text_encoder:
        raise CheckpointError(f"{given} has no text encoder of its own: it uses that of {card.base}.")
    return folder / card.text_encoder if card.text_encoder else folder


def find_lora(given: str | Path) -> Path:
    """File or folder of a LoRA adapter, found as `find_text_encoder` finds a text encoder. Raises `CheckpointError`."""
    folder = _beside(str(given), hub.LORA_FILES, "LoRA adapter")
    card = read_card(folder) if folder.is_dir() else Card()
    if card.base and not card.lora:
        raise CheckpointError(f"{given} has no LoRA adapter.")
    return folder / card.lora if card.lora else folder


def _beside(given: str, files: tuple[str, ...], what: str) -> Path:
    path = _named().get(given) or Path(given).expanduser()
    if path.exists():
        return _finished(path, given) if path.is_dir() else path
    repository = hub.parse(given)
    if repository and repository[1]:
        return hub.fetch(given, *repository, files)
    raise CheckpointError(f"There is no {what} {given!r}.")


def _place(name: str, root: Path = Path()) -> tuple[str, Path]:
    """Name and folder of a model; relative paths count from ``root``."""
    if name in HUB:
        return name, hub.fetch(name, *HUB[name])
    named = _named().get(name)
    folder = named or root / Path(name).expanduser()
    if folder.is_dir():
        model = _finished(folder, name)
        return name if named else read_card(model).name or _called(model), model
    if folder.exists():
        raise CheckpointError(
            f"{name} is a single file; a model is a folder in diffusers' StableDiffusionPipeline layout with "
            "safetensors weights."
        )
    if name == "embedded":
        raise CheckpointError(f"The embedded checkpoint is missing from {EMBEDDED}; install the project again.")
    link = _models() / name
    if link.is_symlink():
        raise CheckpointError(f"The model {name!r} is gone: {link.readlink()} was deleted or moved; choose another one.")
    repository = hub.parse(name)
    if repository:
        return name, hub.fetch(name, *repository)
    raise CheckpointError(f"There is no model folder {name!r}{_suggestion(name)}.")


def _model_in(folder: Path) -> Path | None:
    """The folder itself, or ``final/`` of a training run; None where there is no model."""
    places = (folder, folder / FINAL)
    return next((place for place in places if any((place / file).exists() for file in (INDEX, CARD))), None)


def _finished(folder: Path, name: str) -> Path:
    """Where the parts of a model lie. Raises `CheckpointError` for a training run that has not come to its end."""
    if model := _model_in(folder):
        return model
    if (folder / FINAL).is_dir():
        return folder / FINAL
    if any((folder / file).exists() for file in UNFINISHED):
        raise CheckpointError(
            f"The training in {name} has not finished: it has checkpoints only. The command that began it goes on with it."
        )
    return folder


def _called(folder: Path) -> str:
    """A model is called as its folder, and a run's as the run."""
    folder = folder.resolve()
    return folder.parent.name if folder.name == FINAL else folder.name


def _derived(name: str, folder: Path) -> Checkpoint:
    """Read the card, and that of the base if it names one."""
    card = read_card(folder)
    if card.base is None:
        return Checkpoint(name, folder, card)
    try:
        base_name, base_folder = _place(card.base, folder.resolve())
        base_card = read_card(base_folder)
    except CheckpointError as error:
        raise CheckpointError(f"{name} was made from {card.base}, which cannot be used. {error}") from error
    if base_card.base is not None:
        raise CheckpointError(
            f"{name} was made from {card.base}, which is itself made from {base_card.base}; a base must be a complete model."
        )
    tower, lora = (folder / part if part else None for part in (card.text_encoder, card.lora))
    return Checkpoint(name, base_folder, card.over(base_card), Checkpoint(base_name, base_folder, base_card), tower, lora, folder)


def known() -> dict[str, bool]:
    """Names to choose from, each with whether it is at hand: embedded first, own folders, then hub names."""
    names = {"embedded": EMBEDDED.is_dir(), **dict.fromkeys(sorted(_own_folders()), True)}
    return names | {name: hub.cached(*HUB[name]) is not None for name in HUB}


def offer(final: Path, name: str) -> str:
    """Make a model, such as the ``final/`` of a run, choosable by name: a link to it in ``<home>/models``.

    Returns:
        The name that it has got: ``name``, or with a number where another model has that one already.

    Raises:
        CheckpointError: it is no model, the name is none, or the link cannot be made.
    """
    find(final)
    if not _NAME.fullmatch(name):
        raise CheckpointError(f"{name!r} cannot be the name of a model: use letters, digits, spaces and . _ - only.")
    target = Path(final).resolve()
    try:
        _models().mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            chosen = name if number == 1 else f"{name}-{number}"
            link = _models() / chosen
            if link.resolve() == target:
                return chosen
            if chosen != "embedded" and chosen not in HUB and not link.exists() and not link.is_symlink():
                link.symlink_to(target, target_is_directory=True)
                return chosen
    except OSError as error:
        raise CheckpointError(f"{name} cannot be put into {_models()}: {(error.strerror or str(error)).lower()}.") from error


def _models() -> Path:
    return settings().home / "models"


def _own_folders() -> dict[str, Path]:
    """Name → folder of what lies or is linked in ``<home>/models``; a link whose folder is gone is not there."""
    return {path.name: model for path in _models().glob("*") if (model := _model_in(path))}


def _named() -> dict[str, Path]:
    return {"embedded": EMBEDDED, **_own_folders()}


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, known(), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known names are {', '.join(known())}"


def write_card(folder: Path, card: Card) -> Path:
    """Write ``script2skin.json`` beside a checkpoint's weights (for the training recipes); of a derived model only what is set."""
    values = card.model_dump(mode="json", exclude_none=True, exclude_unset=card.base is not None)
    if values.get("trained"):
        values["trained"] = {slot: sorted(names) for slot, names in values["trained"].items()}
    path = folder / CARD
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return path
