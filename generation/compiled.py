"""U-Net, decoder, text encoder and what looks at pictures, compiled for this processor by OpenVINO; the pipeline is diffusers' own.

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
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from diffusers.configuration_utils import FrozenDict

from generation import files, lesions, rashes
from generation.layout import Layout
from generation.tower import tower_config

log = logging.getLogger("script2skin")

#: Models with more in their U-Net's files than this are converted only when OpenVINO is asked for: it takes minutes and gigabytes.
SMALL = 400 * 2**20
#: Converted models kept; the one that was used longest ago goes first.
MOST_KEPT = 4
#: Seconds for which a model that OpenVINO could not take is not tried again at every start.
NOT_AGAIN = 24 * 3600
#: Pictures at a time, largest first: each size is tried when a model is converted, because a compiler that cannot take a network may
#: crash, and with all shapes fixed it is quickest. Other numbers are drawn as a sum of these.
SIZES = (4, 2, 1)
#: Counted up when this module converts differently: what was kept before is made anew.
VERSION = 5
UNET, DECODER, TEXT, FINDER, CLASSIFIER = "unet.xml", "decoder.xml", "text.xml", "finder.xml", "classifier.xml"
#: Root mean square of the difference from torch's answer in float32, as a share of it, beyond which a converted model is not taken.
MOST_OFF = {torch.float32: 1e-3, torch.bfloat16: 0.05}


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

    def __init__(self, layout: Layout, home: Path, resolution: int, dtype: torch.dtype) -> None:
        """``resolution``: side of the pictures in pixels. ``dtype``: what it is to compute in."""
        self._layout, self._dtype = layout, dtype
        #: Of the latents.
        self._side = resolution * layout.unet.config["sample_size"] // layout.resolution
        told = {
            "version": VERSION,
            "openvino": runtime().__version__,
            "torch": torch.__version__,
            "resolution": resolution,
            "dtype": str(dtype),
            "threads": torch.get_num_threads(),
            "unet": [layout.unet.sha256, layout.unet.config],
            "vae": [layout.vae.sha256, layout.vae.config],
            "text_encoder": [layout.text_encoder.sha256, layout.text_encoder.config, layout.tokens],
            "finder": files.read_part(lesions.FOLDER).sha256,
            "classifier": layout.classifier and [layout.classifier.sha256, rashes.fed(layout.classifier)],
            "lora": [files.file_sha256(layout.lora.path), layout.lora.scale] if layout.lora else None,
        }
        name = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]
        self.folder = home / "compiled" / name
        self._failure = self.folder.with_name(f".{name}.failed")

    @property
    def there(self) -> bool:
        """Whether all are there; they come by one renaming, so there is never a part of them."""
        return (self.folder / DECODER).exists()

    def open(self, unet_config: dict[str, Any], vae_config: dict[str, Any]) -> tuple[Any, Any, Any, dict[str, CompiledLook]]:
        """Stand-ins for U-Net, autoencoder and text encoder, with configs like those of the libraries' models, and what looks at
        pictures; getting ready while others go on."""
        try:
            os.utime(self.folder)  # the oldest goes first
        except OSError:
            log.debug("%s could not be touched.", self.folder)
        nets = _opened(self.folder, self._dtype, FrozenDict(unet_config), FrozenDict(vae_config), self._layout, self._side)
        nets[DECODER].whole = self._autoencoder
        for name in (TEXT, UNET, DECODER, FINDER, CLASSIFIER):  # in the order in which they are needed
            if name in nets:
                threading.Thread(target=nets[name].request, args=(1,)).start()  # no daemon: a process must not end in the midst of it
        looks = {name.removesuffix(".xml"): nets[name] for name in (FINDER, CLASSIFIER) if name in nets}
        return nets[UNET], nets[DECODER], nets[TEXT], looks

    def _autoencoder(self) -> Any:
        from generation import loading

        return loading.load_autoencoder(self._layout)

    def make(self, again: bool = False) -> bool:
        """Convert the model and keep it; False, with a line in the log, where that cannot be done.

        In a process of its own: a converter or compiler that crashes takes nothing with it, and its memory goes back.

        Args:
            again: also where that has failed within the last day.
        """
        if not again and self._failed_lately():
            log.info("Drawn by torch, because OpenVINO could not take this model; `script2skin prepare` tries again.")
            return False
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder.parent))
        except OSError as error:
            log.warning("Drawn by torch, more slowly, because the compiled model cannot be kept: %s", error)
            return False
        try:
            done = subprocess.run(
                [sys.executable, "-m", "generation.compiled", str(aside), str(self._side), str(self._dtype)],
                input=pickle.dumps(self._layout), capture_output=True, check=False,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )  # fmt: skip
            if done.returncode:
                said = done.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with {done.returncode}"]
                log.warning("Drawn by torch, more slowly, because OpenVINO could not take this model: %s", said[-1])
                self._failure.write_text(said[-1] + "\n")
                return False
            self._failure.unlink(missing_ok=True)
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

    def _failed_lately(self) -> bool:
        try:
            return time.time() - self._failure.stat().st_mtime < NOT_AGAIN
        except OSError:
            return False

    def _let_go(self) -> None:
        others = sorted((path for path in self.folder.parent.glob("[!.]*") if path != self.folder), key=lambda path: path.stat().st_mtime)
        for old in others[: max(0, len(others) + 1 - MOST_KEPT)]:
            shutil.rmtree(old, ignore_errors=True)


class _Compiled(torch.nn.Module):
    """A converted network, made ready for a size of batch when it is first needed."""

    sizes = SIZES

    def __init__(self, file: Path, dtype: torch.dtype, config: Any, takes: list[tuple[int, ...]]) -> None:
        """``takes``: shapes of what it is given for one picture."""
        super().__init__()
        self._file, self._takes, self._core = file, takes, runtime().Core()
        self._settings = {
            "INFERENCE_PRECISION_HINT": {torch.float32: "f32", torch.bfloat16: "bf16"}[dtype],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        self._ready: dict[int, Any] = {}
        self._getting_ready = threading.Lock()
        #: As of any model of diffusers: what a pipeline and a record ask for.
        self.config, self.dtype, self.device = config, dtype, torch.device("cpu")
        self.runtime = f"openvino {runtime().__version__.split('-')[0]}"

    def request(self, size: int) -> Any:
        """What answers for ``size`` pictures at a time; takes a second the first time."""
        with self._getting_ready:
            if size not in self._ready:
                model = self._core.read_model(self._file)
                model.reshape({put: runtime().PartialShape([size, *shape]) for put, shape in zip(model.inputs, self._takes, strict=True)})
                # No CACHE_DIR: reading from it, OpenVINO sets the process's locale to C for a while, and Python's files to ASCII.
                self._ready[size] = self._core.compile_model(model, "CPU", self._settings).create_infer_request()
        return self._ready[size]

    def run(self, *given: torch.Tensor) -> torch.Tensor:
        """The answer to tensors (N, …), float32."""
        arrays = [(tensor.float() if tensor.is_floating_point() else tensor).detach().contiguous().numpy() for tensor in given]
        answers, begin = [], 0
        for size in self.sizes:
            while begin + size <= len(arrays[0]):
                part = [array[begin : begin + size] for array in arrays]
                answers.append(torch.from_numpy(self.request(size).infer(part, share_inputs=True)[0].copy()))
                begin += size
        return answers[0] if len(answers) == 1 else torch.cat(answers)


class CompiledUNet(_Compiled):
    """In place of a ``UNet2DConditionModel`` in a pipeline."""

    def forward(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, timestep_cond: torch.Tensor | None = None,
        **_nothing: Any,
    ) -> tuple[torch.Tensor]:  # fmt: skip
        """The velocity (or noise) of ``sample`` (N, C, h, w), float32, as the first of a tuple."""
        times = torch.as_tensor(timestep, dtype=torch.float32).expand(len(sample))
        told = [] if timestep_cond is None else [timestep_cond.expand(len(sample), -1)]
        return (self.run(sample, times, encoder_hidden_states, *told),)


class CompiledDecoder(_Compiled):
    """In place of an autoencoder in a pipeline that mostly decodes; what encodes, in torch, is read when it is first needed."""

    #: Reads the autoencoder that this one stands in for.
    whole: Callable[[], Any] | None = None

    def decode(self, latents: torch.Tensor, **_nothing: Any) -> tuple[torch.Tensor]:
        """Pictures (N, 3, H, W), float32, nominally in [-1, 1], as the first of a tuple."""
        return (self.run(latents),)

    def encode(self, pictures: torch.Tensor, **_nothing: Any) -> Any:
        """As the autoencoder's own."""
        with self._getting_ready:
            if callable(self.whole):
                self._encoder, self.whole = self.whole(), None
        return self._encoder.encode(pictures)


