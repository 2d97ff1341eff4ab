"""How long until the page stands in Chromium: ``python tests/benchmarks/bench_page.py`` (target: 3 s from the start).

From starting the server to the field where one types, by turns for ``script2skin app`` in an empty home and for a page of
Streamlit's with that field alone: what the second takes is Streamlit and Chromium. Each start has a new server and a new page.
Under pytest: ``pytest tests/benchmarks/bench_page.py -m benchmark -s``.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.browser import ROOT, browser, chromium, free_port

ROUNDS = 5
BIN = Path(sys.executable).parent
FIELD = '[data-testid="stChatInputTextArea"]'


def start(command: list[str], port: int, home: str) -> subprocess.Popen:
    server = subprocess.Popen(
        [BIN / command[0], *command[1:]],
        cwd=ROOT,
        env={**os.environ, "SCRIPT2SKIN_HOME": home},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while server.poll() is None:
        try:
            socket.create_connection(("localhost", port), 1).close()
            return server
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{' '.join(command)} ended with {server.returncode}")


def measure(rounds: int = ROUNDS) -> dict[str, list[tuple[float, float]]]:
    """Page → (seconds until the port answers, seconds until one can type) of each round."""
    found: dict[str, list[tuple[float, float]]] = {"script2skin app": [], "a bare page": []}
    with browser() as opened, tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text("import streamlit as st\nst.chat_input('')\n")
        for turn in range(2 * rounds):
            name, port = list(found)[turn % 2], free_port()
            ours = ["script2skin", "app", "--no-browser", "--port", str(port)]
            theirs = ["streamlit", "run", str(bare), "--server.headless", "true", "--server.port", str(port)]
            page, began = opened.new_page(), time.perf_counter()
            server = start(theirs if turn % 2 else ours, port, f"{folder}/home-{turn}")
            answered = time.perf_counter() - began
            page.goto(f"http://localhost:{port}", wait_until="commit")
            page.wait_for_selector(FIELD)
            found[name].append((answered, time.perf_counter() - began))
            server.terminate()
            server.wait()
            page.close()
    return found


def table(found: dict[str, list[tuple[float, float]]]) -> str:
    lines = [f"{'':16} {'server, s':>10} {'page, s':>8} {'best':>6}   medians of {len(next(iter(found.values())))}"]
    for name, seconds in found.items():
        server, page = (statistics.median(s) for s in zip(*seconds, strict=True))
        lines.append(f"{name:16} {server:10.2f} {page:8.2f} {min(p for _, p in seconds):6.2f}")
    return "\n".join(lines)


@pytest.mark.benchmark
@pytest.mark.skipif(chromium() is None, reason="needs Debian's chromium")
def test_page():
    print("\n" + table(measure()))


if __name__ == "__main__":
    print(table(measure()))
