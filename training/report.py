"""The report of a hybrid experiment, from its files: what was expected, what came out, the worst groups first, and where each
figure comes from.

``report.md`` and ``report.html`` are for reading, ``report.json`` has every figure with the ids of its cells, ``groups.csv``
every class and tone of every hybrid arm, ``cells.csv`` every training with its seed and hashes.
"""

from __future__ import annotations

import base64
import csv
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.intervals import Interval, holm, interval, resamples
from training.run import TrainingError
from training.scores import BETTER, class_scores, reliability, scores

if TYPE_CHECKING:
    from training.augmentation import Experiment, Result

#: Chance of one wrong claim among all that is accepted.
LEVEL = 0.05
#: Held-out pictures of a group below which nothing is said of its difference; by eye.
FEW = 10
TITLES = {
    "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "auroc": "AUROC", "sensitivity": "sensitivity",
    "ece": "calibration error", "brier": "Brier score", "recall": "recall",
}  # fmt: skip


@dataclass
class Arm:
    """The same training under every seed: figures (S,) and, in each resample of the pictures, (B, S)."""

    results: list[Result]
    figures: dict[str, np.ndarray]
    resampled: dict[str, np.ndarray]

    @property
    def cell(self) -> Any:
        return self.results[0].cell

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.results]

    @property
    def pictures(self) -> int:
        return sum(sum(classes.values()) for classes in self.results[0].told["pictures"].values())


@dataclass
class Comparison:
    """One arm against another of the same classifier: differences of every figure, arm less the other."""

    arm: Arm
    other: Arm
    differences: dict[str, Interval]
    #: Holm's p of the figure that the verdict is on, among all comparisons of the report.
    p: float = float("nan")
    verdict: str = ""
    controls: list[Comparison] = field(default_factory=list)

    def gain(self, measure: str) -> float:
        """The difference of ``measure``, positive where the arm is better."""
        return BETTER[measure] * self.differences[measure].value

    def better(self, measure: str) -> bool:
        return self.p < LEVEL and self.gain(measure) > 0

    def worse(self, measure: str) -> bool:
        return self.p < LEVEL and self.gain(measure) < 0


def write(experiment: Experiment, results: list[Result], best: dict[str, dict[str, Any]]) -> Path:
    """Write everything into the experiment's folder; returns the path of ``report.md``."""
    out = experiment.out
    weights = resamples(experiment.held_out.truth.tolist(), experiment.held_out.groups, experiment.recipe.resamples)
    arms = gathered(experiment, results, weights)
    compared = comparisons(experiment, arms)
    rows = group_rows(experiment, compared, weights)
    plots = [
        *(by_share(experiment, arms, name, out / f"share_{name}.png") for name in experiment.recipe.classifiers),
        forest(experiment, compared, out / "differences.png"),
        calibration(experiment, arms, out / "calibration.png"),
        worst(rows, out / "groups.png"),
    ]
    (out / "report.json").write_text(json.dumps(_plain(figures(experiment, arms, compared, best)), indent=1) + "\n")
    _csv(out / "groups.csv", [_group_record(row) for row in rows])
    _csv(out / "cells.csv", [_cell_record(each) for each in results])
    text = markdown(experiment, arms, compared, rows, best, [plot for plot in plots if plot])
    (out / "report.md").write_text(text, encoding="utf-8")
    (out / "report.html").write_text(html(text, out), encoding="utf-8")
    return out / "report.md"


# ── what came out ───────────────────────────────────────────────────────────────────────────────────────────────


