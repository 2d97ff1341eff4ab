"""How long the parser takes: ``python tests/benchmarks/bench_parser.py`` (targets: median 0.5 ms, p95 1 ms, build 0.5 s).

Times are wall clock of one thread, every sentence of ``tests/stories/requests*.yaml`` parsed ``ROUNDS`` times after one
round to warm up; "build" is the first ``Parser()`` after its module is imported, "import" that import (mostly spaCy).
Under pytest it runs with ``-m benchmark``.
"""

import statistics
import time
from pathlib import Path

import pytest
import yaml

STORIES = Path(__file__).parents[1] / "stories"
ROUNDS = 10


def measure() -> dict[str, float]:
    """Seconds for import and build; milliseconds for the median and the 95th percentile of an utterance."""
    start = time.perf_counter()
    from assistant.parser import Parser

    imported = time.perf_counter()
    parser = Parser()
    built = time.perf_counter()
    sentences = [s["say"] for path in sorted(STORIES.glob("requests*.yaml")) for s in yaml.safe_load(path.read_text("utf-8"))]
    for sentence in sentences:
        parser.parse(sentence)
    times = []
    for _ in range(ROUNDS):
        for sentence in sentences:
            before = time.perf_counter()
            parser.parse(sentence)
            times.append((time.perf_counter() - before) * 1e3)
    times.sort()
    return {
        "import (s)": imported - start,
        "build (s)": built - imported,
        "median (ms)": statistics.median(times),
        "p95 (ms)": times[int(0.95 * len(times))],
        "utterances": len(times),
    }


@pytest.mark.benchmark
def test_parser_speed():
    for name, value in measure().items():
        print(f"{name:12} {value:.3f}")


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name:12} {value:.3f}")
