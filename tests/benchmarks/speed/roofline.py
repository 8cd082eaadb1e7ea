"""What this machine can do: the rate of matrix products and of memory, measured on the spot."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """flops: of a product of square matrices, per second. bytes: read and written by a large copy, per second."""

    flops: float
    bytes: float

    def seconds(self, flops: float, moved: float) -> float:
        """The least that so much work takes: products and memory side by side. [Williams et al., CACM 2009]"""
        return max(flops / self.flops, moved / self.bytes)


def measure_roofline(precision: torch.dtype, *, size: int = 2048) -> Roofline:
    left, right = (torch.randn(size, size).to(precision) for _ in range(2))
    source, target = torch.randn(1 << 25), torch.empty(1 << 25)
    product = best_seconds(lambda: torch.mm(left, right))
    copy = best_seconds(lambda: target.copy_(source))
    return Roofline(flops=2 * size**3 / product, bytes=2 * source.nbytes / copy)


def best_seconds(run: Callable[[], object], *, times: int = 7) -> float:
    """The shortest of some runs, after one to warm up: on a shared machine the others measure the neighbours."""
    run()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
