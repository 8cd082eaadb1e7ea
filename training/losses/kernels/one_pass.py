"""Log-sum-exp and its gradients in one pass, for a gradient known beforehand.

Legend: R users, C candidate items, D dimension, P positives, H pairs of a history, K sums of a row; r
rows of one tile.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.losses.kernels.tiles import LN_2, ROWS_PER_BLOCK, Pairs, Tiles

CELLS_PER_BLOCK = 1 << 21
"""Cells of a tile that has all columns: small enough for the last level of cache."""
FEWEST_ROWS_PER_BLOCK = 128
"""Fewest rows of such a tile: products with fewer cost more than the product that is
saved."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Expected:
    """Gradient that will come to each row, up to a factor common to all rows."""

    row_P: Tensor
    """Row of each positive."""
    weight_P: Tensor
    """Its weight in the loss."""
    logit_P: Tensor | None
    """Its logit, for a loss log(e^{l_p} + e^{z_r}) − l_p, whose gradient in z_r is w_p
    σ(z_r − l_p); None for a gradient w_p."""

    def of(self, rows: slice, log_r: Tensor) -> Tensor:
        """Gradients of some rows of known log-sum-exp: float [r]."""
        (here,) = ((self.row_P >= rows.start) & (self.row_P < rows.stop)).nonzero(as_tuple=True)
        row_p, gradient_p = self.row_P[here] - rows.start, self.weight_P[here].to(log_r.dtype)
        if self.logit_P is not None:
            gradient_p = gradient_p * torch.sigmoid(log_r.index_select(0, row_p) - self.logit_P[here])
        return torch.zeros_like(log_r).index_add_(0, row_p, gradient_p)


def fits(rows: int, columns: int) -> bool:
    """Whether a tile with all columns has enough rows to pay off."""
    return CELLS_PER_BLOCK // max(columns, 1) >= min(rows, FEWEST_ROWS_PER_BLOCK)


def log_sum_exp_in_one_pass(
    user_RD: Tensor,
    item_CD: Tensor,
    offset_C: Tensor,
    hidden: Pairs,
    expected: Expected,
    *,
    precision: torch.dtype = torch.float32,
) -> Tensor:
    """`log_sum_exp` in one pass over the tiles: float32 [R].

    A tile has some rows and all columns, so that the sum of a row is known while its
    tile is in memory, and both products of the gradients are made of it at once: no
    product and no exponential is computed twice. This needs the gradient of each row,
    which is taken to be `expected` times one factor. For another gradient everything is
    computed once more with that one: slower, and as exact.

    Args:
        user_RD: users.
        item_CD: items.
        offset_C: constant of each item.
        hidden: pairs to leave out.
        expected: gradient that will come.
        precision: precision of the products.

    Returns:
        The log-sum-exp of each row.
    """
    log_KR: Tensor = _OnePass.apply(user_RD, item_CD, offset_C, hidden, None, (expected,), precision)
    return log_KR[0]


