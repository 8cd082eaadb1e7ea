"""Tiles of the logits of all pairs, in one buffer.

A tile has a few rows and columns.

Legend: R users, C candidate items, D dimension, H hidden pairs, P pairs asked for; r, c
rows and columns of one tile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

LOG2_E = 1.4426950408889634
LN_2 = 0.6931471805599453
"""Logits are kept to base 2: vector units compute powers of two several times faster than
powers of e."""
ROWS_PER_BLOCK, COLUMNS_PER_BLOCK = 512, 2048
"""Size of a tile: small enough for the last level of cache, large enough for the
products to run at full speed. Fewer logits are one tile, which is still in memory in
the backward pass."""
SAFE = 60.0
"""Powers of two up to this size, and sums of 2^60 of them, are far from the ends of
float32."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Pairs of a row and a column, in any order; a pair may come twice."""

    row_H: Tensor
    """int64 [H]."""
    column_H: Tensor
    """int64 [H]."""

    @classmethod
    def none(cls, device: torch.device | None = None) -> Pairs:
        """No pairs."""
        empty = torch.empty(0, dtype=torch.int64, device=device)
        return cls(row_H=empty, column_H=empty)

    def and_also(self, other: Pairs) -> Pairs:
        """Pairs of both."""
        return Pairs(row_H=torch.cat([self.row_H, other.row_H]), column_H=torch.cat([self.column_H, other.column_H]))