def gathered(experiment: Experiment, results: list[Result], weights: np.ndarray) -> list[Arm]:
    """Results of one arm together, in the order of the grid. Raises TrainingError where arms had unequal numbers of updates."""
    updates = {each.told["updates"] for each in results}
    if len(updates) > 1:
        raise TrainingError(f"Arms were trained for different numbers of updates ({sorted(updates)}), so they cannot be compared.")
    found: dict[tuple, list[Result]] = {}
    for each in results:
        found.setdefault(_key(each.cell), []).append(each)
    one, specificity, truth = np.ones((1, len(weights[0]))), experiment.recipe.specificity, experiment.held_out.truth
    arms = []
    for members in found.values():
        plain = [scores(each.chances, truth, one, specificity) for each in members]
        again = [scores(each.chances, truth, weights, specificity) for each in members]
        arms.append(Arm(
            members,
            {name: np.array([told[name][0] for told in plain]) for name in BETTER},
            {name: np.stack([told[name] for told in again], axis=1) for name in BETTER},
        ))  # fmt: skip
    return arms


def _key(cell: Any) -> tuple:
    return cell.classifier, cell.kind, cell.synthetic, cell.ratio, cell.share


def comparisons(experiment: Experiment, arms: list[Arm]) -> list[Comparison]:
    """Every arm against real only of the same share, and hybrids against the controls of their size; p-values by Holm over all."""
    at = {_key(arm.cell): arm for arm in arms}
    largest = max(experiment.recipe.shares)
    out, all_of_them = [], []
    for arm in arms:
        cell = arm.cell
        if cell.kind == "real":
            continue
        share = largest if cell.kind == "synthetic" else cell.share
        made = compare(arm, at[cell.classifier, "real", "", 0.0, share])
        if cell.kind == "hybrid":
            same_size = [at.get((cell.classifier, kind, "", cell.ratio, cell.share)) for kind in ("duplicated", "augmented")]
            made.controls = [compare(arm, control) for control in same_size if control]
        out.append(made)
        all_of_them += [made, *made.controls]
    measure = experiment.recipe.measure
    for made, p in zip(all_of_them, holm([each.differences[measure].p for each in all_of_them]), strict=True):
        made.p = p
    for made in out:
        made.verdict = verdict(made, measure)
    return out


def compare(arm: Arm, other: Arm) -> Comparison:
    """Paired by seed. Raises TrainingError where the arms have other seeds."""
    if [each.cell.seed for each in arm.results] != [each.cell.seed for each in other.results]:
        raise TrainingError("Two arms were trained under different seeds, so they cannot be paired.")
    return Comparison(arm, other, {
        name: interval(arm.figures[name] - other.figures[name], arm.resampled[name] - other.resampled[name], most=2 if name == "brier" else 1) for name in BETTER
    })  # fmt: skip


def verdict(made: Comparison, measure: str) -> str:
    """In a few words."""
    if made.worse(measure):
        return "worse than real only"
    if not made.better(measure):
        return "no use shown"
    if made.arm.cell.kind != "hybrid":
        return "better than real only"
    if not made.controls:
        return "helps (no control of its size was trained)"
    if all(control.better(measure) for control in made.controls):
        return "helps"
    return "helps, but not shown to help more than as many further copies of real pictures"


@dataclass(frozen=True)
class Group:
    """A class or a tone under real only and under a hybrid arm."""

    comparison: Comparison
    kind: str
    name: str
    pictures: int
    figure: str
    real: float
    hybrid: float
    difference: Interval


def group_rows(experiment: Experiment, compared: list[Comparison], weights: np.ndarray) -> list[Group]:
    """Figures of every class and tone of every hybrid arm beside real only, the worst of an arm first."""
    held, specificity = experiment.held_out, experiment.recipe.specificity
    jobs: list[tuple[str, str, np.ndarray, Any]] = []
    everything = np.ones(len(held.truth), bool)
    for number, name in enumerate(experiment.classes):
        jobs.append(("class", name, everything, partial(class_scores, number=number)))
    for tone in dict.fromkeys(held.tones):
        jobs.append(("tone", tone, np.array([each == tone for each in held.tones]), scores))
    out = []
    for made in compared:
        if made.arm.cell.kind != "hybrid":
            continue
        rows: list[Group] = []
        for kind, name, mask, measured in jobs:
            mine, plain = [_of(arm, held.truth, mask, np.ones((1, len(mask))), specificity, measured) for arm in (made.arm, made.other)]
            mine_b, plain_b = [_of(arm, held.truth, mask, weights, specificity, measured) for arm in (made.arm, made.other)]
            count = int((held.truth == experiment.classes.index(name)).sum()) if kind == "class" else int(mask.sum())
            for figure in mine:
                told = interval((mine[figure] - plain[figure])[0], mine_b[figure] - plain_b[figure], most=2 if figure == "brier" else 1)
                rows.append(Group(made, kind, name, count, figure, float(plain[figure].mean()), float(mine[figure].mean()), told))
        out += sorted(rows, key=_badness)
    return out


