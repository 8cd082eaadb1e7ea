"""Log-sum-exp and its gradients in one pass over the tiles, where it is known beforehand what gradient will come.

Legend: R users, C candidate items, D dimension, P positives; r rows of one tile.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.losses.kernels.log_sum_exp import LN_2, ROWS, Pairs, Tiles

CELLS = 1 << 21
"""Of a tile that has all columns: small enough for the last level of cache."""
FEWEST_ROWS = 128
"""Of such a tile: products with fewer rows cost more than one product is spared."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Expected:
    """The gradient that will come to each row, up to a factor common to all rows.

    row_P: the row of each positive. weight_P: its weight in the loss. logit_P: where the loss of a positive is
    log(e^{l_p} + e^{z_r}) − l_p, its logit; the gradient of z_r then is w_p σ(z_r − l_p). None where it is w_p.
    """

    row_P: Tensor
    weight_P: Tensor
    logit_P: Tensor | None

    def of(self, rows: slice, log_r: Tensor) -> Tensor:
        """The gradients of some rows, of which the log-sum-exp is known: float [r]."""
        (here,) = ((self.row_P >= rows.start) & (self.row_P < rows.stop)).nonzero(as_tuple=True)
        row_p, gradient_p = self.row_P[here] - rows.start, self.weight_P[here].to(log_r.dtype)
        if self.logit_P is not None:
            gradient_p = gradient_p * torch.sigmoid(log_r.index_select(0, row_p) - self.logit_P[here])
        return torch.zeros_like(log_r).index_add_(0, row_p, gradient_p)


def fits(rows: int, columns: int) -> bool:
    """Whether a tile with all columns has rows enough to be worth it."""
    return CELLS // max(columns, 1) >= min(rows, FEWEST_ROWS)


def log_sum_exp_in_one_pass(
    user_RD: Tensor,
    item_CD: Tensor,
    offset_C: Tensor,
    hidden: Pairs,
    expected: Expected,
    *,
    precision: torch.dtype = torch.float32,
) -> Tensor:
    """The same as `log_sum_exp`: float32 [R].

    A tile has some rows and all columns, so that the sum of a row is known while its tile is still there, and both
    products of the gradients are made of it at once: no tile is computed again, neither its product nor its
    exponentials. The items' gradient needs what comes to each row; it is taken to be `expected` times one factor. Where
    another gradient comes, everything is computed again with that one: slower, and as right.
    """
    result: Tensor = _OnePass.apply(user_RD, item_CD, offset_C, hidden, expected, precision)
    return result


class _OnePass(torch.autograd.Function):
    @staticmethod
    def forward(ctx, user_RD, item_CD, offset_C, hidden, expected, precision):  # type: ignore[no-untyped-def]
        height = min(ROWS, CELLS // max(len(item_CD), 1))
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
    """Natural log-sum-exp [R], its gradient in each row's user [R, D], the items' [C, D] if what comes to the rows is
    what is expected, and that [R]."""
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
