"""One batch on several CPU cores: a copy of the model for each thread, all copies sharing the same weights.

Small layers keep a second OpenMP thread waiting at every operation; threads that each take a share of the batch meet once
a step. The gradient is the same up to rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import nn


class Replicas:
    """``model`` and ``count`` − 1 copies whose parameters are views of its own; copies have gradients of their own."""

    def __init__(self, model: nn.Module, count: int) -> None:
        self.models = [model, *(copy.deepcopy(model) for _ in range(count - 1))]
        for other in self.models[1:]:
            for mine, its in zip(model.parameters(), other.parameters(), strict=True):
                its.data = mine.data
        self.pool = ThreadPoolExecutor(count)

    def backward(self, loss: Callable[[nn.Module, Any], torch.Tensor], shares: Sequence[tuple[float, Any]]) -> torch.Tensor:
        """Accumulate on the model the gradient of Σ weight·loss(model, share) over (weight, share), at most one a replica.

        Returns the sum, detached.
        """

        def run(model: nn.Module, weight: float, share: Any) -> torch.Tensor:
            value = weight * loss(model, share)
            value.backward()
            return value.detach()

        jobs = [self.pool.submit(run, m, *share) for m, share in zip(self.models, shares, strict=False)]
        total = torch.stack([job.result() for job in jobs]).sum()
        own = list(self.models[0].parameters())
        for other in self.models[1:]:
            pairs = [(p, q) for p, q in zip(own, other.parameters(), strict=True) if q.grad is not None]
            torch._foreach_add_([p.grad for p, _ in pairs], [q.grad for _, q in pairs])
            other.zero_grad(set_to_none=True)
        return total