def _of(arm: Arm, truth: np.ndarray, mask: np.ndarray, weights: np.ndarray, specificity: float, measured: Any) -> dict[str, np.ndarray]:
    told = [measured(each.chances[mask], truth[mask], weights[:, mask], specificity) for each in arm.results]
    return {name: np.stack([each[name] for each in told], axis=1) for name in told[0]}


def _badness(group: Group) -> float:
    """Low for what is bad; what cannot be told comes last."""
    value = 1 - group.hybrid if group.figure in ("ece", "brier") else group.hybrid
    return float("inf") if np.isnan(value) else value


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────


def summary(experiment: Experiment, compared: list[Comparison]) -> list[str]:
    """What came out, one sentence a finding, also where it is nothing."""
    measure = experiment.recipe.measure
    lines = []
    for name in experiment.recipe.synthetic:
        hybrids = [made for made in compared if made.arm.cell.kind == "hybrid" and made.arm.cell.synthetic == name]
        lines.append(_of_set(name, hybrids, measure))
        best = max(hybrids, key=lambda made: made.gain(measure))
        lines.append(f"Its largest difference: {_where(best)}: {_told(best, measure)}.")
        lowest = min(hybrids, key=lambda made: made.gain(measure))
        if lowest is not best:
            lines.append(f"Its smallest: {_where(lowest)}: {_told(lowest, measure)}.")
    for kind, words in (("shuffled", "with its labels shuffled"), ("noise", "of noise")):
        useless = [made for made in compared if made.arm.cell.kind == kind]
        wrong = [made for made in useless if made.better(measure)]
        if wrong:
            lines.append(f"**A set {words} came out as better ({_where(wrong[0])}): do not believe the other figures before this is understood.**")
        elif useless:
            lines.append(f"A set {words} came out as of no use in all {len(useless)} comparisons, as it should.")
    only = [made for made in compared if made.arm.cell.kind == "synthetic"]
    lines += [f"Synthetic pictures only, against all real ones kept ({made.arm.cell.classifier}): {_told(made, measure)}." for made in only]
    return lines


def _of_set(name: str, hybrids: list[Comparison], measure: str) -> str:
    helps = [made for made in hybrids if made.verdict.startswith("helps")]
    beyond = [made for made in helps if made.verdict == "helps"]
    worse = [made for made in hybrids if made.worse(measure)]
    total = len(hybrids)
    if beyond:
        said = f"**{name} helps** in {len(beyond)} of {total} comparisons, more than as many further copies of real pictures do"
    elif helps:
        said = f"**{name} helps** in {len(helps)} of {total} comparisons, but it is not shown to help more than further copies of real pictures"
    elif worse:
        said = f"**{name} is of no use here and does harm** in {len(worse)} of {total} comparisons"
    else:
        said = f"**No use of {name} is shown**: in none of {total} comparisons is the classifier better with it"
    if worse and helps:
        said += f"; in {len(worse)} it does harm"
    return f"{said} ({TITLES[measure]}; at most {LEVEL:.0%} chance of one wrong claim among all)."


def _where(made: Comparison) -> str:
    cell = made.arm.cell
    return f"{cell.classifier}, {cell.arm}, {cell.share:.0%} of the real pictures"


def _told(made: Comparison, measure: str) -> str:
    a, b = made.arm.figures[measure].mean(), made.other.figures[measure].mean()
    return f"{TITLES[measure]} {b:.3f} → {a:.3f}, difference {_difference(made.differences[measure])}"


