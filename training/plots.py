"""Pictures of a run: curves of its metrics, and grids of images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image


def rows(metrics: Path) -> list[dict]:
    """The rows of a run's ``metrics.jsonl``; a last line that a kill cut in two is left out."""
    lines = metrics.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def curves(metrics: Path, out: Path, epoch: float | None = None) -> None:
    """One panel for every figure in ``metrics`` (JSON lines with ``step``), against steps or, with ``epoch`` steps each, against
    epochs; written as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    told = rows(metrics)
    names = sorted({name for row in told for name in row} - {"step", "seconds"})
    figure = Figure(figsize=(4 * min(4, len(names)), 2.6 * -(-len(names) // 4)), layout="constrained")
    FigureCanvasAgg(figure)
    for place, name in enumerate(names, 1):
        points = [(row["step"] / (epoch or 1), row[name]) for row in told if name in row]
        axes = figure.add_subplot(-(-len(names) // 4), min(4, len(names)), place, title=name, xlabel="epoch" if epoch else "step")
        axes.plot(*zip(*points, strict=True), lw=1, marker="." if len(points) < 40 else "")
        if name.startswith("loss") and min(value for _, value in points) > 0:
            axes.set_yscale("log")
    figure.savefig(out, dpi=80)


def grid(images: np.ndarray, columns: int, out: Path) -> None:
    """Write uint8 ``images`` (N, H, W, 3) row by row, ``columns`` wide; the last row is filled with grey."""
    n, h, w, _ = images.shape
    rows = -(-n // columns)
    sheet = np.full((rows * columns, h, w, 3), 128, np.uint8)
    sheet[:n] = images
    sheet = sheet.reshape(rows, columns, h, w, 3).swapaxes(1, 2).reshape(rows * h, columns * w, 3)
    Image.fromarray(sheet).save(out)


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """(N, 3, H, W) in [-1, 1] → uint8 (N, H, W, 3)."""
    return np.clip((pixels.transpose(0, 2, 3, 1) + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)
