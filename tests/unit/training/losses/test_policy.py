"""The policy gradient against its formula, and against the return that it must raise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.unit.training.trainer.candidates_world import candidates, negatives, pairs_of
from training.losses import Candidates, Pairs
from training.losses.policy import log_policy, policy_gradient, policy_weights
from training.losses.softmax import softmax

STATES, ITEMS = 3, 6
EVERYTHING = 1e12
"""A cap that nothing reaches."""


def loss_of(
    c: Candidates, log_behaviour_P: Tensor, return_P: Tensor, *, k: int = 1, cap: float = EVERYTHING, own: bool = False
) -> Tensor:
    weights = policy_weights(c, log_behaviour_P, k=k, cap=cap)
    return policy_gradient(c, weights, return_P, self_normalised=own)


def written_out(c: Candidates, behaviour_P: Tensor, return_P: Tensor, *, k: int, cap: float, own: bool) -> Tensor:
    """The formula of the paper, pair by pair, without a kernel."""
    logits_RC = c.scale * c.user_RD @ c.item_CD.T + c.shift
    pairs = list(zip(c.row_P.tolist(), c.column_P.tolist(), strict=True))
    terms, total = [], torch.tensor(0.0, dtype=torch.float64)
    for place, (row, column) in enumerate(pairs):
        sampled = sum(torch.exp(logits_RC[row, n] - c.log_q_C[n]) for n in negatives(c, row))
        taken = sum(torch.exp(logits_RC[row, each]) for other, each in pairs if other == row)
        policy = torch.exp(logits_RC[row, column]) / (sampled + taken)
        ratio = min(policy.item() / behaviour_P[place].item(), cap)
        top_k = k * (1 - policy.item()) ** (k - 1)
        terms.append(c.weight_P[place] * ratio * top_k * return_P[place] * torch.log(policy))
        total = total + c.weight_P[place] * (ratio if own else 1.0)
    return -torch.stack(terms).sum() / total


def doubled(**changes: object) -> Candidates:
    c = candidates(5, temperature=0.7)
    user_RD, item_CD = (each.detach().double().requires_grad_() for each in (c.user_RD, c.item_CD))
    doubles = {"log_q_C": c.log_q_C.double(), "weight_P": c.weight_P.double(), "precision": torch.float64}
    return replace(c, user_RD=user_RD, item_CD=item_CD, **doubles, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{}, {"first_negative": 4}, {"shift": torch.tensor(0.6)}], ids=str)
@pytest.mark.parametrize(("k", "cap", "own"), [(1, EVERYTHING, False), (4, EVERYTHING, True), (3, 0.8, False)])
def test_value_and_gradients_are_those_of_the_formula(changes: dict, k: int, cap: float, own: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    c, twin = doubled(**changes), doubled(**changes)
    behaviour_P, return_P = torch.rand(2, len(c.row_P), generator=generator, dtype=torch.float64) + 0.05
    loss = loss_of(c, behaviour_P.log(), return_P, k=k, cap=cap, own=own)
    wanted = written_out(twin, behaviour_P, return_P, k=k, cap=cap, own=own)
    loss.backward()
    wanted.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-9)
    assert torch.allclose(c.user_RD.grad, twin.user_RD.grad, atol=1e-9)  # type: ignore[arg-type]
    assert torch.allclose(c.item_CD.grad, twin.item_CD.grad, atol=1e-9)  # type: ignore[arg-type]


def world(*, apart: bool) -> tuple[Candidates, Tensor, Tensor]:
    """All actions of all states, each weighted by its probability to be logged; with it β and R [S, N].

    Args:
        apart: whether each action is a row of its own.
    """
    generator = torch.Generator().manual_seed(3)
    user_SD, item_ND = torch.randn(STATES, 4, generator=generator), torch.randn(ITEMS, 4, generator=generator)
    behaviour_SN = torch.softmax(1.5 * torch.randn(STATES, ITEMS, generator=generator), dim=1)
    return_SN = torch.rand(STATES, ITEMS, generator=generator)
    state_P, item_P = torch.ones(STATES, ITEMS).nonzero(as_tuple=True)
    row_P = torch.arange(len(state_P)) if apart else state_P
    users = user_SD[state_P] if apart else user_SD
    c = Candidates(
        user_RD=users.double().requires_grad_(), item_CD=item_ND.double().requires_grad_(), row_P=row_P,
        column_P=item_P, weight_P=behaviour_SN.flatten().double(), log_q_C=torch.zeros(ITEMS, dtype=torch.float64),
        hidden=Pairs(row_H=row_P, column_H=item_P), precision=torch.float64,
    )  # fmt: skip
    return c, behaviour_SN.double(), return_SN.double()


@pytest.mark.parametrize("apart", [True, False], ids=["one action a row", "all actions of a row"])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_with_full_support_the_expected_gradient_is_that_of_the_list_s_return(k: int, apart: bool) -> None:
    """The return of K independent draws of the policy: Σ_a (1 − (1 − π_a)^K) R_a, on-policy and exact."""
    c, behaviour_SN, return_SN = world(apart=apart)
    loss_of(c, behaviour_SN.log().flatten(), return_SN.flatten(), k=k).backward()
    user_SD, item_ND = c.user_RD.detach()[:: ITEMS if apart else 1], c.item_CD.detach().clone().requires_grad_()
    policy_SN = torch.softmax(user_SD @ item_ND.T, dim=1)
    # The weights of a state sum to 1: the loss is the mean over states.
    return_of_list = ((1 - (1 - policy_SN) ** k) * return_SN).sum() / STATES
    (-return_of_list).backward()
    assert torch.allclose(c.item_CD.grad, item_ND.grad, atol=1e-10)  # type: ignore[arg-type]


def test_uncorrected_the_gradient_is_another() -> None:
    """What the correction is for: the log's own gradient raises what was logged often."""
    c, behaviour_SN, return_SN = world(apart=True)
    loss_of(c, behaviour_SN.log().flatten(), return_SN.flatten()).backward()
    uncorrected, _, _ = world(apart=True)
    softmax(replace(uncorrected, weight_P=uncorrected.weight_P * return_SN.flatten())).backward()
    angle = torch.cosine_similarity(c.item_CD.grad.flatten(), uncorrected.item_CD.grad.flatten(), dim=0)  # type: ignore[union-attr]
    assert angle < 0.8