def _difference(told: Interval) -> str:
    if np.isnan(told.low):
        return "cannot be told"
    return f"{told.value:+.3f} [{told.low:+.3f}, {told.high:+.3f}]"


def markdown(
    experiment: Experiment, arms: list[Arm], compared: list[Comparison], rows: list[Group], best: dict[str, dict[str, Any]], plots: Sequence[Path]
) -> str:
    recipe = experiment.recipe
    parts = [
        f"# Do synthetic pictures help? {recipe.real.name} and {', '.join(recipe.synthetic)}",
        f"**Expected before anything was trained:** {recipe.expected.strip()}",
        "## What came out\n\n" + _list(summary(experiment, compared)),
        "## Worst groups first\n\n" + _worst_tables(experiment, rows),
        f"## {TITLES[recipe.measure].capitalize()}\n\n" + main_table(experiment, arms, compared),
        "\n\n".join(f"![{plot.stem.replace('_', ' ')}]({plot.name})" for plot in plots),
        "## All other figures\n\n" + other_table(experiment, arms, compared),
        "## Held-out pictures and the generator\n\n" + _list(_leak_lines(experiment)),
        "## How it was done\n\n" + _list(_method(experiment, arms, compared)),
        "## Limits\n\n" + _list(_limits(experiment)),
        "## Kept classifiers\n\n" + _list(_best_lines(experiment, best)),
        "## Where the figures come from\n\n" + trace(arms),
    ]
    return "\n\n".join(parts) + "\n"


def main_table(experiment: Experiment, arms: list[Arm], compared: list[Comparison]) -> str:
    """Every arm: mean and deviation over seeds, difference from real only of its share, Holm's p, verdict."""
    measure = experiment.recipe.measure
    made_of = {_key(made.arm.cell): made for made in compared}
    rows = []
    for arm in arms:
        cell, made, values = arm.cell, made_of.get(_key(arm.cell)), arm.figures[measure]
        told = ("", "", "baseline") if made is None else (_difference(made.differences[measure]), f"{made.p:.3g}", made.verdict)
        share = "none" if cell.kind == "synthetic" else f"{cell.share:.0%}"
        short = f" ({arm.results[0].told['short_of']} fewer than asked for)" if arm.results[0].told["short_of"] else ""
        deviation = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
        rows.append((cell.classifier, share, cell.arm, f"{arm.pictures}{short}", f"{values.mean():.3f}{deviation}", *told))
    head = ("classifier", "real kept", "learnt from", "pictures", "mean ± deviation over seeds", "difference from real only [95 %]", "p (Holm)", "")
    table = _table(head, rows)
    beside = [
        (made.arm.cell.classifier, f"{made.arm.cell.share:.0%}", made.arm.cell.arm, control.other.cell.arm, _difference(control.differences[measure]), f"{control.p:.3g}")
        for made in compared for control in made.controls
    ]  # fmt: skip
    if beside:
        head = ("classifier", "real kept", "learnt from", "against as many pictures", "difference [95 %]", "p (Holm)")
        table += "\n\nAgainst controls of the same size:\n\n" + _table(head, beside)
    return table


def other_table(experiment: Experiment, arms: list[Arm], compared: list[Comparison]) -> str:
    made_of = {_key(made.arm.cell): made for made in compared}
    names = [name for name in BETTER if name != experiment.recipe.measure]
    rows = []
    for arm in arms:
        made = made_of.get(_key(arm.cell))
        told = [f"{arm.figures[n].mean():.3f}" + (f" ({_difference(made.differences[n])})" if made else "") for n in names]
        rows.append((arm.cell.classifier, f"{arm.cell.share:.0%}", arm.cell.arm, *told))
    said = f"Sensitivity at a specificity of {experiment.recipe.specificity:.0%}, mean over classes. Calibration error and Brier score: less is better.\n\n"
    return said + _table(("classifier", "real kept", "learnt from", *(f"{TITLES[n]} (difference)" for n in names)), rows)


