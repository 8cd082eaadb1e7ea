"""The one-pass log-sum-exp has the numbers of the two-pass one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.unit.training.trainer.candidates_world import candidates
from training.losses import LOSSES, Pairs, log_sum_exp
from training.losses.kernels import one_pass
from training.losses.kernels.one_pass import Expected, fits, log_sum_exp_in_one_pass, log_sums_exp_in_one_pass

R, C, D = 37, 53, 6


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every pass over the tiles."""
    seen: list[int] = []
    run = one_pass._pass
    monkeypatch.setattr(one_pass, "_pass", lambda *given: seen.append(1) or run(*given))
    return seen


def compared(scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor, Pairs]:
    """Rows 0 to 2 have everything hidden, the last row nothing."""
    generator = torch.Generator().manual_seed(0)
    user_RD, item_CD, offset_C = (
        torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((R, D), (C, D), (C,))
    )
    hidden_RC = torch.rand(R, C, generator=generator) < 0.2
    hidden_RC[:3], hidden_RC[-1] = True, False
    row_H, column_H = hidden_RC.nonzero(as_tuple=True)
    return scale * user_RD, item_CD, offset_C, Pairs(row_H=row_H, column_H=column_H)


def gradients(value: Callable[[Tensor, Tensor], Tensor], user_RD: Tensor, item_CD: Tensor) -> list[Tensor]:
    user_RD, item_CD = user_RD.clone().requires_grad_(), item_CD.clone().requires_grad_()
    result_R = value(user_RD, item_CD)
    kept_R = result_R > -torch.inf
    weight_R = torch.linspace(1, 2, R, dtype=torch.float64)
    (result_R[kept_R] * weight_R[kept_R]).sum().backward()
    assert user_RD.grad is not None and item_CD.grad is not None
    return [result_R.detach(), user_RD.grad, item_CD.grad]


@pytest.mark.parametrize("scale", [1.0, 500.0], ids=["bounded", "unbounded"])
@pytest.mark.parametrize("cells", [1 << 21, 5 * C], ids=["one tile", "rows in several tiles"])
def test_the_expected_gradient_takes_one_pass(
    scale: float, cells: int, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to a factor, as the mean over a batch has."""
    monkeypatch.setattr(one_pass, "CELLS_PER_BLOCK", cells)
    assert_both_give_the_same(scale, 3 * torch.linspace(1, 2, R, dtype=torch.float64))
    assert len(passes) == 1


@pytest.mark.parametrize("scale", [1.0, 500.0], ids=["bounded", "unbounded"])
def test_another_gradient_takes_two(scale: float, passes: list[int]) -> None:
    assert_both_give_the_same(scale, torch.ones(R, dtype=torch.float64))
    assert len(passes) == 2


def test_a_gradient_that_was_not_expected_is_right_too() -> None:
    """Nothing was expected, for one."""
    assert_both_give_the_same(1.0, torch.ones(R, dtype=torch.float64))
    assert_both_give_the_same(1.0, torch.zeros(R, dtype=torch.float64))


def assert_both_give_the_same(scale: float, weight_R: Tensor) -> None:
    """Values and gradients of both functions, where so much is expected of each row."""
    user_RD, item_CD, offset_C, hidden = compared(scale)
    weight_R[:3] = 0
    expected = Expected(row_P=torch.arange(R), weight_P=weight_R, logit_P=None)
    wide = torch.float64
    found = gradients(
        lambda u, v: log_sum_exp_in_one_pass(u, v, offset_C, hidden, expected, precision=wide), user_RD, item_CD
    )
    wanted = gradients(lambda u, v: log_sum_exp(u, v, offset_C, hidden, precision=wide), user_RD, item_CD)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 500.0], ids=["bounded", "unbounded"])
@pytest.mark.parametrize("cells", [1 << 21, 5 * C], ids=["one tile", "rows in several tiles"])
@pytest.mark.parametrize("came", [1.0, -2.0], ids=["expected", "another"])
def test_two_sums_are_those_of_two_calls(
    scale: float, cells: int, came: float, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one pass where both gradients come as expected."""
    monkeypatch.setattr(one_pass, "CELLS_PER_BLOCK", cells)
    assert_two_sums_are_those_of_two_calls(scale, came)
    assert len(passes) == (1 if came == 1.0 else 2)


def assert_two_sums_are_those_of_two_calls(scale: float, came: float) -> None:
    """A pair of the history may be hidden, and may come twice. came: gradient of the second sum over the expected."""
    user_RD, item_CD, offset_C, hidden = compared(scale)
    row_H = torch.arange(R).repeat_interleave(4)
    history = Pairs(row_H=row_H, column_H=(5 * row_H + torch.arange(4 * R) // 3) % C)
    first_R, second_R = torch.linspace(1, 2, R, dtype=torch.float64), torch.linspace(3, 1, R, dtype=torch.float64)
    first_R[:3] = second_R[:3] = 0.0
    rows = torch.arange(R)
    expected = (
        Expected(row_P=rows, weight_P=first_R, logit_P=None),
        Expected(row_P=rows, weight_P=second_R, logit_P=None),
    )

    def weighted(all_R: Tensor, outside_R: Tensor) -> Tensor:
        return (3 * first_R * all_R + 3 * came * second_R * outside_R)[3:].sum()

    found, wanted = ([each.clone().requires_grad_() for each in (user_RD, item_CD)] for _ in range(2))
    wide = torch.float64
    sums = log_sums_exp_in_one_pass(*found, offset_C, hidden, history, expected, precision=wide)
    apart = (log_sum_exp(*wanted, offset_C, each, precision=wide) for each in (hidden, hidden.and_also(history)))
    weighted(*sums).backward()
    weighted(*apart).backward()
    for one, other in zip(found, wanted, strict=True):
        assert one.grad is not None and other.grad is not None
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("strata", [False, True])
@pytest.mark.parametrize("name", ["softmax", "info_nce", "refined_softmax"])
def test_losses_expect_the_gradient_that_comes(name: str, strata: bool, passes: list[int]) -> None:
    """Otherwise every step would pay for both."""
    c = candidates(1)
    if strata:
        c = replace(c, history=Pairs(row_H=c.row_P[::2], column_H=c.column_P[::2]))
    LOSSES[name](c).backward()
    assert len(passes) == 1


def test_sizes_that_fit() -> None:
    assert fits(4096, 4096) and fits(46, 3043) and fits(8192, 8192)
    assert not fits(256, 40_000)
