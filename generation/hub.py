"""Hub repositories at a fixed revision: from the local cache, or fetched where downloads are allowed."""

from __future__ import annotations

import re
from pathlib import Path

from assistant.settings import settings
from generation import offline
from generation.errors import CheckpointError

#: Short names of hub repositories, each at a pinned commit.
HUB = {"sd15": ("stable-diffusion-v1-5/stable-diffusion-v1-5", "451f4fe16113bff5a5d2269ed5ad43b0592e9a14")}
#: What is fetched of a model: card, configs, tokenizer, the weights of the models and an adapter, safetensors only.
MODEL_FILES = (
    "model_index.json",
    "script2skin.json",
    "scheduler/*.json",
    "tokenizer/*",
    "*/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/model.safetensors",
    "rash_classifier/model.safetensors",
    "rash_classifier/preprocessor_config.json",
    "lora/*.safetensors",
)
#: … of a text encoder by itself …
TEXT_ENCODER_FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer*",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/*",
)
#: … and of an adapter by itself: the names that diffusers and peft give it.
LORA_FILES = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors", "adapter_config.json")

_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?")


def parse(name: str) -> tuple[str, str | None] | None:
    """(repository, revision) of ``sd15`` or ``owner/name@revision``; None when ``name`` cannot be a repository's."""
    if name in HUB:
        return HUB[name]
    found = None if name.startswith((".", "~")) else _ID.fullmatch(name)
    return (found["repo"], found["revision"]) if found else None


def cached(repo: str, revision: str, files: tuple[str, ...] = MODEL_FILES) -> Path | None:
    """Folder of a repository's snapshot in the local hub cache, or None."""
    offline.prepare()
    from huggingface_hub import constants

    # the hub client takes longer to import than the page to be made, and on most machines there is nothing to find
    if not (Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}").is_dir():
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(files), local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def fetch(name: str, repo: str, revision: str | None, files: tuple[str, ...] = MODEL_FILES) -> Path:
    """The folder of a repository at a revision.

    Args:
        name: what the user called it.
        files: patterns of what is needed of it.

    Raises:
        CheckpointError: no revision, not at hand while downloads are off, or the download failed.
    """
    if revision is None:
        raise CheckpointError(
            f"There is no folder {name!r}, and a hub repository is loaded at a fixed revision only: write {repo}@<commit>."
        )
    folder = cached(repo, revision, files)
    if folder is None and settings().offline:
        raise CheckpointError(
            f"{name} ({repo} at {revision[:12]}) is not on this machine and downloads are off; "
            "set SCRIPT2SKIN_OFFLINE=false to fetch it, or give the folder it lies in."
        )
    if folder is None or not settings().offline:
        folder = _download(name, repo, revision, files)
    return folder


def _download(name: str, repo: str, revision: str, files: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(files)))
    except Exception as error:  # the hub client raises many unrelated kinds: network, gate, disk, name
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise CheckpointError(f"{name} ({repo} at {revision[:12]}) could not be fetched: {reason}.") from error
