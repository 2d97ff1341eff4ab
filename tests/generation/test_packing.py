"""Weights in oneDNN's order: the same bits, and nothing where torch has no such thing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from generation import packing


def layers(dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.SiLU(), nn.Conv2d(32, 16, 3, stride=2, padding=1), nn.Flatten(2), nn.Linear(16, 8))
    return model.to(dtype).eval().requires_grad_(False)


@pytest.mark.skipif(not packing._usable(), reason="this torch has no oneDNN, or another one")
@torch.inference_mode()
def test_packed_layers_give_the_same_bits_in_every_shape():
    model = layers(torch.bfloat16)
    given = [torch.randn(n, 16, 8, 8, dtype=torch.bfloat16) for n in (1, 3, 1, 2, 1)]
    before = [model(pixels) for pixels in given]
    assert packing.pack(model) == 3
    assert all(torch.equal(model(pixels), was) for pixels, was in zip(given, before, strict=True))


def test_float32_is_left_as_it_is():
    assert packing.pack(layers(torch.float32)) == 0


def test_without_the_operators_nothing_changes(monkeypatch):
    def missing(layer):
        raise AttributeError("no such operator")

    monkeypatch.setattr(packing, "_convolution", missing)
    assert packing.pack(layers(torch.bfloat16)) == 0