def _worst_tables(experiment: Experiment, rows: list[Group]) -> str:
    """Classes by recall and tones by accuracy, for the smallest and the largest share, at the largest ratio."""
    recipe = experiment.recipe
    tables = []
    for share in sorted({min(recipe.shares), max(recipe.shares)}):
        shown = [
            row for row in rows
            if row.comparison.arm.cell.share == share and row.comparison.arm.cell.ratio == max(recipe.ratios)
            and row.figure == {"class": "recall", "tone": "accuracy"}[row.kind]
        ]  # fmt: skip
        shown.sort(key=_badness)
        told = [
            (f"{row.kind} {row.name}", row.pictures, row.comparison.arm.cell.classifier, row.comparison.arm.cell.synthetic,
             f"{TITLES[row.figure]}", f"{row.real:.3f}", f"{row.hybrid:.3f}", _difference(row.difference) if row.pictures >= FEW else "too few pictures")
            for row in shown
        ]  # fmt: skip
        head = ("group", "held-out pictures", "classifier", "synthetic set", "figure", "real only", "hybrid", "difference [95 %]")
        tables.append(f"With {share:.0%} of the real pictures and {max(recipe.ratios):g} synthetic ones for each:\n\n" + _table(head, told))
    few = [f"{tone} ({experiment.held_out.tones.count(tone)})" for tone in dict.fromkeys(experiment.held_out.tones) if experiment.held_out.tones.count(tone) < FEW]
    if few:
        tables.append(f"Too few held-out pictures to say anything of: {', '.join(few)}.")
    return "\n\n".join(tables) + "\n\nAUROC, sensitivity and calibration of every group and arm: `groups.csv`. These intervals are not corrected for their number."


def _leak_lines(experiment: Experiment) -> list[str]:
    lines = [
        f"{told['set']}: none of {experiment.leaks['held_out']} held-out pictures (validation and test) is, or has a near-copy or another "
        f"picture of its group, among {told['pictures']} pictures of {told['compared_with']}."
        for told in experiment.leaks["compared"]
    ]
    for name, (_, origin) in experiment.origins.items():
        drawn = f", drawn by {', '.join(origin.models)}" if origin.models else ""
        lines.append(f"{name}{drawn}: what its generator learnt from is said by {origin.said_by}: {', '.join(map(str, origin.folders)) or 'no photographs'}.")
        if origin.not_compared:
            lines.append(
                f"**Not compared**, though {', '.join(origin.models)} also learnt from them: {', '.join(origin.not_compared)}. Whether they hold "
                "held-out pictures cannot be told from here."
            )
    return lines


def _method(experiment: Experiment, arms: list[Arm], compared: list[Comparison]) -> list[str]:
    recipe, held = experiment.recipe, experiment.held_out
    count = len(compared) + sum(len(made.controls) for made in compared)
    learn = np.bincount(experiment.real.labels[experiment.real.rows("train")], minlength=len(experiment.classes))
    there = ", ".join(f"{name} {number}" for name, number in zip(experiment.classes, learn, strict=True))
    measured = ", ".join(f"{name} {(held.truth == i).sum()}" for i, name in enumerate(experiment.classes))
    sets = "; ".join(f"{name}: {len(pool)} pictures, sha256 `{pool.sha256()[:16]}`" for name, pool in experiment.synthetic.items())
    machines = {json.dumps({k: v for k, v in each.told["environment"].items() if k != "time"}) for arm in arms for each in arm.results}
    return [
        f"Real pictures to learn from: {there}; measured on the split {held.split}: {measured}. Sha256 of pixels and labels `{experiment.real.sha256()[:16]}`. Synthetic: {sets}.",
        f"Every classifier took {recipe.fit.updates} updates of {recipe.fit.batch} pictures of {recipe.image_size} pixels, whatever its arm, "
        f"{'every class as often as the others' if recipe.fit.balanced else 'classes as often as they are there'}, mirrored, turned a little, shifted and relit alike; the last weights count.",
        "Classifiers: " + "; ".join(f"{name} `{told.model_dump_json(exclude_defaults=True)}`" for name, told in recipe.classifiers.items()) + ".",
        f"{len(recipe.seeds)} seeds: a seed decides first weights, order, and which real pictures are kept, the same for all arms.",
        f"Differences are paired by seed and by picture; 95 % intervals from {recipe.resamples} resamples of held-out groups within their class and of seeds (`training/intervals.py`). "
        f"{count} comparisons of {TITLES[recipe.measure]} were made; p-values are Holm's over all of them.",
        *([f"**{len(recipe.seeds)} seeds are too few** for more than a first look; five or more are meant."] if len(recipe.seeds) < 5 else []),
        f"Trained on: {'; '.join(sorted(machines))}." if len(machines) == 1 else f"**Cells come from {len(machines)} different machines or versions**: {'; '.join(sorted(machines))}.",
    ]  # fmt: skip


