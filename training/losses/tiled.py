"""Log-sum-exp over all pairs of users and items, tile by tile: the R x C logits never exist as a whole.

Legend: R users, C candidate items, D dimension, H hidden pairs; r, c rows and columns of one tile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

LOG2_E = 1.4426950408889634
LN_2 = 0.6931471805599453
ROWS, COLUMNS = 128, 2048
"""A tile of float32 takes 1 MiB: it stays in a core's second-level cache from the product to its gradients."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Pairs of a row and a column, sorted by row: int64 [H] each."""

    row_H: Tensor
    column_H: Tensor

    @classmethod
    def sorted(cls, row_H: Tensor, column_H: Tensor) -> Pairs:
        """Pairs in any order."""
        order_H = torch.argsort(row_H, stable=True)
        return cls(row_H=row_H[order_H], column_H=column_H[order_H])

    @classmethod
    def none(cls) -> Pairs:
        empty = torch.empty(0, dtype=torch.int64)
        return cls(row_H=empty, column_H=empty)

    def and_also(self, other: Pairs) -> Pairs:
        """The pairs of both; one that is in both stands there twice."""
        return Pairs.sorted(torch.cat([self.row_H, other.row_H]), torch.cat([self.column_H, other.column_H]))


def log_sum_exp(
    user_RD: Tensor, item_CD: Tensor, offset_C: Tensor, hidden: Pairs, *, precision: torch.dtype = torch.float32
) -> Tensor:
    """log Σ_c exp(<u_r, v_c> + offset_c) over the columns that are not hidden from row r: float32 [R].

    -inf for a row from which everything is hidden. Differentiable in user_RD and item_CD. precision: of the products;
    sums are float32 or wider. The backward pass computes each tile again instead of keeping it: one product more, and
    no R x C in memory. Exponentials are powers of two, which vector units compute several times faster.
    """
    return _LogSumExp.apply(user_RD, item_CD, offset_C, hidden.row_H, hidden.column_H, precision)


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, user_RD, item_CD, offset_C, row_H, column_H, precision):  # type: ignore[no-untyped-def]
        tiles = _Tiles(user_RD, item_CD, offset_C, row_H, column_H, precision)
        log_R = torch.cat([_tile_rows_log_sum_exp(tiles, rows) for rows in tiles.rows()])
        ctx.save_for_backward(user_RD, item_CD, offset_C, row_H, column_H, log_R)
        ctx.precision = precision
        return log_R * LN_2

    @staticmethod
    def backward(ctx, grad_R):  # type: ignore[no-untyped-def]
        user_RD, item_CD, offset_C, row_H, column_H, log_R = ctx.saved_tensors
        tiles = _Tiles(user_RD, item_CD, offset_C, row_H, column_H, ctx.precision)
        # A row without candidates has -inf here, and no share of any column.
        log_R = log_R.masked_fill(log_R == -torch.inf, 0.0)
        user_grad_RD, item_grad_CD = torch.zeros_like(user_RD), torch.zeros_like(item_CD)
        for rows in tiles.rows():
            weighted_rD = (user_RD[rows] * grad_R[rows, None]).to(ctx.precision)
            for columns in tiles.columns():
                share_rc = tiles.logits(rows, columns).sub_(log_R[rows, None]).exp2_()
                user_grad_RD[rows] += share_rc @ tiles.item_CD[columns]
                item_grad_CD[columns] += share_rc.T @ weighted_rD
        return user_grad_RD * grad_R[:, None], item_grad_CD, None, None, None, None


def _tile_rows_log_sum_exp(tiles: _Tiles, rows: slice) -> Tensor:
    """Base-2 log-sum-exp of some rows over all columns, with a running maximum [Milakov and Gimelshein, 2018]."""
    lowest = torch.finfo(torch.float32).min
    highest_r1 = torch.full((rows.stop - rows.start, 1), lowest, device=tiles.device, dtype=tiles.wide)
    sum_r = torch.zeros(rows.stop - rows.start, device=tiles.device, dtype=tiles.wide)
    for columns in tiles.columns():
        logits_rc = tiles.logits(rows, columns)
        # The maximum of a block that is hidden as a whole is -inf, and -inf minus itself is no number.
        new_r1 = torch.maximum(highest_r1, logits_rc.amax(dim=1, keepdim=True))
        sum_r *= (highest_r1 - new_r1).squeeze(1).exp2_()
        sum_r += logits_rc.sub_(new_r1).exp2_().sum(dim=1, dtype=tiles.wide)
        highest_r1 = new_r1
    return sum_r.log2_() + highest_r1.squeeze(1)


class _Tiles:
    """The base-2 logits of any tile, with hidden pairs at -inf."""

    def __init__(
        self,
        user_RD: Tensor,
        item_CD: Tensor,
        offset_C: Tensor,
        row_H: Tensor,
        column_H: Tensor,
        precision: torch.dtype,
    ) -> None:
        self.user_RD = (user_RD * LOG2_E).to(precision)
        self.item_CD = item_CD.to(precision)
        self.offset_C = (offset_C * LOG2_E).to(precision)
        self.column_H, self.row_H = column_H, row_H
        self.starts = torch.searchsorted(
            row_H, torch.arange(0, len(user_RD) + ROWS, ROWS, device=row_H.device)
        ).tolist()
        self.device = user_RD.device
        self.wide = torch.promote_types(precision, torch.float32)

    def rows(self) -> Iterator[slice]:
        return _blocks(len(self.user_RD), ROWS)

    def columns(self) -> Iterator[slice]:
        return _blocks(len(self.item_CD), COLUMNS)

    def logits(self, rows: slice, columns: slice) -> Tensor:
        logits_rc = torch.addmm(self.offset_C[columns], self.user_RD[rows], self.item_CD[columns].T)
        block = rows.start // ROWS
        start, stop = self.starts[block], self.starts[block + 1]
        if start < stop:
            row, column = self.row_H[start:stop] - rows.start, self.column_H[start:stop] - columns.start
            if len(self.item_CD) > COLUMNS:
                here = (column >= 0) & (column < columns.stop - columns.start)
                row, column = row[here], column[here]
            logits_rc[row, column] = -torch.inf
        return logits_rc


def _blocks(size: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, size)) for start in range(0, size, step))
