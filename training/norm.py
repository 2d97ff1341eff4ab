"""Group normalisation whose backward pass is quick on a CPU with channels-last tensors.

PyTorch's own backward took 31 % of an autoencoder step there (12.6 ms a call against 1.2 ms for SiLU's). This one is
two reductions over the pixels and two fused multiply-adds; the forward pass is PyTorch's.
"""

from __future__ import annotations

import torch
from torch import nn


class _GroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, groups: int, eps: float):
        n, c, h, w = x.shape
        y, mean, rstd = torch.native_group_norm(x, weight.to(x.dtype), bias.to(x.dtype), n, c, h * w, groups, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        return y

    @staticmethod
    def backward(ctx, dy: torch.Tensor):
        """With x̂ = (x − µ)/σ over a group of m values: dx = (w·dy − mean(w·dy) − x̂·mean(w·dy·x̂)) / σ."""
        x, weight, mean, rstd = ctx.saved_tensors
        n, c, h, w = x.shape
        groups = mean.shape[1]
        dy = dy.contiguous(memory_format=torch.channels_last)
        flat_x = x.permute(0, 2, 3, 1).reshape(n, h * w, c)
        flat_dy = dy.permute(0, 2, 3, 1).reshape(n, h * w, c)
        sum_dy = flat_dy.sum(1, dtype=torch.float32)
        sum_dyx = (flat_dy * flat_x).sum(1, dtype=torch.float32)
        mu = mean.float().repeat_interleave(c // groups, 1)
        inv = rstd.float().repeat_interleave(c // groups, 1)
        d_weight = ((sum_dyx - mu * sum_dy) * inv).sum(0)
        d_bias = sum_dy.sum(0)
        count = h * w * (c // groups)
        per_group = torch.stack((sum_dy * weight, (sum_dyx - mu * sum_dy) * inv * weight))
        mean_dy, mean_dyx = (
            per_group.view(2, n, groups, -1).sum(-1).div_(count).repeat_interleave(c // groups, 2).unbind(0)
        )
        scale = (inv * weight).to(x.dtype)
        slope = (-inv * inv * mean_dyx).to(x.dtype)
        shift = (inv * (mu * inv * mean_dyx - mean_dy)).to(x.dtype)
        dx = torch.addcmul(shift[:, None], flat_x, slope[:, None]).addcmul_(flat_dy, scale[:, None])
        return dx.view(n, h, w, c).permute(0, 3, 1, 2), d_weight, d_bias, None, None


class QuickGroupNorm(nn.GroupNorm):
    """``nn.GroupNorm`` for training on a CPU: the same parameters, the same outputs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not (x.ndim == 4 and x.requires_grad):
            return super().forward(x)
        return _GroupNorm.apply(x, self.weight, self.bias, self.num_groups, self.eps)


def quicken(model: nn.Module, device: torch.device) -> nn.Module:
    """``model`` on ``device``; on a CPU every ``nn.GroupNorm`` is exchanged in place, names and state dict stay as they are."""
    for module in model.modules():
        if type(module) is nn.GroupNorm and device.type == "cpu":
            module.__class__ = QuickGroupNorm
    return model.to(device, memory_format=torch.channels_last)
