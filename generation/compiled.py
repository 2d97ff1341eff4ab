"""U-Net and decoder compiled for this processor by OpenVINO, in a pipeline that is otherwise diffusers' own.

At the embedded checkpoint's size most of a step in torch goes into telling each of some thousand operations what to do; compiled,
the same step takes less than half of the time (``tests/benchmarks/bench_plain.py``). torch's own compiler needs a C++ compiler,
which a laptop seldom has. A model is converted once, in a process of its own, which takes some seconds, and kept in the user's
folder under the hash of its weights; from then on its torch weights need not even be loaded. Where OpenVINO is missing, or cannot
take a model, torch draws.

optimum-intel would do this too; it brings its own pipelines, which know neither v-prediction nor a U-Net that is told the scale.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from diffusers.configuration_utils import FrozenDict

from generation import files
from generation.layout import Layout

log = logging.getLogger("script2skin")

#: Models with more in their U-Net's files than this are converted only when OpenVINO is asked for: it takes minutes and gigabytes.
SMALL = 400 * 2**20
#: Converted models kept; the one that was used longest ago goes first.
MOST_KEPT = 8
#: Shapes of input (sizes of a micro-batch) that a network stays ready for.
MOST_SHAPES = 2
#: Counted up when this module converts differently: what was kept before is made anew.
VERSION = 1
UNET, DECODER = "unet.xml", "decoder.xml"
#: Root mean square of the difference from torch's answer, as a share of it, beyond which a converted model is not taken.
MOST_OFF = 1e-3


@lru_cache(maxsize=1)
def runtime() -> Any:
    """The module ``openvino``; None where it is not installed or does not start.

    On import it tells its makers so, over the network, unless ``openvino_telemetry`` is missing: nobody who draws here asked for
    that, so for the import it is.
    """
    hidden = "openvino_telemetry"
    before = sys.modules.get(hidden)
    sys.modules[hidden] = None  # type: ignore[assignment]
    try:
        import openvino
    except Exception as error:  # ImportError, or OSError of a library that it needs
        log.info("OpenVINO is not used: %s", error)
        return None
    finally:
        del sys.modules[hidden]
        if before is not None:
            sys.modules[hidden] = before
    return openvino


def wanted(asked: str, layout: Layout) -> bool:
    """Whether a model is to run compiled on a CPU. ``asked``: "auto", or "openvino" for large models too."""
    if runtime() is None:
        return False
    return asked == "openvino" or sum(path.stat().st_size for path in layout.unet.weights) <= SMALL


class Kept:
    """Where the converted U-Net and decoder of a model lie, named after all that they depend on."""

    def __init__(self, layout: Layout, home: Path) -> None:
        self._layout = layout
        told = {
            "version": VERSION,
            "openvino": runtime().__version__,
            "torch": torch.__version__,
            "unet": [layout.unet.sha256, layout.unet.config],
            "vae": [layout.vae.sha256, layout.vae.config],
            "lora": [files.file_sha256(layout.lora.path), layout.lora.scale] if layout.lora else None,
        }
        name = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]
        self.folder = home / "compiled" / name

    @property
    def there(self) -> bool:
        """Whether both are there; they come by one renaming, so there is never half of them."""
        return (self.folder / DECODER).exists()

    def open(self, dtype: torch.dtype, unet_config: dict[str, Any], vae_config: dict[str, Any]) -> tuple[Any, Any]:
        """Stand-ins for U-Net and autoencoder, with configs like those of diffusers' models."""
        try:
            os.utime(self.folder)  # the oldest goes first
        except OSError:
            log.debug("%s could not be touched.", self.folder)
        unet = CompiledUNet(self.folder / UNET, dtype, FrozenDict(unet_config))
        return unet, CompiledDecoder(self.folder / DECODER, dtype, FrozenDict(vae_config))

    def make(self) -> bool:
        """Convert the model and keep it; False, with a line in the log, where that cannot be done.

        In a process of its own: a converter or compiler that crashes takes nothing with it, and its memory goes back.
        """
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder.parent))
        except OSError as error:
            log.warning("Drawn by torch, more slowly, because the compiled model cannot be kept: %s", error)
            return False
        try:
            done = subprocess.run(
                [sys.executable, "-m", "generation.compiled", str(aside)],
                input=pickle.dumps(self._layout), capture_output=True, check=False,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )  # fmt: skip
            if done.returncode:
                said = done.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with {done.returncode}"]
                log.warning("Drawn by torch, more slowly, because OpenVINO could not take this model: %s", said[-1])
                return False
            try:
                aside.rename(self.folder)
            except OSError:
                if not self.there:  # otherwise another process was quicker, and what it wrote is the same
                    raise
        except OSError as error:
            log.warning("Drawn by torch, more slowly, because the compiled model cannot be kept: %s", error)
            return False
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        self._let_go()
        return True

    def _let_go(self) -> None:
        others = sorted((path for path in self.folder.parent.glob("[!.]*") if path != self.folder), key=lambda path: path.stat().st_mtime)
        for old in others[: max(0, len(others) + 1 - MOST_KEPT)]:
            shutil.rmtree(old, ignore_errors=True)


