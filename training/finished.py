"""What a fine-tuning leaves behind: a folder that the chat draws with, a card that tells how it was made, and its figures."""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from pydantic import BaseModel

from generation import catalog, hub, layout
from generation.errors import CheckpointError
from training import plots
from training.run import Run, TrainingError

#: What is fetched of a CLIP on a hub.
CLIP_FILES = ("config.json", "model.safetensors", "tokenizer*", "vocab.json", "merges.txt", "special_tokens_map.json", "preprocessor_config.json")


def clip_folder(name: str) -> Path:
    """Folder of a CLIP: of a model or a finished run, any folder, or a hub repository ``owner/name@revision``.

    Raises:
        CheckpointError: nothing of that name is at hand.
    """
    path = Path(name).expanduser()
    for folder in (path / "final" / "clip", path / "clip", path):
        if (folder / "config.json").is_file():
            return folder
    repository = hub.parse(name)
    if not path.is_dir() and name not in catalog.known() and repository:
        folder = hub.fetch(name, *repository, CLIP_FILES)
        if (folder / "model.safetensors").exists():
            return folder
        return hub.fetch(name, *repository, (*CLIP_FILES, "pytorch_model.bin"))  # transformers reads it without running what is in it
    return catalog.find(name).folder


def pin(run: Path, **values: Any) -> None:
    """Write down what a run is of. Raises TrainingError where it has begun with something else."""
    path = run / "pinned.json"
    if path.exists() and (run / "checkpoints").is_dir():
        before = json.loads(path.read_text())
        other = [name for name in values if before.get(name) != values[name]]
        if other:
            raise TrainingError(
                f"{run} has begun with another {' and '.join(other)} ({before.get(other[0])} then, {values[other[0]]} now). "
                "Give another folder with --out, or delete that one."
            )
    run.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1) + "\n")


def write(
    recipe: BaseModel, run: Run, final: Path, report: dict[str, Any], title: str, base: str | None, parts: dict[str, Any], told: str
) -> None:
    """Write report, model card and, where a pipeline is meant, the card that makes ``final`` a model; then offer it in the chat.

    ``parts``: fields of `generation.Card` beyond the base. ``told``: the figures as Markdown.
    """
    final.mkdir(parents=True, exist_ok=True)
    rows = [row["images_per_second"] for row in plots.rows(run.folder / "metrics.jsonl") if "images_per_second" in row]
    report |= {"peak_memory_gb": peak_memory(), "images_per_second": float(np.median(rows)) if rows else None}
    (run.folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    starts = [json.loads(line) for line in (run.folder / "starts.jsonl").read_text().splitlines()]
    machine = ", ".join(f"{name} {value}" for name, value in starts[-1].items() if name not in ("step", "data_sha256") and value is not None)
    loss = os.path.relpath(run.folder / "loss.png", final)
    values = yaml.safe_dump(json.loads(recipe.model_dump_json(exclude_none=True)), sort_keys=False, allow_unicode=True)
    (final / "README.md").write_text(
        f"# {title}: {run.folder.name}\n\nMade from `{recipe.base}`. Images drawn with it are synthetic and not for diagnosis.\n\n{told}\n\n"
        f"{run.step} steps of {run.samples} images in {run.seconds / 60:.1f} minutes, started {len(starts)} times; at most "
        f"{report['peak_memory_gb']:.1f} GB of memory; last on: {machine}.\n"
        f"Data (sha256 of names, captions and sizes): `{starts[-1]['data_sha256']}`.\n\n![Figures of the run]({loss})\n\n"
        f"```yaml\n{values}```\n"
    )
    print(told, flush=True)
    if base is None:
        print(f"Finished: {final}. Use its text tower with --text-encoder {run.folder}.", flush=True)
        return
    if not (final / catalog.INDEX).exists():
        folder = catalog.find(base).folder
        parts = {"base": _named_from(base, final), "base_sha256": layout.weights_sha256(folder), **parts}
    catalog.write_card(final, catalog.Card(**parts))
    try:
        name = catalog.offer(final, run.folder.name)
        print(f"Finished: {final}. Choose {name!r} in the chat's sidebar, or draw with --model {run.folder}.", flush=True)
    except CheckpointError as error:
        print(f"Finished: {final}; draw with --model {run.folder}. In the chat it is not offered: {error}", flush=True)


def peak_memory() -> float:
    """The most memory that was taken, in GB: on the GPU where there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def _named_from(base: str, final: Path) -> str:
    """A base's name, or its path as seen from ``final``."""
    path = Path(base).expanduser()
    return os.path.relpath(path.resolve(), final.resolve()) if path.is_dir() and base != "embedded" else base
