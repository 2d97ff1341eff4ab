"""What readers saw: ``report.md``, ``report.json`` and two plots.

A *told apart* share of 50 % is chance: as many synthetic as real pictures are shown. The worst group is the one whose synthetic
pictures are told most readily. A share stands with its 95 % interval: Wilson's, a difference with Newcombe's (`study.agreement`,
with sources). Groups of fewer than `FEW` pictures a kind are counted, and nothing is said of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from scipy.stats import binomtest

from assistant.vocabulary import vocabulary
from study.agreement import bootstrap, cohen, effective, fleiss, newcombe, wilson
from study.answers import Answer, of_all
from study.plan import Shown, Study, StudyError

#: Fewer pictures of a kind than this are too few: with five right of five, Wilson's interval still begins at 57 %, so
#: nothing but a perfect score could be told from chance.
FEW = 5
CHANCE = 0.5


class Given(NamedTuple):
    """One answer beside what was shown."""

    reader: str
    shown: Shown
    answer: Answer

    @property
    def told(self) -> bool:
        return self.answer.said == self.shown.kind

    @property
    def diagnosed(self) -> bool:
        return self.answer.diagnosis == self.shown.rash


def write(study: Study, out: Path, seed: int = 0) -> str:
    """Write the report into ``out`` and return its Markdown. Raises `StudyError` where nobody has answered yet."""
    found = figures(study, seed)
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    text = markdown(found)
    (out / "report.md").write_text(text, "utf-8")
    plots(found, out)
    return text


# ── figures ──────────────────────────────────────────────────────────────────────────────────────────────────────


def figures(study: Study, seed: int = 0) -> dict[str, Any]:
    """All figures of a study: overall, by reader, between readers, by tone and by rash."""
    shown = {picture.id: picture for picture in study.pictures}
    said = of_all(study.answers, shown)
    if not said:
        raise StudyError(f"Nobody has answered in {study.folder} yet; open its page with `script2skin study --out {study.folder}`.")
    given = [Given(reader, shown[picture], answer) for reader, answers in said.items() for picture, answer in answers.items()]
    report = {
        "pictures": len(shown),
        "matched_in_tone": sum(picture.same_tone for picture in shown.values()),
        "tones_estimated": sum(picture.tone_estimated for picture in shown.values()),
        "all": group(given, seed),
        "readers": {
            reader: {
                **group([g for g in given if g.reader == reader], seed),
                "seconds": median(g.answer.seconds for g in given if g.reader == reader),
                "left": len(shown) - len(answers),
            }
            for reader, answers in said.items()
        },
    }
    for slot in ("tone", "rash"):
        report[slot] = by(given, slot, seed)
    return report


def by(given: Sequence[Given], slot: str, seed: int) -> dict[str, dict[str, Any]]:
    """Figures of every value of ``slot``, the one whose pictures are told apart most readily first, too few last."""
    values = {getattr(g.shown, slot) for g in given} - {None}
    found = {value: group([g for g in given if getattr(g.shown, slot) == value], seed) for value in values}
    known = list(vocabulary().names(slot))

    def place(value: str) -> tuple:
        share = found[value]["told"]
        return (share is None, 0 if share is None else -share["share"], known.index(value) if value in known else len(known), value)

    return {value: found[value] for value in sorted(found, key=place)}


def group(given: Sequence[Given], seed: int) -> dict[str, Any]:
    """Figures of some answers; ``None`` in place of what too few pictures could tell."""
    sides = {kind: [g for g in given if g.shown.kind == kind] for kind in ("real", "synthetic")}
    pictures = {kind: len({g.shown.id for g in answers}) for kind, answers in sides.items()}
    enough = min(pictures.values()) >= FEW
    told = share(given, lambda g: g.told) if enough else None
    if told:
        told["p"] = _p(given)
    diagnosis = {kind: share(answers, lambda g: g.diagnosed) if pictures[kind] >= FEW else None for kind, answers in sides.items()}
    return {
        "pictures": pictures,
        "answers": len(given),
        "told": told,
        "sensitivity": share(sides["synthetic"], lambda g: g.told) if pictures["synthetic"] >= FEW else None,
        "specificity": share(sides["real"], lambda g: g.told) if pictures["real"] >= FEW else None,
        "diagnosis": {**diagnosis, "difference": _difference(diagnosis) if enough else None},
        "agreement": agreement(given, seed),
    }


def share(given: Sequence[Given], right: Callable[[Given], bool]) -> dict[str, Any] | None:
    """Share of answers that are ``right`` with its interval; None without answers."""
    if not given:
        return None
    by_picture: dict[str, list[bool]] = {}
    for g in given:
        by_picture.setdefault(g.shown.id, []).append(right(g))
    hits, answers = [sum(each) for each in by_picture.values()], [len(each) for each in by_picture.values()]
    value = sum(hits) / sum(answers)
    interval = wilson(value, effective(hits, answers) if max(answers) > 1 else sum(answers))
    return {"share": value, "right": sum(hits), "of": sum(answers), "interval": interval}


def agreement(given: Sequence[Given], seed: int) -> dict[str, Any]:
    """Cohen's kappa of every pair of readers and Fleiss' of all, on the pictures that those have in common, for both questions."""
    said: dict[str, dict[str, Answer]] = {}
    for g in given:
        said.setdefault(g.reader, {})[g.shown.id] = g.answer
    readers = sorted(said)
    found: dict[str, Any] = {}
    for question in ("said", "diagnosis"):

        def kappa(some: Sequence[str], question: str = question) -> dict[str, Any]:
            common = sorted(set.intersection(*(set(said[reader]) for reader in some)))
            rows = [[getattr(said[reader][picture], question) for reader in some] for picture in common]
            if len(rows) < 2 * FEW:
                return {"pictures": len(rows), "kappa": None, "interval": None}
            value = _kappa(rows)
            interval = None if value in (None, 1) else bootstrap([range(len(rows))], lambda items: _kappa([rows[i] for i in items]), seed, 500)
            return {"pictures": len(rows), "kappa": value, "interval": interval}

        found[question] = {
            "pairs": {f"{a}, {b}": kappa((a, b)) for a, b in combinations(readers, 2)},
            "all": kappa(readers) if len(readers) > 2 else None,
        }
    return found


def _kappa(rows: Sequence[Sequence[Hashable]]) -> float | None:
    return cohen(*zip(*rows, strict=True)) if len(rows[0]) == 2 else fleiss(rows)


def _p(given: Sequence[Given]) -> float | None:
    """Of one reader: chance of being as far from 50 % by guessing (exact, two-sided); answers of several are not independent."""
    if len({g.reader for g in given}) != 1:
        return None
    return float(binomtest(sum(g.told for g in given), len(given), CHANCE).pvalue)


def _difference(diagnosis: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Diagnoses right of real pictures less those right of synthetic ones."""
    real, synthetic = ((one["share"], *one["interval"]) for one in (diagnosis["real"], diagnosis["synthetic"]))
    return {"difference": real[0] - synthetic[0], "interval": newcombe(real, synthetic)}


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────