def test_on_policy_with_one_item_it_is_weighted_cross_entropy() -> None:
    c, _, return_SN = world(apart=True)
    loss_of(c, log_policy(c).detach(), return_SN.flatten()).backward()
    twin, _, _ = world(apart=True)
    weighted = replace(twin, weight_P=twin.weight_P * return_SN.flatten())
    (softmax(weighted) * weighted.weight_P.sum() / twin.weight_P.sum()).backward()
    assert torch.allclose(c.item_CD.grad, twin.item_CD.grad, atol=1e-12)  # type: ignore[arg-type]


@pytest.mark.parametrize("log_behaviour", [-5.0, -1e4])
def test_no_ratio_exceeds_the_cap_and_none_overflows(log_behaviour: float) -> None:
    c = candidates()
    log_behaviour_P = torch.full((len(c.row_P),), log_behaviour)
    weights = policy_weights(c, log_behaviour_P, k=1, cap=2.0)
    assert weights.ratio_P.max() == pytest.approx(2.0)
    assert policy_weights(c, torch.zeros(len(c.row_P)), k=1, cap=2.0).ratio_P.max() <= 1.0
    policy_gradient(c, weights, torch.ones(len(c.row_P)), self_normalised=False).backward()
    assert torch.isfinite(c.user_RD.grad).all()  # type: ignore[arg-type]


def test_an_item_that_is_sure_to_be_shown_already_moves_no_list() -> None:
    """λ_K falls from K to 0 as π rises; for a single item it is 1."""
    c = candidates(temperature=0.02)
    policy_P = log_policy(c).exp()
    assert policy_P.min() < 0.01 and policy_P.max() > 0.9
    several, single = (policy_weights(c, torch.zeros(len(c.row_P)), k=k, cap=1.0).top_k_P for k in (10, 1))
    assert several[policy_P.argmin()] > 9 and several[policy_P.argmax()] < 1e-6
    assert (single == 1).all()


def test_actions_without_a_return_leave_no_gradient() -> None:
    c = candidates()
    loss_of(c, torch.full((len(c.row_P),), -2.0), torch.zeros(len(c.row_P))).backward()
    assert not c.user_RD.grad.any() and not c.item_CD.grad.any()  # type: ignore[union-attr]


def test_a_policy_sums_to_one() -> None:
    every_RC = torch.ones(7, 11, dtype=torch.bool)
    row_P, column_P = every_RC.nonzero(as_tuple=True)
    c = candidates(row_P=row_P, column_P=column_P, weight_P=torch.ones(len(row_P)), hidden=pairs_of(every_RC))
    assert torch.allclose(log_policy(c).exp().reshape(7, 11).sum(dim=1), torch.ones(7))
