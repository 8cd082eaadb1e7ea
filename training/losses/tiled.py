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
ROWS, COLUMNS = 512, 2048
"""A tile: small enough for the last level of cache, large enough for the products to run at full speed."""
SAFE = 60.0
"""Powers of two up to this size, and sums of 2^60 of them, are far from the ends of float32."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Pairs of a row and a column, in any order; one may stand there twice: int64 [H] each."""

    row_H: Tensor
    column_H: Tensor

    @classmethod
    def none(cls, device: torch.device | None = None) -> Pairs:
        empty = torch.empty(0, dtype=torch.int64, device=device)
        return cls(row_H=empty, column_H=empty)

    def and_also(self, other: Pairs) -> Pairs:
        """The pairs of both."""
        return Pairs(row_H=torch.cat([self.row_H, other.row_H]), column_H=torch.cat([self.column_H, other.column_H]))


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
        tiles = Tiles(user_RD, item_CD, offset_C, row_H, column_H, precision)
        sum_rows = tiles.log_sum if tiles.bounded else tiles.log_sum_with_maximum
        log_R = torch.cat([sum_rows(rows) for rows in tiles.rows()])
        ctx.save_for_backward(log_R)
        ctx.tiles = tiles
        return log_R * LN_2

    @staticmethod
    def backward(ctx, grad_R):  # type: ignore[no-untyped-def]
        (log_R,) = ctx.saved_tensors
        tiles: Tiles = ctx.tiles
        # A row without candidates has -inf here, and no share of any column.
        log_R = log_R.masked_fill(log_R == -torch.inf, 0.0)
        # 2^logit / 2^log is divided once per row where neither can overflow, else inside of every exponential.
        factor_R = grad_R * (-log_R).exp2() if tiles.bounded else grad_R
        user_grad_RD, item_grad_CD = torch.zeros_like(tiles.user_RD, dtype=tiles.wide), None
        item_grad_CD = torch.zeros_like(tiles.item_CD, dtype=tiles.wide)
        for rows in tiles.rows():
            weighted_rD = (tiles.user_RD[rows] * (factor_R[rows, None] * LN_2)).to(tiles.precision)
            for columns in tiles.columns():
                share_rc = tiles.logits(rows, columns)
                if not tiles.bounded:
                    share_rc.sub_(log_R[rows, None])
                share_rc.exp2_()
                user_grad_RD[rows] += share_rc @ tiles.item_CD[columns]
                item_grad_CD[columns] += share_rc.T @ weighted_rD
        return user_grad_RD * factor_R[:, None], item_grad_CD, None, None, None, None


class Tiles:
    """The base-2 logits of any tile, with hidden pairs at -inf.

    bounded: no logit is so large that its power of two could overflow or all of a row's vanish, by the lengths of the
    vectors; then no maximum has to be subtracted.
    """

    def __init__(
        self,
        user_RD: Tensor,
        item_CD: Tensor,
        offset_C: Tensor,
        row_H: Tensor,
        column_H: Tensor,
        precision: torch.dtype,
        *,
        height: int = ROWS,
        width: int = COLUMNS,
    ) -> None:
        self.height, self.width = height, width
        self.precision, self.wide = precision, torch.promote_types(precision, torch.float32)
        self.bounded = _largest(user_RD, item_CD, offset_C) * LOG2_E < SAFE
        self.user_RD = (user_RD * LOG2_E).to(precision)
        self.item_CD = item_CD.to(precision)
        self.offset_C = (offset_C * LOG2_E).to(precision) if offset_C.any() else None
        cells = min(height, len(user_RD)) * min(width, len(item_CD))
        self.buffer = torch.empty(cells, dtype=precision, device=user_RD.device)
        self.across = -(-len(item_CD) // width)
        tile_H = (row_H // height) * self.across + column_H // width
        order_H = torch.argsort(tile_H)
        self.row_H, self.column_H = row_H[order_H] % height, column_H[order_H] % width
        tiles = torch.arange(self.across * -(-len(user_RD) // height) + 1, device=row_H.device)
        self.starts = torch.searchsorted(tile_H[order_H], tiles).tolist()

    def rows(self) -> Iterator[slice]:
        return _blocks(len(self.user_RD), self.height)

    def columns(self) -> Iterator[slice]:
        return _blocks(len(self.item_CD), self.width)

    def logits(self, rows: slice, columns: slice) -> Tensor:
        """One tile, in a buffer that the next one reuses."""
        height, width = rows.stop - rows.start, columns.stop - columns.start
        logits_rc = self.buffer[: height * width].view(height, width)
        user_rD, item_Dc = self.user_RD[rows], self.item_CD[columns].T
        if self.offset_C is None:
            torch.mm(user_rD, item_Dc, out=logits_rc)
        else:
            torch.addmm(self.offset_C[columns], user_rD, item_Dc, out=logits_rc)
        tile = rows.start // self.height * self.across + columns.start // self.width
        start, stop = self.starts[tile], self.starts[tile + 1]
        if start < stop:
            logits_rc[self.row_H[start:stop], self.column_H[start:stop]] = -torch.inf
        return logits_rc

    def log_sum(self, rows: slice) -> Tensor:
        """Base-2 log-sum-exp of some rows over all columns."""
        sum_r = torch.zeros(rows.stop - rows.start, device=self.buffer.device, dtype=self.wide)
        for columns in self.columns():
            sum_r += self.logits(rows, columns).exp2_().sum(dim=1, dtype=self.wide)
        return sum_r.log2_()

    def log_sum_with_maximum(self, rows: slice) -> Tensor:
        """The same for logits of any size, with a running maximum [Milakov and Gimelshein, 2018]."""
        size = rows.stop - rows.start
        lowest = torch.finfo(torch.float32).min
        highest_r1 = torch.full((size, 1), lowest, device=self.buffer.device, dtype=self.wide)
        sum_r = torch.zeros(size, device=self.buffer.device, dtype=self.wide)
        for columns in self.columns():
            logits_rc = self.logits(rows, columns)
            # The maximum of a block that is hidden as a whole is -inf, and -inf minus itself is no number.
            new_r1 = torch.maximum(highest_r1, logits_rc.amax(dim=1, keepdim=True))
            sum_r *= (highest_r1 - new_r1).squeeze(1).exp2_()
            sum_r += logits_rc.sub_(new_r1).exp2_().sum(dim=1, dtype=self.wide)
            highest_r1 = new_r1
        return sum_r.log2_() + highest_r1.squeeze(1)


def _largest(user_RD: Tensor, item_CD: Tensor, offset_C: Tensor) -> float:
    """No logit is larger in size: by Cauchy and Schwarz."""
    lengths = user_RD.norm(dim=1).max() * item_CD.norm(dim=1).max()
    return float(lengths + offset_C.abs().max())


def _blocks(size: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, size)) for start in range(0, size, step))