def markdown(found: dict[str, Any]) -> str:
    """The report in words and tables."""
    everything = found["all"]
    lines = [
        "# Reader study", "",
        f"{len(found['readers'])} reader{'s' * (len(found['readers']) > 1)}, {found['pictures']} pictures, half of them real, "
        f"{everything['answers']} answers. Real and synthetic pictures are matched by rash, {found['matched_in_tone']} of them by tone too."
        + (f" The tone of {found['tones_estimated']} was measured on the picture, not stated." if found["tones_estimated"] else ""), "",
        *conclusions(found), "",
        "Intervals are 95 %; those of several readers allow for answers on one picture being alike, and speak of these readers, not of "
        f"others. \"Too few\" is fewer than {FEW} pictures of a kind. Sources: `study/agreement.py`.", "",
        "## By reader", "", *_table("reader", found["readers"], everything), "",
        "Median time an answer: " + ", ".join(f"{reader} {told['seconds']:.0f} s" for reader, told in found["readers"].items()) + "."
        + "".join(f" {reader} has {told['left']} pictures left." for reader, told in found["readers"].items() if told["left"]), "",
        "![told apart, by reader](readers.png)", "",
        "## Agreement between readers", "", *_agreement(found), "",
    ]  # fmt: skip
    for slot in ("tone", "rash"):
        lines += [f"## By {slot}", "", "Told apart most readily first: there the synthetic pictures are worst.", ""]
        lines += [*_table(slot, found[slot]), ""]
        if slot == "tone" and not found[slot]:
            lines += ["No tone is known of these pictures.", ""]
    lines += ["![told apart, by tone and rash](groups.png)", ""]
    return "\n".join(lines)