class _Compiled(torch.nn.Module):
    """A converted network, made ready for every shape of input that it is given."""

    def __init__(self, file: Path, dtype: torch.dtype) -> None:
        super().__init__()
        self._file, self._core = file, runtime().Core()
        self._settings = {
            "INFERENCE_PRECISION_HINT": {torch.float32: "f32", torch.bfloat16: "bf16"}[dtype],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        self._ready: dict[tuple[Any, ...], Any] = {}
        #: As of any model of torch: what a pipeline and a record ask for.
        self.dtype, self.device = dtype, torch.device("cpu")
        self.runtime = f"openvino {runtime().__version__.split('-')[0]}"

    def _request(self, shapes: tuple[tuple[int, ...], ...]) -> Any:
        raise NotImplementedError

    def _compile(self, shapes: list[list[int]]) -> Any:
        model = self._core.read_model(self._file)
        model.reshape({put: runtime().PartialShape(shape) for put, shape in zip(model.inputs, shapes, strict=True)})
        return self._core.compile_model(model, "CPU", self._settings)

    def _run(self, *given: torch.Tensor) -> torch.Tensor:
        shapes = tuple(tuple(tensor.shape) for tensor in given)
        if shapes not in self._ready:
            while len(self._ready) >= MOST_SHAPES:
                del self._ready[next(iter(self._ready))]
            self._ready[shapes] = self._request(shapes)
        arrays = [tensor.detach().float().contiguous().numpy() for tensor in given]
        return torch.from_numpy(self._ready[shapes].infer(arrays, share_inputs=True)[0].copy())


class CompiledUNet(_Compiled):
    """In place of a ``UNet2DConditionModel`` in a pipeline."""

    def __init__(self, file: Path, dtype: torch.dtype, config: Any) -> None:
        super().__init__(file, dtype)
        self.config = config
        self._compiled: dict[tuple[Any, ...], Any] = {}

    def _request(self, shapes: tuple[tuple[int, ...], ...]) -> Any:
        # Of any number of pictures: with that fixed as well, OpenVINO 2026.4 crashed on the embedded U-Net, and was no quicker.
        free = tuple((-1, *shape[1:]) for shape in shapes)
        if free not in self._compiled:
            self._compiled = {free: self._compile([list(shape) for shape in free])}
        return self._compiled[free].create_infer_request()

    def forward(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, timestep_cond: torch.Tensor | None = None,
        **_nothing: Any,
    ) -> tuple[torch.Tensor]:  # fmt: skip
        """The velocity (or noise) of ``sample`` (N, C, h, w), float32, as the first of a tuple."""
        times = torch.as_tensor(timestep, dtype=torch.float32).expand(len(sample))
        return (self._run(sample, times, encoder_hidden_states, *([] if timestep_cond is None else [timestep_cond])),)


class CompiledDecoder(_Compiled):
    """In place of an autoencoder in a pipeline that only decodes."""

    def __init__(self, file: Path, dtype: torch.dtype, config: Any) -> None:
        super().__init__(file, dtype)
        self.config = config

    def _request(self, shapes: tuple[tuple[int, ...], ...]) -> Any:
        return self._compile([list(shape) for shape in shapes]).create_infer_request()

    def decode(self, latents: torch.Tensor, **_nothing: Any) -> tuple[torch.Tensor]:
        """Pictures (N, 3, H, W), float32, nominally in [-1, 1], as the first of a tuple."""
        return (self._run(latents),)


class _Velocity(torch.nn.Module):
    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, noisy: Any, times: Any, text: Any, told: Any = None) -> Any:
        return self.unet(noisy, times, text, timestep_cond=told, return_dict=False)[0]


class _Picture(torch.nn.Module):
    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, latents: Any) -> Any:
        return self.vae.decode(latents, return_dict=False)[0]


@torch.inference_mode()
def convert(unet: Any, vae: Any, tokens: int, out: Path) -> None:
    """Write float32 models into the folder ``out``, for any size of batch.

    Raises:
        RuntimeError: OpenVINO cannot take them, or answers otherwise than torch.
    """
    config, side = unet.config, unet.config.sample_size
    seeded = torch.Generator().manual_seed(0)
    given = [torch.randn(2, config.in_channels, side, side, generator=seeded), torch.tensor([500.0, 20.0])]
    given.append(torch.randn(2, tokens, config.cross_attention_dim, generator=seeded))
    if config.time_cond_proj_dim:
        given.append(torch.randn(2, config.time_cond_proj_dim, generator=seeded))
    for module, takes, name in ((_Velocity(unet), given, UNET), (_Picture(vae), given[:1], DECODER)):
        model = runtime().convert_model(module.eval(), example_input=tuple(takes))
        halves = all(torch.equal(weight, weight.half().float()) for weight in module.parameters())  # as of a float16 checkpoint
        runtime().save_model(model, out / name, compress_to_fp16=halves)
        del model
    made = CompiledUNet(out / UNET, torch.float32, config), CompiledDecoder(out / DECODER, torch.float32, vae.config)
    for place in (slice(0, 1), slice(0, 2)):  # alone and in a batch
        part = [tensor[place] for tensor in given]
        for answer, truth in ((made[0](*part)[0], _Velocity(unet)(*part)), (made[1].decode(part[0])[0], _Picture(vae)(part[0]))):
            off = ((answer - truth).square().mean() / truth.square().mean()).sqrt()
            if not off < MOST_OFF:
                raise RuntimeError(f"its answer is {off:.1%} off torch's")


def _main(out: Path, layout: Layout) -> None:
    from generation import loading

    unet, vae = loading.load_parts(layout)
    convert(unet, vae, layout.tokens, out)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), pickle.loads(sys.stdin.buffer.read()))
