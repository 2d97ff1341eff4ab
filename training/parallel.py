"""Several processes, one model: each takes a batch of its own and gradients are averaged (``torchrun --nproc-per-node N``).

For many GPUs, and for a CPU whose cores are shared with other work: there two processes of one thread drew 34 images a
second (24 a step), one process of two threads, which wait for each other at every operation, 19 to 23 (16 a step). On two
quiet cores without bfloat16 it was the other way round: 15 and 18 a second (24 a step).
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import nn


def rank() -> int:
    """Number of this process, 0 for the one that writes; joins the others that torchrun started, if it did."""
    if not dist.is_initialized():
        if int(os.environ.get("WORLD_SIZE", 1)) == 1:
            return 0
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        atexit.register(dist.destroy_process_group)  # threads of the group that outlive the interpreter end it with SIGABRT, now and then
    return dist.get_rank()


def world() -> int:
    """Number of processes."""
    rank()
    return dist.get_world_size() if dist.is_initialized() else 1


def alone() -> bool:
    """Whether this is the only process."""
    return world() == 1


def gathered(part: torch.Tensor) -> torch.Tensor:
    """The parts (n, …) of all processes, as many rows in each, one below the other; no gradient flows back."""
    if not dist.is_initialized():
        return part.detach()
    parts = [torch.empty_like(part) for _ in range(world())]
    dist.all_gather(parts, part.detach().contiguous())
    return torch.cat(parts)


def average_gradients(model: nn.Module) -> None:
    """Replace every gradient by its mean over the processes."""
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view(gradient.shape))


def agreed(values: list[float], device: torch.device) -> list[float]:
    """The values of process 0, in every process: all must stop at the same step and follow the same schedule."""
    if not dist.is_initialized():
        return values
    shared = torch.tensor(values, dtype=torch.float64, device=device)
    dist.broadcast(shared, 0)
    return shared.tolist()


def meet() -> None:
    """Wait here until every process has come."""
    if dist.is_initialized():
        dist.barrier()


@contextmanager
def one_after_another() -> Iterator[None]:
    """Process 0 goes first, alone, so that the others find its files."""
    if rank() != 0:
        meet()
    yield
    if rank() == 0:
        meet()