def conclusions(found: dict[str, Any]) -> list[str]:
    """What may be said in plain words, and what may not."""
    everything, lines = found["all"], []
    told = everything["told"]
    if told is None or told["interval"] is None:
        return ["**Too few answers to say anything yet.**"]
    low, high = told["interval"]
    share_ = f"{_percent(told['share'])} of answers told real from synthetic ({_range(told['interval'])})"
    if low > CHANCE:
        lines.append(f"**{share_}: better than chance.**")
    elif high < CHANCE:
        lines.append(f"**{share_}: worse than chance.** Readers took one kind for the other.")
    else:
        lines.append(f"**{share_}: not told from chance.** With so many pictures, up to {_percent(high)} cannot be ruled out.")
    difference = everything["diagnosis"]["difference"]
    if difference and difference["interval"]:
        low, high = difference["interval"]
        points = f"{100 * difference['difference']:+.0f} points ({100 * low:+.0f} to {100 * high:+.0f})".replace("-", "−")
        verdict = "real ones are diagnosed better" if low > 0 else "synthetic ones are diagnosed better" if high < 0 else "no difference is shown"
        lines.append(f"The diagnosis was right on real less on synthetic pictures by {points}: {verdict}.")
    for slot in ("tone", "rash"):
        groups = [name for name, group_ in found[slot].items() if group_["told"]]
        silent = [name for name in found[slot] if name not in groups]
        if len(groups) > 1:
            worst = found[slot][groups[0]]["told"]
            lines.append(
                f"Of {len(groups)} {slot}{'e' * (slot == 'rash')}s, synthetic pictures are told most readily on {groups[0]}: "
                f"{_percent(worst['share'])} ({_range(worst['interval'])}); it was picked for being the extreme."
            )
        if silent:
            lines.append(f"Too few pictures to say anything of {'any ' + slot if not groups else ', '.join(silent)}.")
    return [line for part in lines for line in (part, "")][:-1]