def _limits(experiment: Experiment) -> list[str]:
    lines = []
    if min(experiment.recipe.shares) < 1:
        lines.append(
            "A generator that learnt from all real pictures to learn from has seen more of them than a classifier that is given a small share: a gain "
            "there is what the whole set is worth by way of the generator, not something out of nothing."
        )
    estimated = [json.loads(line).get("tone_estimated") for line in (experiment.recipe.real / "metadata.jsonl").open(encoding="utf-8") if line.strip()]
    if any(estimated):
        lines.append(f"{sum(map(bool, estimated))} of {len(estimated)} tones were measured on the picture, not stated: they are colours of skin under that light, no Fitzpatrick types.")
    lines += experiment.recipe.remarks
    lines.append("Thresholds for sensitivity are set on the pictures that are measured on, and best arms are chosen on few pictures: both are optimistic.")
    lines.append("Classifiers here measure a set of pictures; none is fit for diagnosis.")
    return lines


def _best_lines(experiment: Experiment, best: dict[str, dict[str, Any]]) -> list[str]:
    measure = experiment.recipe.measure
    return [
        f"`{told['folder']}`: {told['cell']['classifier']}, {told['arm']}, {told['cell']['share']:.0%} of real, seed {told['seed']}, of the {kind} arm with the best mean "
        f"{TITLES[measure]} over seeds on {told['chosen_on']} ({told[measure + '_mean']:.3f}); trained again from its seed its probabilities differ by at most "
        f"{told['trained_again_differs_by']:.2g}. `script2skin evaluate predict --checkpoint {experiment.out / told['folder']} --images DIR --out predictions.csv`"
        for kind, told in best.items()
    ]


