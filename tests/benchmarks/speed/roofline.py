"""Roofline of this machine: rates of matrix products, memory and exponentials."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

TILE = 1 << 17
"""Numbers whose exponential is computed: half a MiB at most, for the second-level
cache."""


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """Measured rates of the machine."""

    flops: float
    """Operations per second of a product of square matrices."""
    bytes: float
    """Bytes per second that a large copy reads and writes."""
    exponentials: float
    """Powers of two per second, in place, in a tile that stays in the cache."""

    # Products and exponentials take turns, because both are work of the same vector
    # units; memory is moved meanwhile.
    def seconds(self, flops: float, moved: float, exponentials: float = 0.0) -> float:
        """Least time of some work. [Williams et al., CACM 2009, with a third ceiling]

        Args:
            flops: operations of products.
            moved: bytes.
            exponentials: number of exponentials.
        """
        return max(flops / self.flops + exponentials / self.exponentials, moved / self.bytes)


def measure_roofline(precision: torch.dtype, *, size: int = 2048) -> Roofline:
    left, right = (torch.randn(size, size).to(precision) for _ in range(2))
    source, target = torch.randn(1 << 25), torch.empty(1 << 25)
    tile = torch.zeros(TILE, dtype=precision)  # soon all infinite, which takes as long as any other value
    product = best_seconds(lambda: torch.mm(left, right))
    copy = best_seconds(lambda: target.copy_(source))
    exponential = best_seconds(tile.exp2_, times=100)
    return Roofline(
        flops=2 * size**3 / product, bytes=2 * source.nbytes / copy, exponentials=tile.numel() / exponential
    )


def best_seconds(run: Callable[[], object], *, times: int = 7) -> float:
    """Shortest of some runs, after one to warm up."""
    run()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
