"""Fairness over skin tones: the same measures for every tone, the worst-off first, of a generator and of a classifier.

Of a generator: what `training.fidelity` keeps of every picture (``pictures.jsonl``). Beside every figure stands that of
held-out phantoms, which no generator drew: where those have the same gap, it is the judge's or the scale's and not the
generator's. Of a classifier: its predictions on labelled pictures.

* Shares have Wilson's score interval (Wilson 1927, J. Am. Stat. Assoc. 22:209), means a percentile bootstrap.
* The gap is that between the best and the worst tone, its interval a bootstrap of these two (pictures drawn again within each).
  They were picked for being the extremes, so what decides is how often as large a gap comes about when the tones are dealt out to
  the pictures anew (a permutation test: Good 2005, "Permutation, Parametric and Bootstrap Tests of Hypotheses"), corrected
  for the number of measures (Holm 1979).
* balanced accuracy: mean recall over conditions, so that tones with other shares of conditions can be compared.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from assistant.vocabulary import vocabulary
from generation import ita
from training.fidelity import FILE, PICTURES
from training.intervals import holm

#: Resamples and permutations; by eye, p is steady to a hundredth from there on.
ROUNDS = 2000
#: Fewer pictures of a tone than this are counted and not compared: the interval of a share would be over 50 points wide.
FEW = 10
#: A gap is said to be shown below this chance of coming about by dealing out tones.
LEVEL = 0.05


@dataclass(frozen=True)
class Measure:
    """One figure: what it is called, which way is better, and how it is shown."""

    name: str
    #: Whether more is better.
    more: bool
    #: Per cent of pictures, or a mean in degrees.
    unit: str = "%"


RASH = Measure("rash seen as asked", True)
AREA = Measure("area seen as asked", True)
BAND = Measure("tone in its ITA band", True)
OFF = Measure("distance from the tone's band", False, "°")
AGAIN = Measure("drawn again for the tone", False)
EXPOSED = Measure("exposed for the tone", False)
ACCURACY = Measure("classifier: right", True)
BALANCED = Measure("classifier: balanced accuracy", True)

Statistic = Callable[[np.ndarray], float]


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────────────────


def pictures(folder: Path) -> list[dict[str, Any]]:
    """What `training.fidelity` kept of every picture. Raises FileNotFoundError with what to do."""
    path = folder / PICTURES
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} has no {PICTURES}: run `script2skin evaluate fidelity --out {folder}` again; pictures that are there are not drawn anew."
        )
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def predictions(path: Path, labelled: Path | None = None) -> list[dict[str, str]]:
    """Rows with ``truth``, ``predicted`` and ``tone`` of a CSV file; pictures without a tone are left out.

    The file has those three columns, or ``image_id`` and a probability for every condition, as ``script2skin evaluate
    predict`` writes it; then ``labelled`` is the set whose manifest says condition and tone of each picture.

    Raises:
        ValueError: columns that are neither, or no picture that ``labelled`` knows.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    columns = set(rows[0]) if rows else set()
    if {"truth", "predicted", "tone"} <= columns:
        return [{name: row[name] for name in ("truth", "predicted", "tone")} for row in rows if row["tone"]]
    if "image_id" not in columns or len(columns) < 3:
        raise ValueError(f"{path} needs the columns truth, predicted and tone; or image_id and one for every condition.")
    if labelled is None:
        raise ValueError(f"{path} holds probabilities only: say with --labelled which set knows condition and tone of its pictures.")
    from data.manifest import read

    known = {Path(row.file_name).stem: row for row in read(labelled)}
    classes = [name for name in rows[0] if name != "image_id"]
    found = []
    for row in rows:
        there = known.get(row["image_id"])
        if there is not None and there.tone and there.rash.replace(" ", "_") in classes:
            predicted = max(classes, key=lambda name: float(row[name]))
            found.append({"truth": there.rash, "predicted": predicted.replace("_", " "), "tone": there.tone})
    if not found:
        raise ValueError(f"{labelled} knows the tone and condition of none of the {len(rows)} pictures in {path}.")
    return found


# ── what is measured ─────────────────────────────────────────────────────────────────────────────────────────────