class CompiledText(_Compiled):
    """In place of a ``CLIPTextModel`` in a pipeline."""

    sizes = (1,)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> tuple[torch.Tensor]:
        """What the U-Net is told of tokens (N, tokens), float32 (N, tokens, width), as the first of a tuple."""
        return (self.run(input_ids),)


class CompiledLook(_Compiled):
    """What looks at pictures: `run` takes float (N, 3, S, S), as the finder or the classifier is fed, and gives their logits."""

    sizes = (1,)

    @property
    def side(self) -> int:
        return self._takes[0][-1]


class _Norm(torch.nn.Module):
    """A group normalisation that leaves the channels where they are.

    OpenVINO's own wants every channel in one piece and lets all pictures be ordered for it and back; with this one a decoder took
    three quarters of the time, and the embedded U-Net's compiler no longer crashed on fixed shapes (2026.4).
    """

    def __init__(self, norm: torch.nn.GroupNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Any) -> Any:
        norm, one = self.norm, [1] * (x.ndim - 2)
        groups, each = norm.num_groups, norm.num_channels // norm.num_groups
        places = tuple(range(2, x.ndim))

        def over_group(means: Any) -> Any:
            """Means of channels (N, C, 1, …) → of their groups, in the same shape."""
            return means.reshape(-1, groups, each).mean(2, keepdim=True).expand(-1, groups, each).reshape(-1, norm.num_channels, *one)

        from_mean = x - over_group(x.mean(places, keepdim=True))
        scale = torch.rsqrt(over_group(from_mean.square().mean(places, keepdim=True)) + norm.eps)
        return from_mean * (scale * norm.weight.view(1, -1, *one)) + norm.bias.view(1, -1, *one)


