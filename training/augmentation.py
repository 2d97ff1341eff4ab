"""The hybrid experiment: do synthetic pictures help a classifier, beyond what more of the same real pictures would do?

Every cell of the grid (classifier, arm, ratio, share of the real pictures, seed) is one training of as many updates as any
other, and one folder ``cells/<id>/`` with ``result.json`` and ``predictions.npz``. The id is a hash of all that determines the
training, so that a stopped experiment goes on, a changed one trains only what changed, and the report is made of files alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from generation.files import file_sha256
from training import classifier, leaks
from training.arms import Cell, Material, material, read_pool
from training.classifier import Architecture, Classifier, Fit
from training.run import Strict, TrainingError, environment, pick_device
from training.scores import BETTER, scores

#: Raised when the same recipe and data come to train something else.
FORMAT = 1
KIND = Literal["real", "hybrid"]
Control = Literal["duplicated", "augmented", "shuffled", "noise"]
#: Controls that must be of no use; they are trained at the largest ratio only.
USELESS = ("shuffled", "noise")
#: Called with one line for the person who waits.
Say = Callable[[str], None]


class Synthetic(Strict):
    """A synthetic set and where it comes from."""

    path: Path
    #: Folders of photographs that its generator learnt from; [] where it saw none. Unless given, as the recipe of the generator's
    #: run says.
    generator_data: tuple[Path, ...] | None = None
    #: The run or model that drew it; unless given, as the files beside the pictures say.
    generator: str | None = None


class AugmentationRecipe(Strict):
    kind: Literal["augmentation"]
    out: Path
    #: Said before anything is trained, and repeated in the report: what is expected, how large, and why.
    expected: str = Field(min_length=20)
    #: What a reader must know of the data or the generator; repeated among the report's limits.
    remarks: tuple[str, ...] = ()
    real: Path
    #: Conditions, in the order of the columns of predictions; all that ``real`` has unless given.
    classes: tuple[str, ...] | None = None
    #: The split that is measured on; test where there is one, else validation.
    held_out: Literal["test", "validation"] | None = None
    synthetic: dict[str, Synthetic] = Field(min_length=1)
    classifiers: dict[str, Architecture] = Field(min_length=1)
    controls: tuple[Control, ...] = ("duplicated", "augmented", "shuffled", "noise")
    #: Also a classifier that sees synthetic pictures only.
    synthetic_only: bool = True
    #: Pictures added for each real one.
    ratios: tuple[float, ...] = Field(min_length=1)
    #: Shares of the real pictures that are kept.
    shares: tuple[float, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(min_length=1)
    #: What is added has as many of every class; else the classes of the real pictures, so that it adds nothing but pictures.
    balanced_addition: bool = False
    fit: Fit
    image_size: int = Field(default=64, ge=16, le=1024)
    #: What the verdict is on; all others are told too.
    measure: Literal["accuracy", "balanced_accuracy", "auroc", "sensitivity", "ece", "brier"] = "balanced_accuracy"
    #: Of ``sensitivity``.
    specificity: float = Field(default=0.9, gt=0, lt=1)
    resamples: int = Field(default=2000, ge=100)
    device: str = "auto"

    @model_validator(mode="after")
    def _makes_sense(self) -> AugmentationRecipe:
        if any(not 0 < share <= 1 for share in self.shares):
            raise ValueError("shares are above 0 and at most 1, such as [0.1, 1]")
        if any(ratio <= 0 for ratio in self.ratios):
            raise ValueError("ratios are above 0, such as [1, 3]")
        for name, architecture in self.classifiers.items():
            if (architecture.family is None) == (architecture.pretrained is None):
                raise ValueError(f"classifier {name}: give a family (from scratch) or pretrained weights")
        for values in (self.shares, self.ratios, self.seeds):
            if len(set(values)) != len(values):
                raise ValueError("shares, ratios and seeds are different ones")
        return self


@dataclass(frozen=True)
class HeldOut:
    """The pictures that are measured on."""

    split: str
    #: Rows of the real pool.
    rows: np.ndarray
    truth: np.ndarray
    tones: tuple[str, ...]
    groups: tuple[tuple[str, str], ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """A cell that is done: ``told`` is its result.json, ``chances`` (N, classes) are of the held-out pictures."""

    cell: Cell
    id: str
    told: dict[str, Any]
    chances: np.ndarray
    #: The same of the pictures that the best classifiers are chosen on.
    chosen_on: np.ndarray


class Experiment:
    """Data, leaks looked for, and cells of a recipe. Raises TrainingError before anything is trained."""

    def __init__(self, recipe: AugmentationRecipe, say: Say = print) -> None:
        self.recipe, self.say = recipe, say
        self.out = recipe.out
        say(f"Expected: {recipe.expected.strip()}")
        self.device = pick_device(recipe.device)
        self.feds = {name: classifier.fed_of(architecture, recipe.image_size) for name, architecture in recipe.classifiers.items()}
        for architecture in recipe.classifiers.values():  # what cannot be made is said before an hour of others
            classifier.build(architecture, recipe.classes or ("a", "b"), recipe.image_size)
        cache, plain = self.out / "pictures", next(iter(self.feds.values()))
        self.real, self.classes = read_pool("real", recipe.real, recipe.classes, plain, cache)
        self.held_out = self._held_out()
        self.synthetic = {name: read_pool(name, each.path, self.classes, plain, cache)[0] for name, each in recipe.synthetic.items()}
        self.origins = {name: (each.path, leaks.origin(each.path, each.generator, each.generator_data)) for name, each in recipe.synthetic.items()}
        every = self.real.rows("validation", "test")
        self.leaks = leaks.check(self.real, every, self.origins, self.out / "leaks", _every(say))
        self.cells = cells(recipe)
        self._weights = {name: _weights_hash(each) for name, each in recipe.classifiers.items()}

    def _held_out(self) -> HeldOut:
        split = self.recipe.held_out or ("test" if len(self.real.rows("test")) else "validation")
        rows = self.real.rows(split)
        if len(np.unique(self.real.labels[rows])) < len(self.classes):
            raise TrainingError(f"{self.recipe.real} has no pictures of every class in the split {split}, so nothing can be measured on it.")
        records = [self.real.records[i] for i in rows]
        tones = tuple(record.values.get("tone", "not known") for record in records)
        groups = tuple(self.real.groups[i] for i in rows)
        return HeldOut(split, rows, self.real.labels[rows], tones, groups, tuple(record.path.name for record in records))

    @property
    def selects(self) -> str:
        """The split that best classifiers are chosen on: validation, also where another one is measured on."""
        return "validation" if len(np.unique(self.real.labels[self.real.rows("validation")])) == len(self.classes) else self.held_out.split

    def material(self, cell: Cell) -> Material:
        return material(cell, self.real, self.synthetic, self.classes, self.recipe.fit.upright, self.recipe.balanced_addition)

    def determined(self, cell: Cell, learnt: Material) -> dict[str, Any]:
        """All that a cell's result follows from."""
        fed = self.feds[cell.classifier]
        return {
            "format": FORMAT,
            "architecture": self.recipe.classifiers[cell.classifier].model_dump(mode="json"),
            "weights_sha256": self._weights[cell.classifier],
            "fit": self.recipe.fit.model_dump(mode="json"),
            "fed": asdict(fed),
            "classes": self.classes,
            "seed": cell.seed,
            "learnt_sha256": learnt.digest(),
            "held_out_sha256": self.real.sha256(self.real.rows("validation", "test")),
        }

    def train(self, cell: Cell, learnt: Material) -> tuple[Classifier, list[float]]:
        fed = self.feds[cell.classifier]
        architecture = self.recipe.classifiers[cell.classifier]
        model, losses = classifier.train(architecture, self.recipe.fit, learnt, self.classes, fed, cell.seed, self.device)
        return Classifier(model, tuple(self.classes), fed), losses

    def chances(self, trained: Classifier) -> np.ndarray:
        """float32 (N, classes) of all pictures of validation and test."""
        rows = self.real.rows("validation", "test")
        return classifier.probabilities(trained.model, self.real.pixels[rows], trained.fed, self.device)

    def run(self, part: tuple[int, int] = (1, 1)) -> None:
        """Train every cell that is not there yet, or this ``part`` (which, of how many) of them."""
        mine = self.cells[part[0] - 1 :: part[1]]
        spent: list[float] = []
        for number, cell in enumerate(mine, start=1):
            learnt = self.material(cell)
            determined = self.determined(cell, learnt)
            folder = self.out / "cells" / _id(determined)
            if not (folder / "result.json").exists():
                told = self._one(cell, learnt, determined, folder)
                spent.append(told["seconds"])
                left = (len(mine) - number) * float(np.mean(spent)) / 60
                figure = told["scores"][self.recipe.measure]
                self.say(
                    f"{number} of {len(mine)}: {cell.classifier}, {cell.arm}, {cell.share:.0%} of real, seed {cell.seed}: "
                    f"{_words(self.recipe.measure)} {figure:.3f} ({told['seconds']:.0f} s, about {left:.0f} min left)"
                )

    def _one(self, cell: Cell, learnt: Material, determined: dict[str, Any], folder: Path) -> dict[str, Any]:
        begun = time.monotonic()
        trained, losses = self.train(cell, learnt)
        chances = self.chances(trained)
        every = self.real.rows("validation", "test")
        measured = scores(
            chances[np.isin(every, self.held_out.rows)], self.held_out.truth, np.ones((1, len(self.held_out.rows))), self.recipe.specificity
        )
        told = {
            "cell": asdict(cell), "arm": cell.arm, "seed": cell.seed, "config": determined,
            "config_sha256": _sha256({**determined, "learnt_sha256": "", "held_out_sha256": "", "seed": 0}),
            "data_sha256": determined["learnt_sha256"], "updates": len(losses), "pictures": learnt.counts, "short_of": learnt.short,
            "loss": {"first": losses[0], "last": float(np.mean(losses[-10:]))}, "measured_on": self.held_out.split,
            "scores": {name: float(value[0]) for name, value in measured.items()},
            "seconds": round(time.monotonic() - begun, 1), "environment": environment(),
        }  # fmt: skip
        aside = folder.with_name(f".{folder.name}.{os.getpid()}")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        np.savez_compressed(aside / "predictions.npz", chances=chances, names=np.array([self.real.records[i].path.name for i in every]))
        (aside / "result.json").write_text(json.dumps(told, indent=1) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
        return told

    def results(self) -> list[Result]:
        """All cells, from their files. Raises TrainingError where one is missing, or was trained for another number of updates."""
        out, every = [], self.real.rows("validation", "test")
        for cell in self.cells:
            name = _id(self.determined(cell, self.material(cell)))
            folder = self.out / "cells" / name
            if not (folder / "result.json").exists():
                raise TrainingError(f"{cell.arm} of {cell.classifier}, seed {cell.seed}, is not trained yet: run all parts, then the command without --part.")
            told = json.loads((folder / "result.json").read_text())
            if told["updates"] != self.recipe.fit.updates:
                raise TrainingError(f"{folder} was trained for {told['updates']} updates and not for {self.recipe.fit.updates}; delete it and run again.")
            with np.load(folder / "predictions.npz") as file:
                chances = file["chances"]
            chosen = np.isin(every, self.real.rows(self.selects))
            out.append(Result(cell, name, told, chances[np.isin(every, self.held_out.rows)], chances[chosen]))
        return out

    def keep_best(self, results: list[Result]) -> dict[str, dict[str, Any]]:
        """Train the best hybrid and the best real-only classifier again, into ``best/``, and compare with what their files say."""
        told = {}
        for kind in ("real", "hybrid"):
            result, figure = self._best([each for each in results if each.cell.kind == kind])
            folder = self.out / "best" / kind
            kept = folder / classifier.FILE
            if not kept.exists() or json.loads(kept.read_text()).get("id") != result.id:
                self.say(f"Best {kind}: {result.cell.classifier}, {result.cell.arm}, seed {result.cell.seed}; trained again to be kept.")
                self._keep(result, folder)
            told[kind] = {**json.loads(kept.read_text()), "folder": f"best/{kind}", f"{self.recipe.measure}_mean": figure}
        return told

    def _best(self, results: list[Result]) -> tuple[Result, float]:
        """The result of the first seed of the arm that is best on average over seeds, and that average."""
        truth = self.real.labels[self.real.rows(self.selects)]
        arms: dict[tuple, list[tuple[float, Result]]] = {}
        for each in results:
            measured = scores(each.chosen_on, truth, np.ones((1, len(truth))), self.recipe.specificity)[self.recipe.measure][0]
            name = (each.cell.classifier, each.cell.synthetic, each.cell.ratio, each.cell.share)
            arms.setdefault(name, []).append((BETTER[self.recipe.measure] * float(measured), each))
        best = max(arms.values(), key=lambda arm: np.mean([figure for figure, _ in arm]))
        # not the luckiest seed: with a few hundred pictures the best of five is mostly luck
        return best[0][1], abs(float(np.mean([figure for figure, _ in best])))

    def _keep(self, result: Result, folder: Path) -> None:
        trained, _ = self.train(result.cell, self.material(result.cell))
        rows = np.isin(self.real.rows("validation", "test"), self.held_out.rows)
        off = float(np.abs(self.chances(trained)[rows] - result.chances).max())
        aside = folder.with_name(f".{folder.name}.{os.getpid()}")
        shutil.rmtree(aside, ignore_errors=True)
        told = {name: result.told[name] for name in ("arm", "seed", "config", "data_sha256", "updates", "pictures", "environment")}
        classifier.save(trained, aside, id=result.id, cell=asdict(result.cell), chosen_on=self.selects, trained_again_differs_by=off, **told)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside.rename(folder)


def cells(recipe: AugmentationRecipe) -> list[Cell]:
    """The grid, seed by seed, so that what is done when it is stopped is a smaller whole."""
    out = []
    for seed in recipe.seeds:
        for name in recipe.classifiers:
            for share in sorted(recipe.shares):
                out.append(Cell(name, "real", share=share, seed=seed))
                for ratio in recipe.ratios:
                    out += _added(recipe, name, share, ratio, seed)
            if recipe.synthetic_only:
                out += [Cell(name, "synthetic", each, seed=seed) for each in recipe.synthetic]
    return out


def _added(recipe: AugmentationRecipe, name: str, share: float, ratio: float, seed: int) -> list[Cell]:
    controls = [each for each in recipe.controls if each not in USELESS or ratio == max(recipe.ratios)]
    out = [Cell(name, each, "", ratio, share, seed) for each in controls if each != "shuffled"]
    for each in recipe.synthetic:
        out.append(Cell(name, "hybrid", each, ratio, share, seed))
        if "shuffled" in controls:
            out.append(Cell(name, "shuffled", each, ratio, share, seed))
    return out


def run(recipe: AugmentationRecipe, part: tuple[int, int] = (1, 1), say: Say = print) -> Path | None:
    """The whole experiment: data, leaks, cells, best classifiers, report. Returns the report's path; None after a ``part`` of it."""
    from training import report

    experiment = Experiment(recipe, say)
    recipe.out.mkdir(parents=True, exist_ok=True)
    (recipe.out / "config.json").write_text(recipe.model_dump_json(indent=1) + "\n")
    there = len({path.parent for path in (recipe.out / "cells").glob("*/result.json")})
    say(f"{len(experiment.cells)} trainings of {recipe.fit.updates} updates; {there} are in {recipe.out / 'cells'}.")
    experiment.run(part)
    if part[1] > 1:
        return None
    results = experiment.results()
    best = experiment.keep_best(results)
    return report.write(experiment, results, best)


def _id(determined: dict[str, Any]) -> str:
    return _sha256(determined)[:16]


def _sha256(said: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=list).encode()).hexdigest()


def _weights_hash(architecture: Architecture) -> str | None:
    if not architecture.pretrained:
        return None
    return file_sha256(classifier._weights(architecture.pretrained) / "model.safetensors")


def _words(measure: str) -> str:
    return {"auroc": "AUROC", "ece": "calibration error", "brier": "Brier score"}.get(measure, measure.replace("_", " "))


def _every(say: Say, seconds: float = 10) -> leaks.Progress:
    """Says how far a long job is, now and then."""
    last = [time.monotonic()]

    def progress(stage: str, done: int, total: int) -> None:
        if time.monotonic() - last[0] > seconds:
            last[0] = time.monotonic()
            say(f"{stage}: {done} of {total}")

    return progress


