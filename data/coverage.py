"""Coverage: how many pictures of a training set stand behind each rash × area × tone, counted and as a heat map.

Phantoms need not be there to be counted: their labels follow from seed and number alone (`data.phantom.make.plan`).
"""

from __future__ import annotations

import json
import shlex
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from assistant.coverage import FEW, UNKNOWN, Coverage
from assistant.vocabulary import vocabulary
from data.manifest import Row

Cells = Counter[tuple[str, str, str, str]]


def counted(rows: Iterable[Row]) -> Cells:
    """Training pictures by (source, rash, area, tone); those for validation and test teach nothing."""
    return Counter(
        (row.source, row.rash, row.area or UNKNOWN, row.tone or UNKNOWN) for row in rows if row.split == "train"
    )


def planned(command: str) -> Cells:
    """What ``script2skin data phantoms`` with the options ``command`` draws, without drawing it.

    "--count 23542 --seed 80 --typical 3": the first 23,542 of that plan. Raises ValueError for other options.
    """
    from data.phantom.make import plan
    from data.phantom.rashes import RASHES
    from data.phantom.render import TONES
    from data.phantom.sites import sites

    parser = _Options(add_help=False, exit_on_error=False)
    for name, default in (("--count", 1000), ("--seed", 0), ("--typical", 1)):
        parser.add_argument(name, type=int, default=default)
    known = {"rash": tuple(RASHES), "area": tuple(sites()), "tone": tuple(TONES)}
    for name, values in known.items():
        parser.add_argument(f"--{name}", action="append", choices=values)
    for name in ("--variety", "--out", "-o"):  # of the pictures, not of their labels
        parser.add_argument(name)
    try:
        options = parser.parse_args(shlex.split(command))
    except Exception as error:
        raise ValueError(f"{command!r} are no options of `script2skin data phantoms`: {error}.") from None
    lists = [list(getattr(options, name) or values) for name, values in known.items()]
    return counted(job.row() for job in plan(options.count, options.seed, *lists, options.typical))


class _Options(ArgumentParser):
    def error(self, message: str) -> None:
        raise ValueError(message)


def coverage(cells: Cells, exact: bool = True, note: str = "") -> Coverage:
    """The counts with a column for every tone of the vocabulary."""
    return Coverage.of(cells, vocabulary().names("tone"), exact, note)


def text(found: Coverage) -> str:
    """As JSON with a line for every rash and area, so that a change can be read."""
    head = json.dumps({"exact": found.exact, "note": found.note, "tones": found.tones}, ensure_ascii=False)[1:-1]
    sources = []
    for source, rashes in found.counts.items():
        lines = [
            f"  {json.dumps(rash)}: {{\n" + ",\n".join(f"   {json.dumps(area)}: {list(row)}" for area, row in areas.items()) + "}"
            for rash, areas in rashes.items()
        ]
        sources.append(f" {json.dumps(source)}: {{\n" + ",\n".join(lines) + "}")
    return f"{{{head},\n" + '"counts": {\n' + ",\n".join(sources) + "}}\n"


def summary(found: Coverage) -> str:
    """Pictures by source, how evenly they lie, and the combinations with fewest, in a few lines."""
    cells = found.cells()
    sources = Counter[str]()
    for (source, *_), count in cells.items():
        sources[source] += count
    lines = [f"{sum(sources.values())} training pictures: " + ", ".join(f"{source} {count}" for source, count in sources.most_common())]
    unstated = sum(count for (_, _, area, tone), count in cells.items() if UNKNOWN in (area, tone))
    if unstated:
        lines.append(f"{unstated} of them name no site or no tone, so they stand behind no combination")
    together = by_combination(found)
    if together:
        values = np.array(list(together.values()))
        lines.append(
            f"{len(together)} combinations of rash, area and tone: {(values < FEW).sum()} with fewer than {FEW} pictures "
            f"({(values == 0).sum()} with none), median {np.median(values):g}, most {values.max()}"
        )
        fewest = sorted(together.items(), key=lambda item: item[1])[:5]
        lines.append("fewest: " + ", ".join(f"{' / '.join(key)} {count}" for key, count in fewest))
    return "\n".join(lines)


def by_combination(found: Coverage) -> dict[tuple[str, str, str], int]:
    """Pictures of every combination of a rash, an area and a tone that occur at all, of all sources."""
    rashes, areas = _slots(found)
    tones = [tone for tone in found.tones if tone]
    return {(r, a, t): found.images(r, a, t) for r in rashes for a in areas for t in tones if a}


def _slots(found: Coverage) -> tuple[list[str], list[str]]:
    """Rashes and areas that occur, in the order of the vocabulary; names outside it come last, "not stated" at the end."""
    cells = found.cells()

    def ordered(slot: str, names: set[str]) -> list[str]:
        known = list(vocabulary().names(slot))
        return sorted(names, key=lambda name: (name == UNKNOWN, known.index(name) if name in known else len(known), name))

    return ordered("rash", {key[1] for key in cells}), ordered("area", {key[2] for key in cells})


def sheet(found: Coverage, path: Path) -> None:
    """Heat maps of rash × area, a panel for every tone, and below them one for each source; written as ``path``.

    Colours are on a logarithmic scale; what is black has no picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    rashes, areas = _slots(found)
    cells = found.cells()
    tones = [tone for tone in found.tones if tone or any(key[3] == UNKNOWN for key in cells)]
    panels = [(tone or "tone not stated", lambda key, tone=tone: key[3] == tone) for tone in tones]
    panels += [(f"all tones, source {source}", lambda key, source=source: key[0] == source) for source in found.counts]
    most = max(cells.values(), default=1)
    high = 1.2 + 0.19 * len(rashes)
    figure = Figure(figsize=(4 + 0.2 * len(areas), (high + 1.6) * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (title, wanted) in enumerate(panels, 1):
        table = np.zeros((len(rashes), len(areas)))
        for key, count in cells.items():
            if wanted(key):
                table[rashes.index(key[1]), areas.index(key[2])] += count
        axes = figure.add_subplot(len(panels), 1, place, title=f"{title} ({table.sum():.0f} pictures)")
        axes.set_facecolor("black")
        shown = axes.imshow(np.ma.masked_equal(table, 0), cmap="viridis", norm=LogNorm(1, max(2, most)), aspect="auto")
        axes.set_xticks(range(len(areas)), [area or "not stated" for area in areas], rotation=90, fontsize=7)
        axes.set_yticks(range(len(rashes)), rashes, fontsize=7)
        figure.colorbar(shown, ax=axes, pad=0.01)
    figure.savefig(path, dpi=70)
