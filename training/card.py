"""The model card of a checkpoint: what made it (from its run folders) and what it can draw (from itself, as contact sheets)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from PIL import Image

from assistant.coverage import FEW, Coverage
from assistant.coverage import FILE as COVERAGE
from assistant.schema import ImageRequest
from data.coverage import by_combination
from generation import Generator, weights_sha256
from generation.sheets import contact_sheet

SHEETS = {"tones": "every_rash_on_every_tone.jpg", "areas": "every_area.jpg"}


def draw_sheets(generator: Generator, folder: Path, area: str, rash: str, tone: str, seed: int = 1) -> dict[str, Path]:
    """Every trained rash × tone at ``area``, and every trained area with ``rash`` on ``tone``, unselected, into ``folder``.

    All images of a sheet have the same seed, so a row shows what the words alone change.
    Raises ValueError for a checkpoint that does not say what it was trained on.
    """
    trained = generator.card.trained
    if trained is None:
        raise ValueError("This checkpoint has no script2skin.json with its trained vocabulary, so there is nothing to lay out.")
    tones = sorted(trained.tone, key=_tone_order)
    by_tone = [ImageRequest(count=1, rash=r, area=area, tone=t, seed=seed) for r in sorted(trained.rash) for t in tones]
    by_area = [ImageRequest(count=1, rash=rash, area=a, tone=tone, seed=seed) for a in sorted(trained.area)]
    paths = {}
    for kind, requests, columns, words in (
        ("tones", by_tone, len(tones), [f"{r.rash}, {r.tone}" for r in by_tone]),
        ("areas", by_area, 8, [r.area for r in by_area]),
    ):
        sheet = contact_sheet([_one(generator, request) for request in requests], words, columns)
        paths[kind] = folder / SHEETS[kind]
        sheet.save(paths[kind], quality=88)
    return paths


def _one(generator: Generator, request: ImageRequest) -> Image.Image:
    drawn = next(iter(generator.draw(request)))
    if drawn.error:
        raise RuntimeError(f"{request.caption}: {drawn.error}")
    return drawn.image


def _tone_order(tone: str) -> int:
    from assistant.vocabulary import vocabulary

    return vocabulary().names("tone").index(tone)


def history(run: Path) -> dict:
    """What a run folder says of itself: recipe, starts (machine, versions, data), steps, minutes, last validation figures."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    starts = [json.loads(line) for line in (run / "starts.jsonl").read_text().splitlines()]
    validated = [row for row in rows if "grad_norm" not in row]
    return {
        "recipe": json.loads((run / "recipe.json").read_text()),
        "starts": starts,
        "steps": rows[-1]["step"],
        "minutes": round(rows[-1]["seconds"] / 60, 1),
        "validation": {k: v for k, v in (validated[-1] if validated else {}).items() if k not in ("step", "seconds")},
    }


def measured(folder: Path, fidelity: Path | None, judged: str) -> str:
    """The card's section on how faithful the checkpoint is; its figures and plots are put beside the weights.

    Raises FileNotFoundError where ``fidelity`` holds no finished evaluation.
    """
    if fidelity is None:
        return ""
    for name in ("fidelity.json", "tone.png", "confusion.png"):
        shutil.copy(fidelity / name, folder / name)
    table = (fidelity / "fidelity.md").read_text().strip()
    return f"""## Measured
{judged} How: `training/fidelity.py`; all figures: `fidelity.json`.

{table}

![tone asked and measured](tone.png)

![condition asked and seen](confusion.png)

"""


def covered(folder: Path) -> str:
    """What ``coverage.json`` says, where the folder has one: how many training pictures stand behind each rash × area × tone."""
    if not (folder / COVERAGE).exists():
        return ""
    found = Coverage.model_validate_json((folder / COVERAGE).read_bytes())
    counts = sorted(by_combination(found).values())
    few = sum(count < FEW for count in counts)
    return (
        f"Training pictures behind each rash, area and tone: `{COVERAGE}` ({'counted' if found.exact else 'derived'}; {counts[0]} to {counts[-1]}, median "
        f"{counts[len(counts) // 2]}; fewer than {FEW}, where the chat says so, for {few} of {len(counts)} combinations). {found.note}".strip() + "\n\n"
        if counts else ""
    )  # fmt: skip


def write(
    folder: Path,
    runs: dict[str, Path],
    data: list[str],
    limits: list[str],
    at: tuple[str, str, str],
    earlier: Path | None = None,
    fidelity: Path | None = None,
    judged: str = "",
) -> Path:
    """``README.md`` of the checkpoint in ``folder``, with its sheets; ``runs`` maps a part's name to its run folder.

    ``earlier`` is the checkpoint that the runs went on from, whose ``training.json`` tells of the runs before. ``data`` are
    the commands that made the training set; ``limits`` what an honest eye sees; ``at`` the area of the first sheet and the
    rash and tone of the second; ``fidelity`` a folder of `training.fidelity`, and ``judged`` how it came about.
    """
    generator = Generator.load(folder)
    draw_sheets(generator, folder, *at)
    before = json.loads((earlier / "training.json").read_text()) if earlier else {}
    histories = before | {part: history(run) for part, run in runs.items()}
    (folder / "training.json").write_text(json.dumps(histories, indent=1) + "\n")
    trained, card = generator.card.trained, generator.card
    rows = []
    for part, told in histories.items():
        figures = ", ".join(f"{name} {value:.3f}" for name, value in told["validation"].items() if isinstance(value, float))
        seed = told["recipe"].get("schedule", {}).get("seed", told["recipe"].get("seed"))
        rows.append(f"| {part} | {told['steps']} | {told['minutes']} | {seed} | {figures} |")
    machine = histories[next(iter(histories))]["starts"][-1]
    area, rash, tone = at
    text = f"""---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
---
# {card.name}

A small latent diffusion model in `StableDiffusionPipeline` layout, trained by this project from random weights, that draws
synthetic phantoms of skin conditions at 256×256. **Its images are not for diagnosis.** Weights: sha256
`{weights_sha256(folder)}`, {sum(p.stat().st_size for p in folder.rglob("*.safetensors")) / 1e6:.1f} MB.

## Vocabulary
- rash: {", ".join(sorted(trained.rash))}
- area: {", ".join(sorted(trained.area))}
- tone: {", ".join(sorted(trained.tone, key=_tone_order))}

Default: {card.steps} steps, guidance {card.guidance_scale:g}{"".join(f", {rash} {scale:g}" for rash, scale in card.guidance_by_rash.items())}.

## Training
Data, made by:
```
{chr(10).join(data)}
```
| part | steps | minutes | seed | last validation |
| --- | --- | --- | --- | --- |
{chr(10).join(rows)}

Machine: {machine["gpu"] or "no GPU"}, {machine["cores"]} {machine["machine"]} cores, torch {machine["torch"]}. Recipes, data hashes and every start:
`training.json`. To go on: `script2skin train` with the recipes of the same names in `training/recipes/`.

{covered(folder)}## What it can draw
Unselected, one seed for all. Every rash on every tone, {area}:

![every rash on every tone]({SHEETS["tones"]})

Every area, {rash} on {tone} skin:

![every area]({SHEETS["areas"]})

{measured(folder, fidelity, judged)}## Limits
{chr(10).join("- " + limit for limit in limits)}
"""
    path = folder / "README.md"
    path.write_text(text)
    return path
