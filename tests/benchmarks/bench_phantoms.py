"""Phantoms a second at 256×256, by number of workers: ``python -m tests.benchmarks.bench_phantoms [COUNT]``."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from data.phantom.make import make


def main(count: int = 96) -> None:
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            list(make(Path(folder) / "warm", workers, workers=workers))
            marks = []
            for _ in make(Path(folder) / "set", count, seed=1, workers=workers):
                marks.append(time.perf_counter())
            # from the first quarter on: bodies are built and the noise is compiled
            start = count // 4
            rate = (count - 1 - start) / (marks[-1] - marks[start])
            print(f"{workers} worker(s): {rate:.1f} phantoms/s at 256x256 once warm ({count} drawn)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
