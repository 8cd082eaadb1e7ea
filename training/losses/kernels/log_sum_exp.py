"""Log-sum-exp over all pairs of users and items, tile by tile.

The R x C logits never exist as a whole.

Legend: R users, C candidate items, D dimension, H hidden pairs, P pairs asked for; r, c
rows and columns of one tile.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.losses.kernels.tiles import COLUMNS_PER_BLOCK, LN_2, ROWS_PER_BLOCK, Pairs, Tiles


def log_sum_exp(
    user_RD: Tensor, item_CD: Tensor, offset_C: Tensor, hidden: Pairs, *, precision: torch.dtype = torch.float32
) -> Tensor:
    """log Σ_c exp(<u_r, v_c> + offset_c) over the columns not hidden from row r.

    Differentiable in user_RD and item_CD. The backward pass computes each tile a second
    time instead of keeping it: one product more, and no R x C in memory.

    Args:
        user_RD: users.
        item_CD: items.
        offset_C: constant of each item.
        hidden: pairs to leave out.
        precision: precision of the products; sums are float32 or wider.

    Returns:
        float32 [R], -inf for a row from which everything is hidden.
    """
    nothing = Pairs.none(item_CD.device)
    log_R, _ = log_sum_exp_and_logits(user_RD, item_CD, offset_C, hidden, nothing, precision=precision)
    return log_R


def log_sum_exp_and_logits(
    user_RD: Tensor,
    item_CD: Tensor,
    offset_C: Tensor,
    hidden: Pairs,
    asked: Pairs,
    *,
    precision: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """`log_sum_exp`, and the logits of some pairs.

    The logits are read from the tiles, and their gradients are added to the tiles' own,
    so nothing of P x D is in memory. They are as exact as `precision`.

    Args:
        user_RD: users.
        item_CD: items.
        offset_C: constant of each item.
        hidden: pairs to leave out of the sum.
        asked: pairs to give the logits of, hidden or not.
        precision: precision of the products.

    Returns:
        float32 [R], and <u_r, v_c> + offset_c of the pairs asked for: float32 [P].
    """
    found: tuple[Tensor, Tensor] = _LogSumExp.apply(user_RD, item_CD, offset_C, hidden, asked, precision)
    return found


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, user_RD, item_CD, offset_C, hidden, asked, precision):  # type: ignore[no-untyped-def]
        rows, columns = len(user_RD), len(item_CD)
        whole = 0 < rows * columns <= ROWS_PER_BLOCK * COLUMNS_PER_BLOCK
        height, width = (rows, columns) if whole else (ROWS_PER_BLOCK, COLUMNS_PER_BLOCK)
        tiles = Tiles(user_RD, item_CD, offset_C, hidden, asked, precision, height=height, width=width)
        sum_rows = tiles.log_sum if tiles.bounded else tiles.log_sum_with_maximum
        log_R = torch.cat([sum_rows(rows) for rows in tiles.rows()])
        ctx.save_for_backward(log_R)
        ctx.tiles = tiles
        return log_R * LN_2, tiles.asked_logits() * LN_2

    @staticmethod
    def backward(ctx, grad_R, grad_P):  # type: ignore[no-untyped-def]
        (log_R,) = ctx.saved_tensors
        tiles: Tiles = ctx.tiles
        # A row without candidates has -inf here, and no share of any column.
        log_R = log_R.masked_fill(log_R == -torch.inf, 0.0)
        # 2^logit / 2^log is divided once per row where neither can overflow, else inside of every exponential.
        factor_R = grad_R * (-log_R).exp2()
        # What a pair adds to its cell is divided by the factor that comes later, so then no factor may be 0.
        inside = not tiles.bounded or bool(len(grad_P) and (factor_R == 0).any())
        if inside:
            nothing_R = grad_R == 0
            log_R, factor_R = log_R.masked_fill(nothing_R, torch.inf), grad_R.masked_fill(nothing_R, 1.0)
        share_P = tiles.shares(grad_P, factor_R)
        user_grad_RD = torch.zeros_like(tiles.user_RD, dtype=tiles.wide)
        item_grad_CD = torch.zeros_like(tiles.item_CD, dtype=tiles.wide)
        for rows in tiles.rows():
            weighted_rD = (tiles.user_RD[rows] * (factor_R[rows, None] * LN_2)).to(tiles.precision)
            for columns in tiles.columns():
                if inside:
                    share_rc = tiles.logits(rows, columns).sub_(log_R[rows, None]).exp2_()
                else:
                    share_rc = tiles.powers(rows, columns)
                tiles.add(rows, columns, share_P)
                # Not `grad[rows] += ...`, which copies the sum onto itself; and a sum of two precisions is slow.
                user_grad_RD[rows].add_((share_rc @ tiles.item_CD[columns]).to(tiles.wide))
                item_grad_CD[columns].add_((share_rc.T @ weighted_rD).to(tiles.wide))
        return user_grad_RD * factor_R[:, None], item_grad_CD, None, None, None, None