def trace(arms: Iterable[Arm]) -> str:
    """Which files each row above is computed from."""
    rows = [
        (arm.cell.classifier, f"{arm.cell.share:.0%}", arm.cell.arm, arm.results[0].told["config_sha256"][:12],
         ", ".join(f"{each.cell.seed}: `{each.id}`" for each in arm.results))
        for arm in arms
    ]  # fmt: skip
    said = (
        "Each id is a folder in `cells/` with `result.json` (seed, config, hashes of pictures and labels, updates, machine) and `predictions.npz` "
        "(probabilities of every held-out picture); `cells.csv` lists them, `report.json` has every figure with its ids.\n\n"
    )
    return said + _table(("classifier", "real kept", "learnt from", "config", "seed: cell"), rows)


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return "\n".join([f"| {' | '.join(head)} |", "|" + " --- |" * len(head), *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def html(text: str, folder: Path) -> str:
    """One file that holds its pictures."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark").enable("table").render(text)
    body = re.sub(r'src="([^":]+\.png)"', lambda found: f'src="data:image/png;base64,{base64.b64encode((folder / found[1]).read_bytes()).decode()}"', body)
    style = (
        "body{font:16px/1.5 sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;font-size:.85rem;display:block;overflow-x:auto}"
        "td,th{border:1px solid #bbb;padding:.2rem .5rem;text-align:left}img{max-width:100%}"
    )
    title = re.sub(r"[<>&#]", "", text.splitlines()[0]).strip()
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{style}</style>{body}</html>\n"


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────


def figures(experiment: Experiment, arms: list[Arm], compared: list[Comparison], best: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """All that the report says in numbers."""

    def one(made: Comparison) -> dict[str, Any]:
        return {
            "arm": made.arm.cell.arm, "against": made.other.cell.arm, "classifier": made.arm.cell.classifier, "share": made.arm.cell.share,
            "ratio": made.arm.cell.ratio, "kind": made.arm.cell.kind, "synthetic": made.arm.cell.synthetic, "cells": made.arm.ids, "against_cells": made.other.ids, "p_holm": made.p, "verdict": made.verdict,
            "differences": {name: told.record() for name, told in made.differences.items()}, "controls": [one(control) for control in made.controls],
        }  # fmt: skip

    return {
        "expected": experiment.recipe.expected, "measure": experiment.recipe.measure, "config": experiment.recipe.model_dump(mode="json"),
        "classes": experiment.classes, "held_out": experiment.held_out.split, "leaks": experiment.leaks,
        "data_sha256": {"real": experiment.real.sha256(), **{name: pool.sha256() for name, pool in experiment.synthetic.items()}},
        "arms": [{"arm": a.cell.arm, "classifier": a.cell.classifier, "share": a.cell.share, "pictures": a.pictures, "cells": a.ids,
                  "figures": {name: values.tolist() for name, values in a.figures.items()}} for a in arms],
        "comparisons": [one(made) for made in compared], "summary": summary(experiment, compared), "best": best,
    }  # fmt: skip


def _plain(said: Any) -> Any:
    """The same with null for what cannot be told: JSON knows no NaN."""
    if isinstance(said, dict):
        return {name: _plain(value) for name, value in said.items()}
    if isinstance(said, list | tuple):
        return [_plain(value) for value in said]
    return None if isinstance(said, float) and not np.isfinite(said) else said


def _group_record(row: Group) -> dict[str, Any]:
    cell = row.comparison.arm.cell
    return {
        "classifier": cell.classifier, "share": cell.share, "arm": cell.arm, "group": row.kind, "name": row.name, "pictures": row.pictures,
        "figure": row.figure, "real_only": row.real, "hybrid": row.hybrid, "difference": row.difference.value,
        "low": row.difference.low, "high": row.difference.high, "p": row.difference.p,
        "cells": " ".join(row.comparison.arm.ids), "real_cells": " ".join(row.comparison.other.ids),
    }  # fmt: skip


def _cell_record(each: Result) -> dict[str, Any]:
    told = each.told
    return {
        "id": each.id, "classifier": each.cell.classifier, "share": each.cell.share, "arm": each.cell.arm, "seed": each.cell.seed, "updates": told["updates"],
        "config_sha256": told["config_sha256"], "data_sha256": told["data_sha256"], "held_out_sha256": told["config"]["held_out_sha256"],
        **told["scores"], "seconds": told["seconds"],
    }  # fmt: skip


def _csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


# ── plots ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def by_share(experiment: Experiment, arms: list[Arm], classifier: str, out: Path) -> Path:
    """The figure of the verdict against the share of real pictures, a line an arm, bars: ± deviation over seeds."""
    measure, ratio = experiment.recipe.measure, max(experiment.recipe.ratios)
    mine = [arm for arm in arms if arm.cell.classifier == classifier]
    figure = _figure(8, 5)
    axes = figure.add_subplot(1, 1, 1, xlabel="share of the real pictures kept, %", ylabel=TITLES[measure], title=f"{classifier}, {ratio:g} added for each real picture")
    lines: dict[str, list[Arm]] = {}
    for arm in mine:
        if arm.cell.kind == "synthetic":
            axes.axhline(arm.figures[measure].mean(), ls=":", color="grey", label=arm.cell.arm)
        elif arm.cell.ratio in (0, ratio):
            lines.setdefault(arm.cell.arm, []).append(arm)
    for number, (name, members) in enumerate(lines.items()):
        at = [100 * arm.cell.share * (1 + 0.015 * number) for arm in members]  # beside each other, or bars hide bars
        values = [arm.figures[measure] for arm in members]
        bars = [value.std(ddof=1) if len(value) > 1 else 0 for value in values]
        axes.errorbar(at, [value.mean() for value in values], bars, marker="o", ms=4, lw=2 if name == "real only" else 1, capsize=2, label=name)
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks([100 * share for share in experiment.recipe.shares], [f"{100 * share:g}" for share in experiment.recipe.shares])
    axes.legend(fontsize=8)
    figure.savefig(out, dpi=90)
    return out


def forest(experiment: Experiment, compared: list[Comparison], out: Path) -> Path:
    """Differences from real only with their intervals."""
    measure = experiment.recipe.measure
    shown = compared[::-1]
    figure = _figure(10, 1 + 0.28 * len(shown))
    axes = figure.add_subplot(1, 1, 1, xlabel=f"difference of {TITLES[measure]} from real only, 95 % interval")
    for place, made in enumerate(shown):
        told = made.differences[measure]
        colour = "tab:blue" if made.arm.cell.kind == "hybrid" else "tab:grey"
        axes.plot([told.low, told.high], [place, place], color=colour)
        axes.plot(told.value, place, "o" if made.p < LEVEL else "|", color=colour)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(shown)), [_where(made).replace(" of the real pictures", "") for made in shown], fontsize=7)
    figure.savefig(out, dpi=90)
    return out


def calibration(experiment: Experiment, arms: list[Arm], out: Path) -> Path:
    """Confidence against how often it is right, all seeds together, with all real pictures that were kept."""
    names = list(experiment.recipe.classifiers)
    share, ratio = max(experiment.recipe.shares), max(experiment.recipe.ratios)
    figure = _figure(4.5 * len(names), 4.5)
    for place, name in enumerate(names, 1):
        axes = figure.add_subplot(1, len(names), place, xlabel="confidence", ylabel="share right", title=f"{name}, {share:.0%} of real")
        axes.plot([0, 1], [0, 1], color="black", lw=0.8)
        for arm in arms:
            cell = arm.cell
            if cell.classifier == name and cell.share == share and (cell.kind == "real" or (cell.kind == "hybrid" and cell.ratio == ratio)):
                chances = np.concatenate([each.chances for each in arm.results])
                right = chances.argmax(1) == np.tile(experiment.held_out.truth, len(arm.results))
                points = reliability(chances.max(1), right)
                axes.plot([x for x, _, _ in points], [y for _, y, _ in points], "o-", ms=4, label=f"{cell.arm}: {arm.figures['ece'].mean():.3f}")
        axes.legend(fontsize=8)
    figure.savefig(out, dpi=90)
    return out


def worst(rows: list[Group], out: Path) -> Path | None:
    """Recall of every class and accuracy of every tone, real only and hybrid, of the first hybrid arm at its largest share."""
    largest = max(row.comparison.arm.cell.share for row in rows)
    first = next(row.comparison for row in rows if row.comparison.arm.cell.share == largest)
    shown = [row for row in rows if row.comparison is first and row.figure == {"class": "recall", "tone": "accuracy"}[row.kind]]
    shown = [row for row in shown if not np.isnan(row.hybrid)][::-1]
    figure = _figure(8, 1 + 0.35 * len(shown))
    axes = figure.add_subplot(1, 1, 1, xlabel="recall of a class, accuracy of a tone", title=_where(first))
    axes.plot([row.real for row in shown], range(len(shown)), "o", color="tab:grey", label="real only")
    axes.plot([row.hybrid for row in shown], range(len(shown)), "o", color="tab:blue", label="hybrid")
    axes.set_yticks(range(len(shown)), [f"{row.name} ({row.pictures})" for row in shown])
    axes.legend(fontsize=8)
    figure.savefig(out, dpi=90)
    return out
