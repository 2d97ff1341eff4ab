"""Muon for matrices and convolutions with Adam for the rest, or AdamW for all; and the exponential average of weights.

Measured on a core, bf16: a decoder step (8 crops of 96 px) is 0.34 s and Muon's update 0.12 s, worth it (see ``Muon``);
a U-Net step (16 latents) is 0.9 s and Muon's update as much again, so that AdamW (0.05 s) takes twice the steps.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from training.precision import quick_dtype


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by Newton–Schulz (Jordan 2024, https://kellerjordan.github.io/posts/muon/), for matrices and
    convolutions seen as matrices; Adam for vectors, thin matrices and tables of embeddings.

    ``lr`` of the matrices is rescaled by 0.2·√max(rows, columns), so that one value suits both (Liu et al. 2025,
    arXiv 2502.16982). After 180 equal steps of the autoencoder its loss was 0.241, AdamW's at 1e-3 0.257.
    """

    def __init__(self, model: nn.Module, lr: float, weight_decay: float) -> None:
        tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
        matrices, vectors = [], []
        for p in (p for p in model.parameters() if p.requires_grad):
            matrix = p.ndim >= 2 and min(len(p), p[0].numel()) >= 16 and id(p) not in tables
            (matrices if matrix else vectors).append(p)
        groups = [{"params": matrices, "matrix": True}, {"params": vectors, "matrix": False}]
        super().__init__([group for group in groups if group["params"]], {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            learning = [p for p in group["params"] if p.grad is not None]
            if group["matrix"]:
                alike: dict[tuple[int, int], list[nn.Parameter]] = {}
                for p in learning:
                    alike.setdefault((len(p), p[0].numel()), []).append(p)
                for shape, params in alike.items():
                    self._matrices(params, shape, group)
            elif learning:
                self._vectors(learning, group)

    # All of a kind together: on a GPU a step takes as long as its number of operations.

    def _matrices(self, params: list[nn.Parameter], shape: tuple[int, int], group: dict, momentum: float = 0.95) -> None:
        """One step of matrices that have one shape."""
        grads, averages = [p.grad for p in params], self._states(params, "average")
        torch._foreach_lerp_(averages, grads, 1 - momentum)
        ahead = torch._foreach_lerp(grads, averages, momentum)
        updates = orthogonalised(torch.stack([part.reshape(shape) for part in ahead]))
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        rate = -0.2 * math.sqrt(max(shape)) * group["lr"]
        torch._foreach_add_(params, [u.view(p.shape) for u, p in zip(updates, params, strict=True)], alpha=rate)

    def _vectors(self, params: list[nn.Parameter], group: dict, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        grads, first, second = [p.grad for p in params], self._states(params, "first"), self._states(params, "second")
        torch._foreach_lerp_(first, grads, 1 - betas[0])
        torch._foreach_lerp_(second, torch._foreach_mul(grads, grads), 1 - betas[1])
        for p in params:
            self.state[p]["step"] = self.state[p].get("step", 0) + 1
        step = self.state[params[0]]["step"]
        corrected = torch._foreach_sqrt(torch._foreach_div(second, 1 - betas[1] ** step))
        torch._foreach_add_(corrected, 1e-8)
        torch._foreach_addcdiv_(params, first, corrected, value=-group["lr"] / (1 - betas[0] ** step))

    def _states(self, params: list[nn.Parameter], name: str) -> list[torch.Tensor]:
        for p in params:
            if name not in self.state[p]:
                self.state[p][name] = torch.zeros_like(p)
        return [self.state[p][name] for p in params]


def build(name: str, model: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """``muon``, ``adamw`` or ``adamw8bit`` over the weights of ``model`` that learn."""
    if name == "muon":
        return Muon(model, lr, weight_decay)
    learning = [p for p in model.parameters() if p.requires_grad]
    if name == "adamw8bit" and (kind := _eight_bit()):
        return kind(learning, lr, betas=(0.9, 0.99), weight_decay=weight_decay)
    return torch.optim.AdamW(learning, lr, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True)


def _eight_bit() -> type[torch.optim.Optimizer] | None:
    """AdamW that keeps its averages in 8 bits (Dettmers et al. 2022, arXiv 2110.02861), where bitsandbytes and a GPU are at hand."""
    try:
        from bitsandbytes.optim import AdamW8bit
    except (ImportError, RuntimeError):
        AdamW8bit = None
    if AdamW8bit is None or not torch.cuda.is_available():
        print("AdamW in 8 bits needs a GPU and `pip install bitsandbytes`; AdamW in 32 bits is used.", flush=True)
        return None
    return AdamW8bit


def orthogonalised(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """About U·Vᵀ of each ``matrix`` (…, rows, columns): singular values end between 0.7 and 1.2. bfloat16 is enough, where it
    is quick."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.to(quick_dtype(matrix.device.type))
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrix.dtype)


class Ema:
    """Exponential average of a model's floating-point state, in float32; the decay starts low and reaches ``decay``.

    With decay 0 it is the state itself, and takes no memory.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        #: The model's own tensors: gathering them takes longer than averaging them.
        self._values = list(model.state_dict().values())
        if decay == 0:
            self.shadow = {name: value.detach() for name, value in model.state_dict().items()}
        else:
            self.shadow = {name: value.detach().clone().float() for name, value in model.state_dict().items()}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from the averages of a checkpoint."""
        if self.decay:
            self.shadow = {name: value.to(self.shadow[name].device) for name, value in state.items()}

    def update(self, step: int) -> None:
        if self.decay == 0:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.shadow.values()), [value.float() for value in self._values], 1 - decay)