def log_sums_exp_in_one_pass(
    user_RD: Tensor,
    item_CD: Tensor,
    offset_C: Tensor,
    hidden: Pairs,
    history: Pairs,
    expected: tuple[Expected, Expected],
    *,
    precision: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """Two log-sum-exps of one pass: all columns, and those outside a history.

    The same as two calls of `log_sum_exp_in_one_pass`, at the cost of one: both sums are
    of the same powers, and their gradients are added in the tile before the products.

    Args:
        user_RD: users.
        item_CD: items.
        offset_C: constant of each item.
        hidden: pairs to leave out of both.
        history: pairs to leave out of the second as well.
        expected: gradients that will come, up to one factor common to both.
        precision: precision of the products.

    Returns:
        float32 [R] each.
    """
    log_KR: Tensor = _OnePass.apply(user_RD, item_CD, offset_C, hidden, history, expected, precision)
    return log_KR[0], log_KR[1]


class _OnePass(torch.autograd.Function):
    @staticmethod
    def forward(ctx, user_RD, item_CD, offset_C, hidden, history, expected, precision):  # type: ignore[no-untyped-def]
        height = min(ROWS_PER_BLOCK, CELLS_PER_BLOCK // max(len(item_CD), 1))
        history = history or Pairs.none(user_RD.device)
        tiles = Tiles(user_RD, item_CD, offset_C, hidden, history, precision, height=height, width=len(item_CD))
        log_KR, user_grad_RD, item_grad_CD, expected_KR = _pass(tiles, expected)
        ctx.tiles = tiles
        ctx.save_for_backward(user_grad_RD, item_grad_CD, expected_KR)
        return log_KR

    @staticmethod
    def backward(ctx, grad_KR):  # type: ignore[no-untyped-def]
        user_grad_RD, item_grad_CD, expected_KR = ctx.saved_tensors
        # A loss that is a mean over positives has one factor, 1 / Σ weights, for all
        # rows.
        factor = grad_KR.sum() / expected_KR.sum()
        close = 1e3 * torch.finfo(expected_KR.dtype).eps * expected_KR.abs().max()
        if not bool(((grad_KR - factor * expected_KR).abs() <= close * factor.abs()).all()):
            # Another loss: a second pass, with the gradients that came, is exact again.
            rows = torch.arange(grad_KR.shape[1], device=grad_KR.device)
            came = tuple(Expected(row_P=rows, weight_P=grad_R, logit_P=None) for grad_R in grad_KR)
            factor, (_, user_grad_RD, item_grad_CD, _) = 1.0, _pass(ctx.tiles, came)
        return user_grad_RD * factor, item_grad_CD * factor, None, None, None, None, None


def _pass(tiles: Tiles, expected: tuple[Expected, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Log-sum-exps [K, R], gradients in users [R, D] and items [C, D], and [K, R].

    Gradients are those for the expected gradients of the rows, the last result. The
    pairs that the tiles were asked for are left out of a second sum.
    """
    everything = slice(0, len(tiles.item_CD))
    logs, expectations = [], []
    user_grad_RD = torch.empty_like(tiles.user_RD, dtype=tiles.wide)
    item_grad_CD = torch.zeros_like(tiles.item_CD, dtype=tiles.wide)
    for rows in tiles.rows():
        share_rC = tiles.logits(rows, everything)
        highest_r = torch.zeros(len(share_rC), dtype=tiles.wide, device=share_rC.device)
        if not tiles.bounded:
            # A row from which everything is hidden has -inf for its maximum, and -inf minus itself is no number.
            highest_r = share_rC.amax(dim=1).clamp_min(torch.finfo(torch.float32).min).to(tiles.wide)
            share_rC.sub_(highest_r[:, None])
        sums = [share_rC.exp2_().sum(dim=1, dtype=tiles.wide)]
        if len(expected) > 1:
            # Cells of the history are 0 while the second sum is formed. They come back
            # below with the weight of the first sum alone.
            inside_H = tiles.take(rows, everything)
            sums.append(share_rC.sum(dim=1, dtype=tiles.wide))
        sum_Kr = torch.stack(sums)
        logs.append((sum_Kr.log2() + highest_r) * LN_2)
        expectations.append(torch.stack([each.of(rows, log_r) for each, log_r in zip(expected, logs[-1], strict=True)]))
        # A row without candidates has a sum of 0, and no gradient.
        weight_Kr = torch.where(sum_Kr > 0, expectations[-1] / sum_Kr, 0.0)
        share_rC.mul_(weight_Kr.sum(dim=0)[:, None])
        if len(expected) > 1:
            tiles.put(rows, everything, inside_H, weight_Kr[0])
        user_grad_RD[rows] = share_rC @ tiles.item_CD
        item_grad_CD += (share_rC.T @ (tiles.user_RD[rows] * LN_2)).to(tiles.wide)
    return torch.cat(logs, dim=1), user_grad_RD, item_grad_CD, torch.cat(expectations, dim=1)