class _ByTile:
    """Pairs in the order of their tiles, with positions in a tile's flat memory."""

    def __init__(self, pairs: Pairs, rows: int, columns: int, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.across = -(-columns // width)
        # One tile: nothing to sort.
        if rows <= height and columns <= width:
            self.order_H = torch.arange(len(pairs.row_H), device=pairs.row_H.device)
            self.position_H = pairs.row_H * columns + pairs.column_H
            self.starts = [0, len(pairs.row_H)]
            return
        # Sorted by tile once, so that each tile finds its pairs in one slice.
        tile_row_H, tile_column_H = pairs.row_H // height, pairs.column_H // width
        tile_H = tile_row_H * self.across + tile_column_H
        self.order_H = torch.argsort(tile_H)
        before_H = tile_column_H * width
        width_H = (columns - before_H).clamp_max(width)
        position_H = (pairs.row_H - tile_row_H * height) * width_H + pairs.column_H - before_H
        self.position_H = position_H[self.order_H]
        tiles = torch.arange(self.across * -(-rows // height) + 1, device=tile_H.device)
        self.starts = torch.searchsorted(tile_H[self.order_H], tiles).tolist()

    def of(self, rows: slice, columns: slice) -> slice:
        """Pairs of one tile."""
        tile = rows.start // self.height * self.across + columns.start // self.width
        return slice(self.starts[tile], self.starts[tile + 1])


class Tiles:
    """Base-2 logits of any tile, with hidden pairs at -inf.

    `bounded` says that by the lengths of the vectors no logit is so large that its
    power of two could overflow, or all of a row's vanish; then no maximum has to be
    subtracted.

    Args:
        user_RD: users.
        item_CD: items.
        offset_C: constant of each item.
        hidden: pairs to leave out.
        asked: pairs to read the logits of.
        precision: precision of the products.
        height: rows of a tile.
        width: columns of a tile.
    """

    def __init__(
        self,
        user_RD: Tensor,
        item_CD: Tensor,
        offset_C: Tensor,
        hidden: Pairs,
        asked: Pairs,
        precision: torch.dtype,
        *,
        height: int = ROWS_PER_BLOCK,
        width: int = COLUMNS_PER_BLOCK,
    ) -> None:
        self.height, self.width = height, width
        self.precision, self.wide = precision, torch.promote_types(precision, torch.float32)
        self.bounded = _largest(user_RD, item_CD, offset_C) * LOG2_E < SAFE
        self.user_RD = (user_RD * LOG2_E).to(precision)
        self.item_CD = item_CD.to(precision)
        self.offset_C = (offset_C * LOG2_E).to(precision) if offset_C.any() else None
        cells = min(height, len(user_RD)) * min(width, len(item_CD))
        self.buffer = torch.empty(cells, dtype=precision, device=user_RD.device)
        self.powers_of: tuple[slice, slice] | None = None
        size = (len(user_RD), len(item_CD), height, width)
        self.hidden, self.asked = _ByTile(hidden, *size), _ByTile(asked, *size)
        self.row_P = asked.row_H
        self.read_P = torch.empty(len(asked.row_H), dtype=precision, device=user_RD.device)

    def rows(self) -> Iterator[slice]:
        """Row ranges of the tiles."""
        return _blocks(len(self.user_RD), self.height)

    def columns(self) -> Iterator[slice]:
        """Column ranges of the tiles."""
        return _blocks(len(self.item_CD), self.width)

    def logits(self, rows: slice, columns: slice, *, read: bool = False) -> Tensor:
        """Logits of one tile, in a buffer that the next tile reuses.

        Args:
            rows: the tile's rows.
            columns: the tile's columns.
            read: whether to keep the logits asked for.

        Returns:
            The tile, [r, c].
        """
        self.powers_of = None
        logits_rc = self._tile(rows, columns)
        user_rD, item_Dc = self.user_RD[rows], self.item_CD[columns].T
        if self.offset_C is None:
            torch.mm(user_rD, item_Dc, out=logits_rc)
        else:
            torch.addmm(self.offset_C[columns], user_rD, item_Dc, out=logits_rc)
        # Read before hiding: the pairs asked for are positives, which are hidden too.
        asked, hidden = self.asked.of(rows, columns), self.hidden.of(rows, columns)
        if read and asked.start < asked.stop:
            self.read_P[asked] = self.buffer[self.asked.position_H[asked]]
        if hidden.start < hidden.stop:
            self.buffer[self.hidden.position_H[hidden]] = -torch.inf
        return logits_rc

    def _tile(self, rows: slice, columns: slice) -> Tensor:
        height, width = rows.stop - rows.start, columns.stop - columns.start
        return self.buffer[: height * width].view(height, width)

    def powers(self, rows: slice, columns: slice, *, read: bool = False) -> Tensor:
        """Two to the logits of one tile; not computed twice in succession.

        Args:
            rows: the tile's rows.
            columns: the tile's columns.
            read: whether to keep the logits asked for.

        Returns:
            The tile, [r, c].
        """
        if self.powers_of != (rows, columns):
            self.logits(rows, columns, read=read).exp2_()
            self.powers_of = (rows, columns)
        return self._tile(rows, columns)

    def asked_logits(self) -> Tensor:
        """Logits that were read, in the order in which they were asked for."""
        logit_P = torch.empty_like(self.read_P, dtype=self.wide)
        return logit_P.index_copy_(0, self.asked.order_H, self.read_P.to(self.wide))

    def shares(self, grad_P: Tensor, factor_R: Tensor) -> Tensor:
        """Gradients of the logits asked for over their rows' factors, in tile order."""
        return (grad_P / factor_R.index_select(0, self.row_P))[self.asked.order_H].to(self.precision)

    def add(self, rows: slice, columns: slice, share_P: Tensor) -> None:
        """Add to the tile in the buffer.

        Args:
            rows: the tile's rows.
            columns: the tile's columns.
            share_P: one summand for each pair asked for, in tile order.
        """
        # In one dimension a sum has one order, whatever the number of threads.
        self.powers_of = None
        asked = self.asked.of(rows, columns)
        if asked.start < asked.stop:
            self.buffer.index_add_(0, self.asked.position_H[asked], share_P[asked])

    def take(self, rows: slice, columns: slice) -> Tensor:
        """Cells of the pairs asked for, in tile order; the tile has 0 there afterwards."""
        cells = self.asked.position_H[self.asked.of(rows, columns)]
        taken_H = self.buffer[cells]
        self.buffer[cells] = 0.0
        return taken_H

    def put(self, rows: slice, columns: slice, taken_H: Tensor, weight_r: Tensor) -> None:
        """Put taken cells back, each times the weight of its row."""
        asked = self.asked.of(rows, columns)
        row_H = self.row_P[self.asked.order_H[asked]] - rows.start
        self.buffer[self.asked.position_H[asked]] = taken_H * weight_r.index_select(0, row_H).to(taken_H.dtype)

    def log_sum(self, rows: slice) -> Tensor:
        """Base-2 log-sum-exp of some rows over all columns."""
        sum_r = torch.zeros(rows.stop - rows.start, device=self.buffer.device, dtype=self.wide)
        for columns in self.columns():
            sum_r += self.powers(rows, columns, read=True).sum(dim=1, dtype=self.wide)
        return sum_r.log2_()

    def log_sum_with_maximum(self, rows: slice) -> Tensor:
        """`log_sum` for logits of any size, with a running maximum.

        [Milakov and Gimelshein, 2018]
        """
        size = rows.stop - rows.start
        lowest = torch.finfo(torch.float32).min
        highest_r1 = torch.full((size, 1), lowest, device=self.buffer.device, dtype=self.wide)
        sum_r = torch.zeros(size, device=self.buffer.device, dtype=self.wide)
        for columns in self.columns():
            logits_rc = self.logits(rows, columns, read=True)
            # The maximum of a block that is hidden as a whole is -inf, and -inf minus itself is no number.
            new_r1 = torch.maximum(highest_r1, logits_rc.amax(dim=1, keepdim=True))
            sum_r *= (highest_r1 - new_r1).squeeze(1).exp2_()
            sum_r += logits_rc.sub_(new_r1).exp2_().sum(dim=1, dtype=self.wide)
            highest_r1 = new_r1
        return sum_r.log2_() + highest_r1.squeeze(1)


def _largest(user_RD: Tensor, item_CD: Tensor, offset_C: Tensor) -> float:
    """Bound of the size of every logit, by Cauchy and Schwarz."""
    lengths = user_RD.norm(dim=1).max() * item_CD.norm(dim=1).max()
    return float(lengths + offset_C.abs().max())


def _blocks(size: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, size)) for start in range(0, size, step))
