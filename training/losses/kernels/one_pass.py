"""Log-sum-exp and its gradients in one pass, for a gradient known beforehand.

Legend: R users, C candidate items, D dimension, P positives; r rows of one tile.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.losses.kernels.log_sum_exp import LN_2, ROWS_PER_BLOCK, Pairs, Tiles

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
    product and no exponential is computed twice. The items' gradient needs the gradient
    of each row, which is taken to be `expected` times one factor. For another gradient
    everything is computed once more with that one: slower, and as exact.

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
    result: Tensor = _OnePass.apply(user_RD, item_CD, offset_C, hidden, expected, precision)
    return result


class _OnePass(torch.autograd.Function):
    @staticmethod
    def forward(ctx, user_RD, item_CD, offset_C, hidden, expected, precision):  # type: ignore[no-untyped-def]
        height = min(ROWS_PER_BLOCK, CELLS_PER_BLOCK // max(len(item_CD), 1))
        nothing = Pairs.none(user_RD.device)
        tiles = Tiles(user_RD, item_CD, offset_C, hidden, nothing, precision, height=height, width=len(item_CD))
        log_R, user_grad_RD, item_grad_CD, expected_R = _pass(tiles, expected)
        ctx.tiles = tiles
        ctx.save_for_backward(user_grad_RD, item_grad_CD, expected_R)
        return log_R

    @staticmethod
    def backward(ctx, grad_R):  # type: ignore[no-untyped-def]
        user_grad_RD, item_grad_CD, expected_R = ctx.saved_tensors
        factor = grad_R.sum() / expected_R.sum()
        close = 1e3 * torch.finfo(expected_R.dtype).eps * expected_R.abs().max()
        if not bool(((grad_R - factor * expected_R).abs() <= close * factor.abs()).all()):
            rows = torch.arange(len(grad_R), device=grad_R.device)
            came = Expected(row_P=rows, weight_P=grad_R, logit_P=None)
            factor, item_grad_CD = 1.0, _pass(ctx.tiles, came)[2]
        return user_grad_RD * grad_R[:, None], item_grad_CD * factor, None, None, None, None


def _pass(tiles: Tiles, expected: Expected) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Log-sum-exp [R], its gradient in the users [R, D], the items' [C, D], and [R].

    The items' gradient is that for the expected gradient of the rows, the last result.
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
        sum_r = share_rC.exp2_().sum(dim=1, dtype=tiles.wide)
        logs.append((sum_r.log2() + highest_r) * LN_2)
        expectations.append(expected.of(rows, logs[-1]))
        inverse_r1 = torch.where(sum_r > 0, 1 / sum_r, 0.0)[:, None]
        user_grad_RD[rows] = share_rC @ tiles.item_CD * inverse_r1
        weighted_rD = tiles.user_RD[rows] * (expectations[-1][:, None] * inverse_r1 * LN_2)
        item_grad_CD += (share_rC.T @ weighted_rD.to(tiles.precision)).to(tiles.wide)
    return torch.cat(logs), user_grad_RD, item_grad_CD, torch.cat(expectations)