class _Up(torch.nn.Module):
    """Every pixel four times, then a convolution of 3×3: the same as one transposed convolution of 4×4, with under half of the sums."""

    def __init__(self, conv: torch.nn.Conv2d) -> None:
        super().__init__()
        self.conv = torch.nn.ConvTranspose2d(conv.in_channels, conv.out_channels, 4, 2, 1)
        weight = self._spread(self._spread(conv.weight, 2), 3).transpose(0, 1).contiguous()
        self.conv.weight, self.conv.bias = torch.nn.Parameter(weight), torch.nn.Parameter(conv.bias)

    @staticmethod
    def _spread(weight: torch.Tensor, along: int) -> torch.Tensor:
        before, here, after = weight.unbind(along)
        return torch.stack([after, here + after, before + here, before], along)

    def forward(self, x: Any, *_nothing: Any, **_none: Any) -> Any:
        return self.conv(x)


def _quick(network: Any) -> Any:
    """``network`` with parts in it changed for ones that say the same and take less time."""
    for name, module in list(network.named_modules()):
        new = None
        if isinstance(module, torch.nn.GroupNorm) and module.affine:
            new = _Norm(module)
        elif type(module).__name__ == "Upsample2D" and _spreads(module):
            new = _Up(module.conv)
        if new is not None:
            parent, _, last = name.rpartition(".")
            setattr(network.get_submodule(parent), last, new)
    return network


def _spreads(up: Any) -> bool:
    conv = getattr(up, "conv", None)
    usual = up.use_conv and not up.use_conv_transpose and up.norm is None and up.interpolate
    return usual and isinstance(conv, torch.nn.Conv2d) and (conv.kernel_size, conv.padding, conv.groups) == ((3, 3), (1, 1), 1) and conv.bias is not None


