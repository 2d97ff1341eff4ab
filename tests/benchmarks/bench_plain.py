"""Seconds from a request to its image beside plain diffusers: the same weights, by turns in one run on one machine.

    python tests/benchmarks/bench_plain.py                       # the embedded checkpoint
    python tests/benchmarks/bench_plain.py --judge runs/judge --pictures 96

Plain is ``StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)`` as its documentation calls it: float32, 50 steps, guidance 7.5 (or
the most that a U-Net which is told the scale has learnt). With ``--judge`` (made by ``training/recipes/judge.yaml``) both draw
the same requests and are judged alike: a picture that comes sooner and shows something else is no gain.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from assistant.schema import ImageRequest

REQUEST = ImageRequest(count=1, rash="eczema", area="elbow", tone="brown", seed=1)
SENTENCE = "eczema on the elbow on brown skin"
#: The plain one's first picture in a process of its own.
PLAIN_COLD = """
import sys, time, torch
from diffusers import StableDiffusionPipeline
pipe = StableDiffusionPipeline.from_pretrained(sys.argv[1], torch_dtype=torch.float32)
pipe.set_progress_bar_config(disable=True)
side = int(sys.argv[4])
pipe(sys.argv[2], num_inference_steps=50, guidance_scale=float(sys.argv[3]), height=side, width=side).images[0].save(sys.argv[5])
# the picture is on disk; ru_maxrss would begin with the parent's
print(time.time(), *(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
OURS_COLD = """
import sys, time
from script2skin import main
sys.argv = ["script2skin", "generate", sys.argv[1], "--model", sys.argv[2], "--out", sys.argv[3]]
try:
    main()
except SystemExit:
    pass
# the picture is on disk; ru_maxrss would begin with the parent's
print(time.time(), *(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--pictures", type=int, default=96, help="for the judge, of each")
    arguments = parser.parse_args()

    import torch
    from diffusers import StableDiffusionPipeline

    from generation import Generator

    ours = Generator.load(arguments.model)
    folder, card, side = ours.checkpoint.folder, ours.card, ours.resolution
    plain = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    plain.set_progress_bar_config(disable=True)
    guidance = min(7.5, card.guidance_most)
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}; "
        f"{card.name or arguments.model}: {card.steps} steps, guidance {card.guidance_scale:g}, "
        f"{str(ours._pipeline.unet.dtype).removeprefix('torch.')}; plain: float32, 50 steps, guidance {guidance:g}"
    )

    def by_plain(request: ImageRequest, steps: int, scale: float) -> Any:
        seed = torch.Generator("cpu").manual_seed(request.seed)
        return plain(request.caption, num_inference_steps=steps, guidance_scale=scale, height=side, width=side, generator=seed).images[0]

    def by_us(count: int, batch: int) -> list[Any]:
        return list(ours.draw(REQUEST.model_copy(update={"count": count}), batch_size=batch))

    ways: dict[str, tuple[int, Callable[[], Any]]] = {
        "plain": (1, lambda: by_plain(REQUEST, 50, guidance)),
        "plain, equal steps": (1, lambda: by_plain(REQUEST, card.steps, card.guidance_scale)),
        "ours": (1, lambda: by_us(1, 1)),
        "ours, in another tone": (1, lambda: list(ours.draw(REQUEST.model_copy(update={"matched": "fair"})))),
        "ours, 4 alone": (4, lambda: by_us(4, 1)),
        "ours, 4 at once": (4, lambda: by_us(4, 4)),
        "ours, 8 at once": (8, lambda: by_us(8, 8)),
    }
    seconds = by_turns(ways, arguments.rounds)
    for way, (count, _) in ways.items():
        every = statistics.median(seconds[way])
        print(f"{way:21} {every:7.3f} s for {count}, {every / count:.3f} s an image")
    for other in ("plain", "plain, equal steps"):
        ratio = statistics.median(a / b for a, b in zip(seconds[other], seconds["ours"], strict=True))
        print(f"{other} takes {ratio:.1f} times as long as ours")
    cold(folder, guidance, side, arguments.rounds)
    if arguments.judge:
        judged(arguments, ours, by_plain, guidance)


def by_turns(ways: dict[str, tuple[int, Callable[[], Any]]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every way in every round, after one round that warms up."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        for way, (_, draw) in ways.items():
            start = time.perf_counter()
            draw()
            if turn:
                seconds[way].append(time.perf_counter() - start)
    return seconds


def cold(folder: Path, guidance: float, side: int, rounds: int) -> None:
    """From the start of the interpreter to the first picture on disk, and the most memory that was resident."""
    with tempfile.TemporaryDirectory() as out:
        commands = {
            "plain": [PLAIN_COLD, str(folder), REQUEST.caption, str(guidance), str(side), f"{out}/plain.png"],
            "ours": [OURS_COLD, SENTENCE, str(folder), f"{out}/ours"],
        }
        for way, command in commands.items():
            took, most = [], 0
            for turn in range(rounds + 1):
                begun = time.time()
                process = subprocess.Popen(
                    [sys.executable, "-c", *command], cwd=Path(__file__).parents[2], env={**os.environ, "SCRIPT2SKIN_HOME": out},
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                )  # fmt: skip
                said = [line.strip() for line in iter(process.stdout.readline, "") if line.strip()]
                seconds = float(said[-1].split()[0]) - begun
                process.wait()
                most = max(most, int(said[-1].split()[1]))
                if turn:
                    took.append(seconds)
                else:  # the model may have to be got ready for this processor, as `script2skin prepare` does
                    print(f"{way}, cold, the first time ever: {seconds:.1f} s")
            print(f"{way}, cold: first image after {statistics.median(took):.1f} s, {most / 2**20:.2f} GB resident at most")


def judged(arguments: argparse.Namespace, ours: Any, by_plain: Callable[..., Any], guidance: float) -> None:
    """Rash, area and tone as asked, and the time that all of it takes, of the same requests drawn both ways by turns."""
    import torch

    from training.fidelity import Pictures, evenly, measured
    from training.judge import read

    cpu = torch.device("cpu")
    judge = read(arguments.judge, cpu).eval()
    requests = evenly(ours.card.trained, arguments.pictures, seed=5)
    labels = [{slot: getattr(request, slot) for slot in ("rash", "area", "tone")} for request in requests]
    ways = {"plain": lambda r: by_plain(r, 50, guidance), "ours": lambda r: next(iter(ours.draw(r))).image}
    pictures: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    seconds = dict.fromkeys(ways, 0.0)
    for request in requests:
        for way, draw in ways.items():
            start = time.perf_counter()
            pictures[way].append(np.asarray(draw(request)))
            seconds[way] += time.perf_counter() - start
    print(f"over {len(requests)} requests, with what ours draws again, plain takes {seconds['plain'] / seconds['ours']:.1f} times as long as ours")
    for way, drawn in pictures.items():
        figures, _, _ = measured(Pictures(drawn, labels), judge, cpu)
        print(
            f"{way}: of {len(requests)} pictures {figures['rash']['accuracy']:.1%} show the rash, "
            f"{figures['area']['accuracy']:.1%} the area, {figures['tone']['accuracy']:.1%} the tone asked for"
        )


if __name__ == "__main__":
    main()
