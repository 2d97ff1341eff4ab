"""Whether held-out pictures of an experiment have reached the generator: then its result would be worth nothing.

Three ways are looked at: a held-out picture, or another one of its patient or lesion, is among the pictures that the generator
learnt from; a near-copy of it is (`data.lookalikes`: exact, resized, recompressed, mirrored, turned, slightly cropped); a
synthetic picture is a near-copy of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data import prints
from data.lookalikes import PIXELS, Print, candidates, fingerprint, look_alikes
from data.prints import Known
from generation import catalog
from generation.errors import CheckpointError
from training.arms import Pool, groups
from training.dataset import Record, read_folder
from training.dataset import fingerprint as names_and_sizes
from training.run import TrainingError

#: Called with what is being done, how much of it is done, and of how much.
Progress = Callable[[str, int, int], None]


class Leak(TrainingError):
    """Held-out pictures that a generator has seen."""


@dataclass(frozen=True)
class Origin:
    """Where a synthetic set comes from."""

    #: Folders that the generator learnt from, and who says so.
    folders: tuple[Path, ...]
    said_by: str
    #: Folders that a model's own record names beside these and that were not compared.
    not_compared: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


def origin(folder: Path, generator: str | None, stated: Sequence[Path] | None) -> Origin:
    """What the generator of the synthetic set in ``folder`` learnt from: as ``stated``, else as its run's recipe says.

    Raises:
        TrainingError: nobody says it, or a folder that is named is not there.
    """
    models = (generator,) if generator else drawn_by(folder)
    named: dict[str, Path | None] = {}
    unknown = []
    for model in models:
        named |= (own := learnt_from(model))
        unknown += [] if own else [f"whatever {model} learnt from"]
    if stated is not None:
        missing = [path for path in stated if not path.exists()]
        if missing:
            raise TrainingError(f"generator_data names {missing[0]}, which is not there: held-out pictures could not be looked for in it.")
        there = {path.resolve() for path in stated}
        others = [name for name, path in named.items() if (path or Path(name)).resolve() not in there]
        return Origin(tuple(stated), "the config", (*others, *unknown), models)
    if not named:
        who = f"{', '.join(models)} does" if models else f"The pictures in {folder} do"
        raise TrainingError(f"{who} not say what the generator learnt from: name its folders as generator_data, or [] where it saw no photographs.")
    gone = [name for name, path in named.items() if path is None]
    if gone:
        raise TrainingError(
            f"{', '.join(models)} learnt from {', '.join(gone[:5])}{' and more' if len(gone) > 5 else ''}, not at hand here, so held-out "
            "pictures cannot be looked for in it: name as generator_data the folders that hold photographs."
        )
    return Origin(tuple(path for path in named.values() if path), "its run's recipe", tuple(unknown), models)


def drawn_by(folder: Path) -> tuple[str, ...]:
    """Names of the models that drew the pictures of ``folder``, as the JSON files beside them say; none for other pictures."""
    found: dict[str, None] = {}
    for record in read_folder(folder, valid_share=0):
        sidecar = record.path.with_suffix(".json")
        if sidecar.exists():
            model = json.loads(sidecar.read_text(encoding="utf-8")).get("model", {})
            found |= {name: None for name in (model.get("name"), model.get("base")) if name}
    return tuple(found)


def learnt_from(model: str) -> dict[str, Path | None]:
    """Folders in the recipes of ``model`` and of the runs that it was made from, as they are written; None: not at hand.

    What the embedded checkpoint records are folders of the machines it was made on: they are named and never at hand.
    """
    try:
        place = catalog.find(model).folder if model == "embedded" else _run_of(model)
    except CheckpointError:
        return {}
    if (place / "training.json").exists():
        return dict.fromkeys(_data_in(json.loads((place / "training.json").read_text())))
    found: dict[str, Path | None] = {}
    for recipe in _recipes(place, set()):
        for name in _data_in(recipe):
            found[name] = Path(name) if Path(name).exists() else None
    return found


def _run_of(model: str) -> Path:
    """Folder of the run that made ``model``."""
    path = Path(model)
    if not path.is_dir():
        checkpoint = catalog.find(model)
        parts = [part for part in (checkpoint.lora, checkpoint.text_encoder) if part]
        path = parts[0].parent if parts else checkpoint.folder
    path = path.resolve()
    return next((each for each in (path, *path.parents[:2]) if (each / "recipe.json").exists() or (each / "training.json").exists()), path)


def _recipes(run: Path, seen: set[Path]) -> list[dict[str, Any]]:
    """The recipe of ``run`` and those of the runs it names as what it went on from."""
    path = (run / "recipe.json").resolve()
    if path in seen or not path.exists():
        return []
    seen.add(path)
    recipe = json.loads(path.read_text())
    earlier = [recipe.get(name) for name in ("base", "text_encoder", "start", "autoencoder", "clip")]
    return [recipe, *(each for name in earlier if isinstance(name, str) for each in _recipes(Path(name), seen))]


def _data_in(said: Any) -> list[str]:
    """Paths of the data that a recipe, or any record that holds recipes, names."""
    if isinstance(said, list):
        return [name for each in said for name in _data_in(each)]
    if not isinstance(said, dict):
        return []
    own = [source["path"] for source in said.get("data") or () if isinstance(source, dict) and source.get("path")]
    return list(dict.fromkeys([*own, *(name for value in said.values() for name in _data_in(value))]))


def check(real: Pool, held_out: np.ndarray, synthetic: dict[str, tuple[Path, Origin]], cache: Path, progress: Progress) -> dict[str, Any]:
    """What was compared, for the report; kept in ``cache``, so that the same data are not compared twice.

    Raises:
        Leak: a held-out picture has reached a generator; the sentence says which, where, and how many.
    """
    held = [real.records[i] for i in held_out]
    jobs = []
    for name, (folder, origin_) in synthetic.items():
        jobs.append((name, f"the synthetic set {folder}", read_folder(folder, valid_share=0), {}))
        jobs += [(name, f"{each}, from which the generator of {folder} learnt", _learning(each), groups(each)) for each in origin_.folders]
    key = _key(held, jobs)
    kept = cache / "leaks.json"
    if kept.exists() and (told := json.loads(kept.read_text())).get("key") == key:
        return told
    looks = _prints(held, cache, progress)
    compared = []
    for name, where, records, patients in jobs:
        _refuse_shared(real, held_out, where, records, patients)
        pairs = near(held, looks, records, _prints(records, cache, progress), progress)
        if pairs:
            first, second = pairs[0]
            raise Leak(
                f"{len({a for a, _ in pairs})} of {len(held)} held-out pictures are also in {where}: {first} is a near-copy of {second}. Train the "
                "generator on the training split alone (`script2skin data import` keeps near-copies on one side), then draw again."
            )
        compared.append({"set": name, "compared_with": where, "pictures": len(records), "near_copies": 0})
    told = {"key": key, "held_out": len(held), "compared": compared}
    cache.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(told, indent=1) + "\n")
    return told


def near(held: list[Record], looks: list[Print], records: list[Record], others: list[Print], progress: Progress) -> list[tuple[Path, Path]]:
    """Pairs of a held-out picture and one of ``records`` that show the same."""
    count = len(records)
    found = candidates([*others, *looks], count, PIXELS)
    # only pairs across: held-out pictures that look alike are no leak
    across = {pair: laid for pair, laid in found.items() if (pair[0] < count) != (pair[1] < count)}
    exact: dict[str, int] = {each.sha256: i for i, each in enumerate(others)}
    same = [(count + i, exact[look.sha256]) for i, look in enumerate(looks) if look.sha256 in exact]
    paths = [record.path for record in (*records, *held)]
    alike = look_alikes(paths, across, lambda done: progress("Comparing", done, len(across)))
    return [(paths[held_], paths[other]) for other, held_ in sorted({(min(pair), max(pair)) for pair in (*same, *alike)})]


def _refuse_shared(real: Pool, held_out: np.ndarray, where: str, records: list[Record], patients: dict[Path, tuple[str, str]]) -> None:
    """Raises Leak where the very file, or another picture of the patient or lesion, is among ``records``."""
    files = {record.path.resolve() for record in records}
    theirs = {patients[record.path] for record in records if record.path in patients}
    for i in held_out:
        path = real.records[i].path
        if path.resolve() in files:
            raise Leak(f"{path} is held out and is also in {where}: give the generator the training split alone.")
        if real.groups[i][0] and real.groups[i] in theirs:
            source, group = real.groups[i]
            raise Leak(f"{path} is held out, and another picture of its patient or lesion ({source}, {group}) is in {where}: a group belongs to one split.")


def _learning(folder: Path) -> list[Record]:
    """The pictures of ``folder`` that a training learns from; all of them where nothing says otherwise."""
    return [record for record in read_folder(folder, valid_share=0) if record.split == "train"]


def _prints(records: list[Record], cache: Path, progress: Progress) -> list[Print]:
    """What ``records`` are recognised by, kept in ``cache``."""
    place = cache / "prints" / hashlib.sha256("\n".join(str(r.path.resolve()) for r in records).encode() + names_and_sizes(records).encode()).hexdigest()[:16]
    known = prints.read(place, PIXELS.name)
    names = [str(number) for number in range(len(records))]
    if len(known) == len(records):
        return [known[name].print for name in names]
    out = []
    with ThreadPoolExecutor() as pool:
        for done, look in enumerate(pool.map(lambda record: _look(record.path), records), start=1):
            out.append(look)
            progress("Looking for leaks", done, len(records))
    place.mkdir(parents=True, exist_ok=True)
    prints.write(place, {name: Known(look, "") for name, look in zip(names, out, strict=True)}, PIXELS.name)
    return out


def _look(path: Path) -> Print:
    try:
        with Image.open(path) as file:
            file.draft("RGB", (256, 256))
            return fingerprint(hashlib.sha256(path.read_bytes()).hexdigest(), file.convert("RGB"), PIXELS)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read, so it cannot be told whether it is a held-out picture: {error}.") from error


def _key(held: list[Record], jobs: list[tuple[str, str, list[Record], dict]]) -> str:
    told = hashlib.sha256(names_and_sizes(held).encode())
    for name, where, records, _ in jobs:
        told.update(f"{name} {where} {names_and_sizes(records)}".encode())
    return told.hexdigest()