def _table(name: str, groups: dict[str, dict[str, Any]], everything: dict[str, Any] | None = None) -> list[str]:
    rows = dict(groups)
    if everything is not None and len(groups) > 1:
        rows = {"all": everything, **groups}
    head = [name, "pictures: real, synthetic", "answers", "told apart", "synthetic seen as such", "real seen as such", "diagnosis: real", "synthetic", "difference"]
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    silent = [f"{label} ({f['pictures']['real']} and {f['pictures']['synthetic']})" for label, f in rows.items() if _nothing(f)]
    for label, figure in rows.items():
        if _nothing(figure):
            continue
        diagnosis = figure["diagnosis"]
        cells = [
            label, f"{figure['pictures']['real']}, {figure['pictures']['synthetic']}", str(figure["answers"]),
            *(_cell(value) for value in (figure["told"], figure["sensitivity"], figure["specificity"], diagnosis["real"], diagnosis["synthetic"])),
            _points(diagnosis["difference"]),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    told = [f"Too few pictures, real and synthetic: {', '.join(silent)}."] if silent else []
    return told if len(silent) == len(rows) else [*lines, *([""] if told else []), *told]


def _nothing(figure: dict[str, Any]) -> bool:
    """Whether too few pictures stand behind a group to say anything of it."""
    return not any((figure["told"], figure["sensitivity"], figure["specificity"]))


def _agreement(found: dict[str, Any]) -> list[str]:
    """Kappas overall, then those of all readers within each tone and rash."""
    if len(found["readers"]) < 2:
        return ["One reader: nothing to compare."]
    lines = ["| readers | pictures | κ real or synthetic | κ diagnosis |", "| --- | --- | --- | --- |"]
    lines += _kappas("", found["all"]["agreement"])
    silent = []
    for slot in ("tone", "rash"):
        for value, figure in found[slot].items():
            rows = [row for row in _kappas(f"{value}: ", figure["agreement"]) if not row.endswith("| too few | too few |")]
            lines += rows
            silent += [] if rows else [value]
    if silent:
        lines += ["", f"Fewer than {2 * FEW} pictures seen by two readers: {', '.join(silent)}."]
    return [*lines, "", "Two readers: Cohen's κ. All readers: Fleiss' κ. 1 is full agreement, 0 what chance would give."]


def _kappas(label: str, agreement_: dict[str, Any]) -> Iterable[str]:
    first, second = agreement_["said"], agreement_["diagnosis"]
    for pair, value in first["pairs"].items():
        yield f"| {label}{pair} | {value['pictures']} | {_kappa_cell(value)} | {_kappa_cell(second['pairs'][pair])} |"
    if first["all"]:
        yield f"| {label}all | {first['all']['pictures']} | {_kappa_cell(first['all'])} | {_kappa_cell(second['all'])} |"


def _kappa_cell(value: dict[str, Any]) -> str:
    if value["kappa"] is None:
        return "too few" if value["pictures"] < 2 * FEW else "always the same answer"
    interval = f" ({value['interval'][0]:.2f} to {value['interval'][1]:.2f})" if value["interval"] else ""
    return f"{value['kappa']:.2f}{interval}".replace("-", "−")


def _cell(value: dict[str, Any] | None) -> str:
    if value is None:
        return "too few"
    return f"{_percent(value['share'])} ({_range(value['interval'])})"


def _points(value: dict[str, Any] | None) -> str:
    if value is None or value["interval"] is None:
        return "too few"
    return f"{100 * value['difference']:+.0f} ({100 * value['interval'][0]:+.0f} to {100 * value['interval'][1]:+.0f})".replace("-", "−")


def _percent(share_: float) -> str:
    return f"{100 * share_:.0f} %"


def _range(interval: Sequence[float] | None) -> str:
    return "no interval" if interval is None else f"{100 * interval[0]:.0f} to {100 * interval[1]:.0f} %"


# ── plots ────────────────────────────────────────────────────────────────────────────────────────────────────────


def plots(found: dict[str, Any], out: Path) -> None:
    """``readers.png`` and ``groups.png``: told-apart shares and diagnoses with their intervals, against chance."""
    readers = {"all": found["all"], **found["readers"]} if len(found["readers"]) > 1 else found["readers"]
    _forest([("reader", readers)], out / "readers.png")
    _forest([(slot, found[slot]) for slot in ("tone", "rash")], out / "groups.png")


def _forest(panels: Sequence[tuple[str, dict[str, dict[str, Any]]]], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [(slot, {name: f for name, f in groups.items() if not _nothing(f)}) for slot, groups in panels]
    heights = [1.2 + 0.42 * len(groups) for _, groups in panels]
    figure = Figure(figsize=(9, sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(panels), 1, height_ratios=heights)
    kinds = (
        ("told apart", lambda f: f["told"], "black", 0.0), ("diagnosis, real", lambda f: f["diagnosis"]["real"], "tab:blue", 0.18),
        ("diagnosis, synthetic", lambda f: f["diagnosis"]["synthetic"], "tab:orange", 0.36),
    )  # fmt: skip
    for place, (slot, groups) in enumerate(panels):
        axes = figure.add_subplot(grid[place], title=f"by {slot}" if groups else f"by {slot}: too few pictures", xlim=(0, 1))
        axes.axvline(CHANCE, color="grey", ls="--", lw=1)
        for label, pick, colour, shift in kinds:
            points = [(y + shift, pick(f)) for y, f in enumerate(groups.values())]
            points = [(y, value) for y, value in points if value and value["interval"]]
            axes.plot([value["share"] for _, value in points], [y for y, _ in points], "o", color=colour, ms=4, label=label)
            for y, value in points:
                axes.plot(value["interval"], [y, y], color=colour, lw=1.5)
        axes.set_yticks(range(len(groups)), [f"{n} ({f['pictures']['real']}+{f['pictures']['synthetic']})" for n, f in groups.items()], fontsize=8)
        axes.set_ylim(max(1, len(groups)) - 0.3, -0.5)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), fontsize=7, ncols=len(kinds), loc="outside lower center")
    figure.savefig(path, dpi=90)
