"""Which checkpoints are known, where they lie and what they say about themselves. Imports neither torch nor diffusers.

A checkpoint is named by

- ``embedded``, the one that comes with the project,
- the name of a folder in ``<home>/models`` (home: see ``assistant.settings``),
- a path to a folder,
- ``sd15``, or any other hub repository as ``owner/name@revision``. Hub weights come from the local cache; they are
  downloaded only with ``SCRIPT2SKIN_OFFLINE=false``.

A folder may hold ``script2skin.json``, read as a `Card`: default steps and guidance, and the vocabulary that the
checkpoint was trained on. A folder without one is a general model: nothing is known to be outside its vocabulary.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assistant.frames import Trained
from assistant.settings import settings
from generation import offline
from generation.errors import CheckpointError

CARD = "script2skin.json"
EMBEDDED = Path(__file__).parent / "embedded"

#: Short names of hub repositories, each at a pinned commit.
HUB = {"sd15": ("stable-diffusion-v1-5/stable-diffusion-v1-5", "451f4fe16113bff5a5d2269ed5ad43b0592e9a14")}
#: What is fetched of a repository: configs, tokenizer and the weights of the three models, safetensors only.
HUB_FILES = [
    "model_index.json",
    CARD,
    "scheduler/*.json",
    "tokenizer/*",
    "*/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/model.safetensors",
]
_HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?")


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
    #: So many of the first steps are drawn as for `generator.SHARED_TONE` whatever the tone, so that pictures of one seed in
    #: several tones show the same lesion on the same body.
    shared_steps: int = Field(default=0, ge=0)
    #: Side of the square image in pixels; None: what the U-Net's own config says.
    resolution: int | None = Field(default=None, ge=8, le=4096)
    #: Vocabulary that the checkpoint was trained on: lists of canonical names; None: not restricted.
    trained: Trained | None = None
    #: What may be done with the images: an SPDX name or a few words; goes into the manifest of a set.
    license: str = Field(default="as the model's own licence says", min_length=1)
    #: `layout.weights_sha256` of the folder; when given, the weights are compared with it on loading.
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is at hand."""

    name: str
    folder: Path
    card: Card


def read_card(folder: Path) -> Card:
    """The folder's ``script2skin.json``, or the defaults when it has none.

    Raises:
        CheckpointError: the file is there and is not a valid card.
    """
    path = folder / CARD
    try:
        return Card.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Card()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise CheckpointError(f"{path} is not a valid model card: {where}: {first['msg']}.") from error


def find(model: str | Path) -> Checkpoint:
    """Resolve a name, a path or a hub repository to a folder on this machine.

    Raises:
        CheckpointError: nothing of that name is at hand; the sentence says what to do.
    """
    name = str(model)
    if name in HUB:
        return _on_hub(name, *HUB[name])
    named = {"embedded": EMBEDDED, **_own_folders()}.get(name)
    folder = named or Path(name).expanduser()
    if folder.is_dir():
        card = read_card(folder)
        return Checkpoint(name if named else card.name or folder.resolve().name, folder, card)
    if folder.exists():
        raise CheckpointError(
            f"{name} is a single file; a model is a folder in diffusers' StableDiffusionPipeline layout with "
            "safetensors weights."
        )
    if name == "embedded":
        raise CheckpointError(f"The embedded checkpoint is missing from {EMBEDDED}; install the project again.")
    hub = _HUB_ID.fullmatch(name)
    if hub and not name.startswith((".", "~")):
        return _on_hub(name, hub["repo"], hub["revision"])
    raise CheckpointError(f"There is no model folder {name!r}{_suggestion(name)}.")


def known() -> dict[str, bool]:
    """Names to choose from, each with whether it is at hand: embedded first, own folders, then hub names."""
    names = {"embedded": EMBEDDED.is_dir(), **dict.fromkeys(sorted(_own_folders()), True)}
    return names | {name: _cached(*HUB[name]) is not None for name in HUB}


def _own_folders() -> dict[str, Path]:
    root = settings().home / "models"
    return {path.parent.name: path.parent for path in root.glob("*/model_index.json")}


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, known(), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known names are {', '.join(known())}"


def _cached(repo: str, revision: str) -> Path | None:
    """Folder of a repository's snapshot in the local hub cache, or None."""
    offline.prepare()
    from huggingface_hub import constants

    # the hub client takes longer to import than the page to be made, and on most machines there is nothing to find
    if not (Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}").is_dir():
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=HUB_FILES, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def _on_hub(name: str, repo: str, revision: str | None) -> Checkpoint:
    if revision is None:
        raise CheckpointError(
            f"There is no folder {name!r}, and a hub repository is loaded at a fixed revision only: write {repo}@<commit>."
        )
    folder = _cached(repo, revision)
    if folder is None and settings().offline:
        raise CheckpointError(
            f"{name} ({repo} at {revision[:12]}) is not on this machine and downloads are off; "
            "set SCRIPT2SKIN_OFFLINE=false to fetch it, or give the folder it lies in."
        )
    if folder is None or not settings().offline:
        folder = _download(name, repo, revision)
    return Checkpoint(name, folder, read_card(folder))


def _download(name: str, repo: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=HUB_FILES))
    except Exception as error:  # the hub client raises many unrelated kinds: network, gate, disk, name
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise CheckpointError(f"{name} ({repo} at {revision[:12]}) could not be fetched: {reason}.") from error


def write_card(folder: Path, card: Card) -> Path:
    """Write ``script2skin.json`` beside a checkpoint's weights (for the training recipes)."""
    values = card.model_dump(mode="json", exclude_none=True)
    if card.trained:
        values["trained"] = {slot: sorted(names) for slot, names in values["trained"].items()}
    path = folder / CARD
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return path
