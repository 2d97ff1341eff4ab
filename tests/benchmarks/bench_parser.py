"""How long the parser takes: ``python tests/benchmarks/bench_parser.py`` (targets: median 0.5 ms, p95 1 ms, build 0.5 s).

Every sentence of ``tests/stories/requests*.yaml`` is parsed :data:`ROUNDS` times after one round to warm up. "build" is the
first ``Parser()`` after its module is imported, "import" that import (mostly spaCy). Each is given as wall clock and as
processor time of this process: on a machine that does other things only the second says what the parser costs.
Under pytest: ``pytest tests/benchmarks/bench_parser.py -m benchmark -s``.
"""

import time
from pathlib import Path

import pytest
import yaml

STORIES = Path(__file__).parents[1] / "stories"
ROUNDS = 10


def clock() -> tuple[float, float]:
    """(wall clock, processor time) in seconds."""
    return time.perf_counter(), time.process_time()


def since(start: tuple[float, float]) -> tuple[float, float]:
    now = clock()
    return now[0] - start[0], now[1] - start[1]


def quantile(values: list[float], q: float) -> float:
    return sorted(values)[int(q * (len(values) - 1))]


def measure() -> dict[str, tuple[float, float]]:
    """Name with unit → (wall, processor)."""
    start = clock()
    from assistant.parser import Parser

    imported = since(start)
    start = clock()
    parser = Parser()
    built = since(start)
    sentences = [s["say"] for path in sorted(STORIES.glob("requests*.yaml")) for s in yaml.safe_load(path.read_text("utf-8"))]
    for sentence in sentences:
        parser.parse(sentence)
    walls, processors = [], []
    for sentence in sentences * ROUNDS:
        start = clock()
        parser.parse(sentence)
        wall, processor = since(start)
        walls.append(wall * 1e3)
        processors.append(processor * 1e3)
    return {
        "import, s": imported,
        "build, s": built,
        "median, ms": (quantile(walls, 0.5), quantile(processors, 0.5)),
        "p95, ms": (quantile(walls, 0.95), quantile(processors, 0.95)),
        "utterances": (len(walls), len(walls)),
    }


def show() -> None:
    print(f"{'':12} {'wall':>9} {'processor':>9}")
    for name, (wall, processor) in measure().items():
        print(f"{name:12} {wall:9.3f} {processor:9.3f}")


@pytest.mark.benchmark
def test_parser_speed():
    show()


if __name__ == "__main__":
    show()
