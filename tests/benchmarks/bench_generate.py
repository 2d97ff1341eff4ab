"""Seconds an image on this machine, by number type, micro-batch size and steps; loading and decoding apart.

    python tests/benchmarks/bench_generate.py                    # the embedded checkpoint
    python tests/benchmarks/bench_generate.py --random           # random weights of the embedded one's size
    python tests/benchmarks/bench_generate.py --model DIR --steps 8

It also says how much bfloat16 changes the pictures (PSNR against float32), and whether naive batches would have the
bits of single images: the reason for micro-batches of a fixed size.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from assistant.schema import ImageRequest
from generation import Generator
from tests.models import Shape, write_pipeline

#: About the size of the embedded checkpoint: 17 million parameters in the U-Net, 256×256 from 16×16×8 latents.
FULL = Shape(
    unet_channels=(64, 160, 288),
    vae_channels=(32, 64, 96, 128, 128),
    latent_channels=8,
    latent_size=16,
    text_width=256,
    text_layers=4,
    tokens=77,
)
REQUEST = ImageRequest(count=4, rash="eczema", area="elbow", tone="brown", seed=1)


def seconds_an_image(generator: Generator, repeats: int, **how) -> tuple[float, float, list[np.ndarray]]:
    """Seconds by the clock and of processor time, best of some repeats as other programs only add; and the pictures."""
    clock, processor, pictures = float("inf"), float("inf"), []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        pictures = [np.asarray(image.image, dtype=np.float64) for image in generator.draw(REQUEST, **how)]
        clock = min(clock, (time.perf_counter() - start[0]) / REQUEST.count)
        processor = min(processor, (time.process_time() - start[1]) / REQUEST.count)
    return clock, processor, pictures


def psnr(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """Peak signal-to-noise ratio in dB of 8-bit pictures."""
    error = np.mean([(a - b) ** 2 for a, b in zip(one, other, strict=True)])
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--random", action="store_true")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = write_pipeline(Path(folder) / "random", FULL) if arguments.random else arguments.model
        measure(model, arguments)


def measure(model: str | Path, arguments: argparse.Namespace) -> None:
    import torch

    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    pictures = {}
    for dtype in ("float32", "auto"):
        start = time.perf_counter()
        generator = Generator.load(model, arguments.device, dtype=dtype)
        loading = time.perf_counter() - start
        used = str(generator._pipeline.unet.dtype).removeprefix("torch.")
        print(f"{dtype} ({used}): loaded in {loading:.1f} s")
        for batch_size in (1, 4):
            how = {"steps": arguments.steps, "guidance_scale": arguments.guidance, "batch_size": batch_size}
            chosen = generator.sampling(**how)
            clock, processor, pictures[dtype, batch_size] = seconds_an_image(generator, arguments.repeats, **how)
            print(
                f"  {chosen.steps} steps, guidance {chosen.guidance_scale:g}, {batch_size} at a time: "
                f"{clock:.3f} s an image, {processor:.3f} s of processor time"
            )
        same = sum(np.array_equal(a, b) for a, b in zip(pictures[dtype, 1], pictures[dtype, 4], strict=True))
        print(f"  of 4 pictures, {same} have the same 8-bit pixels in a batch of 4 as alone")
    print(f"auto against float32: PSNR {psnr(pictures['float32', 1], pictures['auto', 1]):.1f} dB")


if __name__ == "__main__":
    main()
