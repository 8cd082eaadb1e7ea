"""The tiled log-sum-exp is the plain one, and never holds all pairs at once."""

from __future__ import annotations

import resource

import pytest
import torch

from tests.unit.training.trainer.candidates_world import pairs_of
from training.losses import Pairs, log_sum_exp
from training.losses.kernels.log_sum_exp import log_sum_exp_and_logits
from training.losses.kernels.tiles import COLUMNS_PER_BLOCK, ROWS_PER_BLOCK, Tiles

SIZES = [
    (1, 1),
    (ROWS_PER_BLOCK, COLUMNS_PER_BLOCK),
    (ROWS_PER_BLOCK + 1, COLUMNS_PER_BLOCK + 1),
    (2 * ROWS_PER_BLOCK - 1, 2 * COLUMNS_PER_BLOCK + 3),
    (5, 2 * COLUMNS_PER_BLOCK),
    (ROWS_PER_BLOCK + 1, 2 * COLUMNS_PER_BLOCK),
]


def world(rows: int, columns: int, *, length: float = 4.0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(rows + columns)
    user_RD = torch.randn(rows, 8, generator=generator) * length
    item_CD = torch.randn(columns, 8, generator=generator)
    hidden_RC = torch.rand(rows, columns, generator=generator) < 0.3
    return user_RD, item_CD, torch.randn(columns, generator=generator), hidden_RC


def plain(
    user_RD: torch.Tensor, item_CD: torch.Tensor, offset_C: torch.Tensor, hidden_RC: torch.Tensor
) -> torch.Tensor:
    return (user_RD @ item_CD.T + offset_C).masked_fill(hidden_RC, -torch.inf).logsumexp(dim=1)


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_value_and_gradients_are_those_of_the_plain_formula(rows: int, columns: int) -> None:
    user_RD, item_CD, offset_C, hidden_RC = world(rows, columns)
    hidden_RC[:, 0] = False
    got_inputs = user_RD.clone().requires_grad_(), item_CD.clone().requires_grad_()
    inputs = user_RD.double().requires_grad_(), item_CD.double().requires_grad_()
    weight_R = torch.linspace(0.5, 2, rows)
    got_R = log_sum_exp(*got_inputs, offset_C, pairs_of(hidden_RC))
    wanted_R = plain(*inputs, offset_C.double(), hidden_RC)
    assert torch.allclose(got_R.double(), wanted_R, atol=1e-4)
    (got_R * weight_R).sum().backward()
    (wanted_R * weight_R.double()).sum().backward()
    for got, wanted in zip(got_inputs, inputs, strict=True):
        assert got.grad is not None and wanted.grad is not None
        assert torch.allclose(got.grad.double(), wanted.grad, atol=1e-4)


@pytest.mark.parametrize("rows", [9, ROWS_PER_BLOCK + 9], ids=["one tile", "several tiles"])
def test_logits_of_any_size_neither_overflow_nor_vanish(rows: int) -> None:
    user_RD, item_CD, offset_C, hidden_RC = world(rows, 2 * COLUMNS_PER_BLOCK, length=100.0)
    got_R = log_sum_exp(user_RD, item_CD, offset_C, pairs_of(hidden_RC))
    assert torch.allclose(got_R, plain(user_RD, item_CD, offset_C, hidden_RC), rtol=1e-5)


@pytest.mark.parametrize("rows", [3, ROWS_PER_BLOCK + 3], ids=["one tile", "several tiles"])
def test_a_row_from_which_everything_is_hidden_is_minus_infinity_and_has_no_gradient(rows: int) -> None:
    user_RD, item_CD, offset_C, hidden_RC = world(rows, 2 * COLUMNS_PER_BLOCK)
    hidden_RC[1] = True
    user_RD.requires_grad_()
    got_R = log_sum_exp(user_RD, item_CD, offset_C, pairs_of(hidden_RC))
    assert got_R[1] == -torch.inf
    torch.logaddexp(got_R, torch.zeros(rows)).sum().backward()
    assert user_RD.grad is not None
    assert (user_RD.grad[1] == 0).all() and torch.isfinite(user_RD.grad).all()


def test_bfloat16_products_stay_near() -> None:
    user_RD, item_CD, offset_C, hidden_RC = world(ROWS_PER_BLOCK, COLUMNS_PER_BLOCK, length=1.0)
    hidden = pairs_of(hidden_RC)
    exact_R, got_R = (
        log_sum_exp(user_RD, item_CD, offset_C, hidden, precision=kind) for kind in (torch.float32, torch.bfloat16)
    )
    assert (exact_R - got_R).abs().mean() < 0.01


@pytest.mark.parametrize(("rows", "computed"), [(9, 1), (ROWS_PER_BLOCK + 9, 8)], ids=["one tile", "four tiles"])
def test_one_tile_is_kept_for_the_gradients_several_are_computed_again(
    rows: int, computed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[bool] = []
    logits = Tiles.logits

    def counted(tiles: Tiles, rows: slice, columns: slice, *, read: bool = False) -> torch.Tensor:
        calls.append(read)
        return logits(tiles, rows, columns, read=read)

    monkeypatch.setattr(Tiles, "logits", counted)
    user_RD, item_CD, offset_C, hidden_RC = world(rows, 2 * COLUMNS_PER_BLOCK, length=0.5)
    log_sum_exp(user_RD.requires_grad_(), item_CD, offset_C, pairs_of(hidden_RC)).sum().backward()
    assert len(calls) == computed


@pytest.mark.parametrize("length", [0.5, 10.0], ids=["bounded", "unbounded"])
def test_gradients_asked_for_twice_are_the_same(length: float) -> None:
    """The kept buffer of the forward pass holds the shares after the first time."""
    user_RD, item_CD, offset_C, hidden_RC = world(9, 30, length=length)
    user_RD.requires_grad_()
    sum_R, logit_P = log_sum_exp_and_logits(user_RD, item_CD, offset_C, pairs_of(hidden_RC), asked_of(9, 30))
    first, second = (torch.autograd.grad(sum_R.sum() + logit_P.sum(), user_RD, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_memory_stays_that_of_a_tile() -> None:
    """12,000 x 12,000 logits take 576 MB."""
    rows = 12_000
    user_RD, item_CD = torch.randn(rows, 4).requires_grad_(), torch.randn(rows, 4).requires_grad_()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    log_sum_exp(user_RD, item_CD, torch.zeros(rows), Pairs.none()).sum().backward()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # KiB


def asked_of(rows: int, columns: int) -> Pairs:
    """Some pairs of all rows but the last, some of them twice, in no order.

    The first row has pairs for certain.
    """
    generator = torch.Generator().manual_seed(rows * columns)
    row_P, column_P = (torch.randint(0, size, (50,), generator=generator) for size in (max(1, rows - 1), columns))
    row_P[7] = 0
    return Pairs(row_H=torch.cat([row_P, row_P[:9]]), column_H=torch.cat([column_P, column_P[:9]]))


@pytest.mark.parametrize("length", [0.5, 10.0], ids=["bounded", "unbounded"])
@pytest.mark.parametrize("weighted", [True, False], ids=["all rows weigh", "a row of weight 0"])
@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_logits_asked_for_and_their_gradients_are_those_of_the_plain_formula(
    rows: int, columns: int, weighted: bool, length: float
) -> None:
    """Hidden pairs, too, where they are asked for, and without a share in their sums."""
    *inputs, hidden_RC = (each.double() for each in world(rows, columns, length=length))
    user_RD, item_CD, offset_C = inputs
    hidden_RC = hidden_RC > 0
    hidden_RC[:, 0] = False
    asked = asked_of(rows, columns)
    weight_R, weight_P = torch.linspace(0.5, 2, rows).double(), torch.linspace(-1, 3, len(asked.row_H)).double()
    weight_R[0] *= weighted
    found = []
    for kind in ("tiled", "plain"):
        leaves = user_RD.clone().requires_grad_(), item_CD.clone().requires_grad_()
        if kind == "tiled":
            sum_R, logit_P = log_sum_exp_and_logits(
                *leaves, offset_C, pairs_of(hidden_RC), asked, precision=torch.float64
            )
        else:
            sum_R = plain(*leaves, offset_C, hidden_RC)
            logit_P = (leaves[0] @ leaves[1].T + offset_C)[asked.row_H, asked.column_H]
        ((sum_R * weight_R).sum() + (logit_P * weight_P).sum()).backward()
        found.append([sum_R, logit_P, *(leaf.grad for leaf in leaves)])
    for got, wanted in zip(*found, strict=True):
        assert torch.allclose(got, wanted, rtol=1e-8, atol=1e-8)


def test_logits_alone_have_their_gradients() -> None:
    user_RD, item_CD, offset_C, _ = world(4, 6)
    leaves = user_RD.clone().requires_grad_(), item_CD.clone().requires_grad_()
    asked = asked_of(4, 6)
    log_sum_exp_and_logits(*leaves, offset_C, Pairs.none(), asked)[1].sum().backward()
    counts_RC = torch.zeros(4, 6).index_put((asked.row_H, asked.column_H), torch.ones(59), accumulate=True)
    assert leaves[0].grad is not None and leaves[1].grad is not None
    assert torch.allclose(leaves[0].grad, counts_RC @ item_CD, atol=1e-5)
    assert torch.allclose(leaves[1].grad, counts_RC.T @ user_RD, atol=1e-5)


def test_pairs_asked_for_twice_give_the_same_gradients_every_time_with_several_threads() -> None:
    generator = torch.Generator().manual_seed(0)
    user_RD, item_CD = (torch.randn(n, 64, generator=generator) for n in (300, 5000))
    row_P, column_P = (torch.randint(0, 300, (200_000,), generator=generator) for _ in range(2))
    asked = Pairs(row_H=row_P, column_H=column_P)
    weight_P = torch.randn(200_000, generator=generator)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    found = []
    for _ in range(4):
        leaves = user_RD.clone().requires_grad_(), item_CD.clone().requires_grad_()
        sum_R, logit_P = log_sum_exp_and_logits(*leaves, torch.zeros(5000), Pairs.none(), asked)
        (sum_R.sum() + (logit_P * weight_P).sum()).backward()
        found.append([leaf.grad for leaf in leaves])
    torch.set_num_threads(before)
    for grads in found[1:]:
        assert all(torch.equal(*pair) for pair in zip(grads, found[0], strict=True))