def of_generator(rows: Sequence[dict[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    """Every measure of ``pictures.jsonl``'s rows by tone, with that of held-out phantoms beside it."""
    values: dict[Measure, Callable[[dict[str, Any]], float | None]] = {
        RASH: lambda row: float(row["seen_rash"] == row["rash"]),
        AREA: lambda row: float(row["seen_area"] == row["area"]),
        BAND: lambda row: None if row["ita"] is None else float(ita.beyond(row["ita"], row["tone"]) == 0),
        OFF: lambda row: None if row["ita"] is None else ita.beyond(row["ita"], row["tone"]),
        AGAIN: lambda row: float(row["drawn_again"] > 0) if "drawn_again" in row else None,
        EXPOSED: lambda row: float(row["stops"] != 0) if "stops" in row else None,
    }
    found = []
    for measure, value in values.items():
        sides = []
        for source in ("generated", "phantom"):
            mine = [(row["tone"], value(row)) for row in rows if row["source"] == source]
            mine = [(tone, number) for tone, number in mine if number is not None]
            sides.append(by_tone(measure, [tone for tone, _ in mine], np.array([number for _, number in mine], float), seed))
        found.append({**sides[0], "phantoms": sides[1] if sides[1]["tones"] else None})
    return found


def of_classifier(rows: Sequence[dict[str, str]], seed: int = 0) -> list[dict[str, Any]]:
    """Accuracy and balanced accuracy by tone."""
    tones, truth = [row["tone"] for row in rows], np.array([row["truth"] for row in rows])
    right = np.array([row["predicted"] == row["truth"] for row in rows], float)

    def balanced(of: np.ndarray) -> float:
        return float(np.mean([right[of][truth[of] == name].mean() for name in np.unique(truth[of])]))

    return [by_tone(ACCURACY, tones, right, seed), by_tone(BALANCED, tones, right, seed, balanced)]


def by_tone(measure: Measure, tones: Sequence[str], values: np.ndarray, seed: int = 0, statistic: Statistic | None = None) -> dict[str, Any]:
    """``statistic`` of the pictures of each tone (their mean ``value`` unless given), the worst first, and the gap.

    Args:
        statistic: picture numbers (n,) → figure.
    """
    rng = np.random.default_rng(seed)
    figure = statistic or (lambda of: float(values[of].mean()))
    names = [tone for tone in (*vocabulary().names("tone"), *sorted(set(tones))) if tone in set(tones)]
    members = {name: np.flatnonzero(np.array(tones) == name) for name in dict.fromkeys(names)}
    compared = {name: rows for name, rows in members.items() if len(rows) >= FEW}
    found = {}
    for name, rows in compared.items():
        again = [figure(rows[rng.integers(len(rows), size=len(rows))]) for _ in range(ROUNDS)]
        counted = statistic is None and measure.unit == "%"
        interval = _wilson(values[rows]) if counted else tuple(np.percentile(again, [2.5, 97.5]).tolist())
        found[name] = {"value": figure(rows), "images": len(rows), "interval": interval, "again": again}
    ordered = sorted(found, key=lambda name: found[name]["value"] * (1 if measure.more else -1))
    report: dict[str, Any] = {
        "measure": measure.name, "more_is_better": measure.more, "unit": measure.unit,
        "tones": {name: {k: v for k, v in found[name].items() if k != "again"} for name in ordered},
        "too_few": {name: len(rows) for name, rows in members.items() if name not in compared},
        "gap": None,
    }  # fmt: skip
    if len(found) > 1:
        ends = found[ordered[0]], found[ordered[-1]]
        gap = abs(ends[1]["value"] - ends[0]["value"])
        gaps = (np.array(ends[1]["again"]) - np.array(ends[0]["again"])) * (1 if measure.more else -1)
        report["gap"] = {"value": gap, "interval": np.percentile(gaps, [2.5, 97.5]).tolist(), "p": _by_chance(figure, list(compared.values()), gap, rng)}
    return report


def _by_chance(figure: Statistic, members: list[np.ndarray], gap: float, rng: np.random.Generator) -> float:
    """Share of permutations of the tones whose gap is at least as large, the one observed among them."""
    everything, ends = np.concatenate(members), np.cumsum([len(rows) for rows in members])[:-1]
    as_large = 0
    for _ in range(ROUNDS):
        dealt = [figure(rows) for rows in np.split(rng.permutation(everything), ends)]
        as_large += max(dealt) - min(dealt) >= gap - 1e-12
    return (as_large + 1) / (ROUNDS + 1)


def _wilson(hits: np.ndarray) -> tuple[float, float]:
    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


# ── the whole of it ──────────────────────────────────────────────────────────────────────────────────────────────


def evaluate(fidelity: Path | None, predicted: Path | None, labelled: Path | None, out: Path, seed: int = 0) -> str:
    """Measure, write ``fairness.json``, ``fairness.md`` and ``fairness.png`` into ``out``; returns the Markdown.

    Raises:
        FileNotFoundError, ValueError: nothing to measure; the sentence says what to do.
    """
    measures, title = [], []
    if fidelity is not None:
        measures += of_generator(pictures(fidelity), seed)
        title.append(json.loads((fidelity / FILE).read_text())["model"]["name"])
    if predicted is not None:
        measures += of_classifier(predictions(predicted, labelled), seed)
        title.append(predicted.name)
    if not measures:
        raise ValueError("Nothing to measure: give --fidelity, --predictions or both.")
    told = [measure["gap"] for measure in measures if measure["gap"]]
    for gap, p in zip(told, holm([gap["p"] for gap in told]), strict=True):
        gap["p_corrected"] = p
    out.mkdir(parents=True, exist_ok=True)
    (out / "fairness.json").write_text(json.dumps({"of": title, "measures": measures}, indent=1) + "\n")
    text = markdown(measures, " and ".join(title))
    (out / "fairness.md").write_text(text, "utf-8")
    plot(measures, out / "fairness.png")
    return text


def markdown(measures: Sequence[dict[str, Any]], title: str) -> str:
    """What differs between tones in words, then a table a measure, the worst-off tone first."""
    shown = sorted((m for m in measures if m["gap"]), key=lambda m: m["gap"]["p_corrected"])
    lines = [f"# Fairness over skin tones: {title}", ""]
    lines += [f"- {sentence(measure)}" for measure in shown] or ["Too few pictures to compare tones."]
    lines += [
        "", f'Intervals are 95 %. "By chance": how often dealing out the tones anew gives as large a gap, corrected for {len(shown)} '
        f"measures; below {100 * LEVEL:.0f} % a gap is said to be shown. Tones with fewer than {FEW} pictures are not compared. "
        "How: `training/fairness.py`.", "", "![by tone](fairness.png)", "",
    ]  # fmt: skip
    for measure in measures:
        phantoms = (measure.get("phantoms") or {}).get("tones", {})
        lines += [f"## {_upper(measure['measure'])}", "", f"| tone, worst first | pictures | | {'held-out phantoms |' if phantoms else ''}"]
        lines.append("| --- | --- | --- |" + (" --- |" if phantoms else ""))
        for tone, figure in measure["tones"].items():
            beside = f" {_figure(phantoms[tone], measure['unit']) if tone in phantoms else 'too few'} |" if phantoms else ""
            lines.append(f"| {tone} | {figure['images']} | {_figure(figure, measure['unit'])} |{beside}")
        lines += [f"| {tone} | {count} | too few |" + (" |" if phantoms else "") for tone, count in measure["too_few"].items()]
        lines.append("")
    return "\n".join(lines)


def sentence(measure: dict[str, Any]) -> str:
    """One measure in words: the worst and the best tone, the gap, and whether it is more than chance."""
    gap, unit = measure["gap"], measure["unit"]
    worst, best = next(iter(measure["tones"])), next(reversed(measure["tones"]))
    name = _upper(measure["measure"])
    p = gap["p_corrected"]
    chance = "in under 1 % of cases" if p < 0.01 else f"in {100 * p:.0f} % of cases"
    verdict = "a difference between tones is shown" if p < LEVEL else "no difference between tones is shown"
    if gap["value"] == 0:
        return f"{name}: {_value(measure['tones'][worst]['value'], unit)} for every tone."
    text = (
        f"{name}: worst for **{worst}**, {_figure(measure['tones'][worst], unit)}; best for {best}, {_figure(measure['tones'][best], unit)}. "
        f"Gap {_points(gap['value'], unit)} ({_points(gap['interval'][0], unit, False)} to {_points(gap['interval'][1], unit, False)}), by chance {chance}: {verdict}."
    )
    phantoms = (measure.get("phantoms") or {}).get("gap")
    return text + (f" Held-out phantoms: gap {_points(phantoms['value'], unit)}." if phantoms else "")


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def _figure(figure: dict[str, Any], unit: str) -> str:
    low, high = figure["interval"]
    return f"{_value(figure['value'], unit)} ({_value(low, unit, False)} to {_value(high, unit, False)})"


def _value(value: float, unit: str, named: bool = True) -> str:
    return f"{100 * value:.0f}{' %' * named}" if unit == "%" else f"{value:.1f}{unit * named}"


def _points(value: float, unit: str, named: bool = True) -> str:
    return (f"{100 * value:.0f}{' points' * named}" if unit == "%" else f"{value:.1f}{unit * named}").replace("-", "−")


def plot(measures: Sequence[dict[str, Any]], path: Path) -> None:
    """A panel a measure: every tone with its interval, lightest first, held-out phantoms hollow beside it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 2
    rows = -(-len(measures) // columns)
    figure = Figure(figsize=(5.2 * columns, 2.7 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    order = list(vocabulary().names("tone"))
    for place, measure in enumerate(measures, 1):
        better = "more" if measure["more_is_better"] else "less"
        axes = figure.add_subplot(rows, columns, place, title=f"{measure['measure']} ({better} is better)")
        axes.title.set_fontsize(9)
        scale = 100 if measure["unit"] == "%" else 1
        tones = sorted(measure["tones"], key=lambda tone: (order.index(tone) if tone in order else len(order), tone))
        worst = next(iter(measure["tones"]), None)
        for source, shift, fill in ((measure, -0.1, True), (measure.get("phantoms"), 0.12, False)):
            for at, tone in enumerate(tones):
                if source and tone in source["tones"]:
                    one = source["tones"][tone]
                    colour = "tab:red" if fill and tone == worst else "black" if fill else "grey"
                    axes.plot([at + shift] * 2, [scale * x for x in one["interval"]], color=colour, lw=1.3)
                    axes.plot(at + shift, scale * one["value"], "o", color=colour, ms=5, mfc=colour if fill else "white")
        axes.set_xticks(range(len(tones)), [f"{tone}\n{measure['tones'][tone]['images']}" for tone in tones], fontsize=7)
        axes.set_ylabel(measure["unit"])
    figure.savefig(path, dpi=80)
