"""Kernels of a training step against the roofline of the machine.

Operations, bytes and exponentials are counted from the formula.

Legend: R users, C items, D dimension, B rows of L history positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional as F

from tests.benchmarks.speed.roofline import Roofline, best_seconds, measure_roofline
from training.losses import Pairs, log_sum_exp
from training.losses.kernels.one_pass import Expected, log_sum_exp_in_one_pass

SIZE, DIM, LENGTH, ITEMS = 4096, 64, 50, 40_000


def kernel_rows() -> Iterator[dict[str, Any]]:
    """One row per kernel and precision."""
    for precision in (torch.float32, torch.bfloat16):
        roof = measure_roofline(precision)
        yield _row("square product", precision, roof, roof.seconds(2e9, 0), 2e9, 0.0)
        yield from _softmax(precision, roof)
    yield from _lookup(measure_roofline(torch.float32))


def _softmax(precision: torch.dtype, roof: Roofline) -> Iterator[dict[str, Any]]:
    """Rows of the softmax kernels.

    Forward: one product and one exponential of each pair. Backward: the same again, and
    two more products. In one pass nothing is computed twice, which saves one product
    and one exponential of each pair. Each kernel moves its inputs and outputs once;
    tiles stay in the cache.
    """
    generator = torch.Generator().manual_seed(0)
    user_RD, item_CD = (F.normalize(torch.randn(SIZE, DIM, generator=generator), dim=1) for _ in range(2))
    user_RD = (10 * user_RD).requires_grad_()
    item_CD.requires_grad_()
    offset_C = torch.randn(SIZE, generator=generator)
    diagonal = torch.arange(SIZE)
    hidden = Pairs(row_H=diagonal, column_H=diagonal)

    def forward() -> torch.Tensor:
        return log_sum_exp(user_RD, item_CD, offset_C, hidden, precision=precision).sum()

    pairs = float(SIZE * SIZE)
    product, vectors = 2 * pairs * DIM, 4.0 * 2 * SIZE * DIM
    with torch.no_grad():
        yield _row("log-sum-exp forward", precision, roof, best_seconds(forward), product, vectors, pairs)
    seconds = best_seconds(lambda: forward().backward())
    yield _row("log-sum-exp and its gradients", precision, roof, seconds, 4 * product, 3 * vectors, 2 * pairs)

    def in_one_pass() -> None:
        expected = Expected(row_P=diagonal, weight_P=torch.ones(SIZE), logit_P=None)
        log_sum_exp_in_one_pass(user_RD, item_CD, offset_C, hidden, expected, precision=precision).sum().backward()

    seconds = best_seconds(in_one_pass)
    yield _row("the same in one pass", precision, roof, seconds, 3 * product, 3 * vectors, pairs)


def _lookup(roof: Roofline) -> Iterator[dict[str, Any]]:
    """Rows of the lookup: each position's vector is read once, each sum written once."""
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(ITEMS, DIM, generator=generator)
    places_BL = torch.randint(0, ITEMS, (SIZE, LENGTH), generator=generator)
    weights_BL = torch.rand(SIZE, LENGTH, generator=generator)
    moved = 4.0 * DIM * SIZE * (LENGTH + 1) + 12.0 * SIZE * LENGTH
    seconds = best_seconds(lambda: F.embedding_bag(places_BL, table, per_sample_weights=weights_BL, mode="sum"))
    yield _row("history lookup", torch.float32, roof, seconds, 2.0 * DIM * SIZE * LENGTH, moved)


def _row(
    name: str,
    precision: torch.dtype,
    roof: Roofline,
    seconds: float,
    flops: float,
    moved: float,
    exponentials: float = 0.0,
) -> dict[str, Any]:
    return {
        "kernel": name,
        "precision": str(precision).removeprefix("torch."),
        "ms": round(1e3 * seconds, 2),
        "GFLOP": round(flops / 1e9, 2),
        "MB": round(moved / 1e6, 1),
        "M exponentials": round(exponentials / 1e6, 1),
        "GFLOP/s": round(flops / seconds / 1e9),
        "peak GFLOP/s": round(roof.flops / 1e9),
        "peak GB/s": round(roof.bytes / 1e9, 1),
        "peak G exponentials/s": round(roof.exponentials / 1e9, 2),
        "of roofline": f"{100 * roof.seconds(flops, moved) / seconds:.0f} %",
        "of roofline with exponentials": f"{100 * roof.seconds(flops, moved, exponentials) / seconds:.0f} %",
    }