def _opened(folder: Path, dtype: torch.dtype, unet: Any, vae: Any, layout: Layout, side: int) -> dict[str, _Compiled]:
    """``unet``, ``vae``: configs. ``side``: of the latents."""
    latents, tokens = (unet["in_channels"], side, side), (layout.tokens,)
    takes = [latents, (), (*tokens, unet["cross_attention_dim"]), *([(unet["time_cond_proj_dim"],)] if unet.get("time_cond_proj_dim") else [])]
    seen = 2 * files.read_json(lesions.FOLDER / "config.json", "the finder is not complete")["sample_size"]
    nets = {
        UNET: CompiledUNet(folder / UNET, dtype, unet, takes),
        DECODER: CompiledDecoder(folder / DECODER, dtype, vae, [latents]),
        TEXT: CompiledText(folder / TEXT, torch.float32, FrozenDict(tower_config(layout.text_encoder)), [tokens]),
        FINDER: CompiledLook(folder / FINDER, dtype, None, [(3, seen, seen)]),
    }
    if layout.classifier:
        fed = rashes.fed(layout.classifier).side
        nets[CLASSIFIER] = CompiledLook(folder / CLASSIFIER, dtype, None, [(3, fed, fed)])
    return nets


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


class _Said(torch.nn.Module):
    def __init__(self, text_encoder: Any) -> None:
        super().__init__()
        self.text_encoder = text_encoder

    def forward(self, ids: Any) -> Any:
        return self.text_encoder(ids)[0]


class _Found(torch.nn.Module):
    def __init__(self, finder: Any) -> None:
        super().__init__()
        self.finder = finder

    def forward(self, pixels: Any) -> Any:
        return lesions.logits(self.finder, pixels)


class _Told(torch.nn.Module):
    def __init__(self, classifier: Any) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, pixels: Any) -> Any:
        return self.classifier(pixels).logits


@torch.no_grad()
def convert(layout: Layout, side: int, dtype: torch.dtype, out: Path) -> None:
    """Write the models of ``layout``, and what looks at its pictures, into the folder ``out``, and try them.

    Args:
        side: of the latents.
        dtype: what they are to compute in; the text encoder always in float32.

    Raises:
        RuntimeError: OpenVINO cannot take them, or answers otherwise than torch.
    """
    from generation import loading

    unet, vae = loading.load_parts(layout)
    modules = {
        UNET: _Velocity(unet), DECODER: _Picture(vae), TEXT: _Said(loading.load_text_encoder(layout)), FINDER: _Found(lesions.finder()),
        **({CLASSIFIER: _Told(rashes.model(layout.classifier))} if layout.classifier else {}),
    }  # fmt: skip
    seeded = torch.Generator().manual_seed(0)
    nets = _opened(out, dtype, unet.config, vae.config, layout, side)
    for name, module in modules.items():
        net, module = nets[name], module.eval()
        given = [torch.randn(max(SIZES), *shape, generator=seeded) for shape in net._takes]
        if name == UNET:
            given[1] = torch.linspace(20, 900, max(SIZES))
        if name == TEXT:
            given = [torch.randint(tower_config(layout.text_encoder)["vocab_size"], given[0].shape, generator=seeded)]
        truth = module(*(tensor[:1] for tensor in given))
        halves = all(torch.equal(weight, weight.half().float()) for weight in module.parameters())  # as of a float16 checkpoint
        model = runtime().convert_model(_quick(module), example_input=tuple(tensor[:2] for tensor in given))
        runtime().save_model(model, out / name, compress_to_fp16=halves)
        del model
        for size in net.sizes:
            answer = net.run(*(tensor[:size] for tensor in given))[:1]
            off = ((answer - truth).square().mean() / truth.square().mean()).sqrt()
            if not off < MOST_OFF[dtype if name != TEXT else torch.float32]:
                raise RuntimeError(f"{name.removesuffix('.xml')} answers {off:.1%} off torch's")


if __name__ == "__main__":
    convert(pickle.loads(sys.stdin.buffer.read()), int(sys.argv[2]), getattr(torch, sys.argv[3].removeprefix("torch.")), Path(sys.argv[1]))
