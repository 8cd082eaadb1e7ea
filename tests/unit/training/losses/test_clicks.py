"""Loss of clicks against PyTorch's cross-entropy and the marginal likelihood of a mixture."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from training.losses.clicks import click_loss

S, L, K = 7, 5, 3


def world(components: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, shares, clicks and weights; the last answers are shorter."""
    draw = torch.Generator().manual_seed(0)
    logit_KSL = torch.randn(components, S, L, generator=draw).requires_grad_()
    share_K = torch.randn(components, generator=draw).log_softmax(0).requires_grad_()
    click_SL = (torch.rand(S, L, generator=draw) < 0.4).float()
    weight_SL = torch.rand(S, L, generator=draw) + 0.5
    weight_SL[-2:, 3:] = 0
    return logit_KSL, share_K, click_SL, weight_SL


def loss(logit_KSL: torch.Tensor, share_K: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
    return click_loss(F.logsigmoid(logit_KSL), F.logsigmoid(-logit_KSL), share_K, *others)


def test_one_component_is_the_weighted_cross_entropy() -> None:
    logit_KSL, _, click_SL, weight_SL = world()
    wanted = F.binary_cross_entropy_with_logits(logit_KSL[0], click_SL, weight=weight_SL, reduction="sum")
    torch.testing.assert_close(loss(logit_KSL, torch.zeros(1), click_SL, weight_SL), wanted / weight_SL.sum())


def test_a_mixture_has_its_marginal_likelihood_and_the_gradient_of_a_step_of_em() -> None:
    logit_KSL, share_K, click_SL, weight_SL = world(K)
    value = loss(logit_KSL, share_K, click_SL, weight_SL)
    got = torch.autograd.grad(value, (logit_KSL, share_K))
    bernoulli = torch.distributions.Bernoulli(logits=logit_KSL)
    joint_KS = (weight_SL * bernoulli.log_prob(click_SL.expand(K, S, L))).sum(-1) + share_K.unsqueeze(1)
    torch.testing.assert_close(value, -joint_KS.exp().sum(0).log().sum() / weight_SL.sum())
    posterior_KS = (joint_KS.exp() / joint_KS.exp().sum(0)).detach()
    wanted = torch.autograd.grad(-(posterior_KS * joint_KS).sum() / weight_SL.sum(), (logit_KSL, share_K))
    for mine, exact in zip(got, wanted, strict=True):
        torch.testing.assert_close(mine, exact)


def test_columns_without_an_item_say_nothing_whatever_they_hold() -> None:
    logit_KSL, share_K, click_SL, weight_SL = world(K)
    before = loss(logit_KSL, share_K, click_SL, weight_SL)
    other_KSL = logit_KSL.detach().clone()
    other_KSL[:, -2:, 3:] = torch.nan
    other_KSL.requires_grad_()
    after = loss(other_KSL, share_K, click_SL, weight_SL)
    torch.testing.assert_close(after, before)
    (gradient_KSL,) = torch.autograd.grad(after, other_KSL)
    assert torch.isfinite(gradient_KSL[:, :-2]).all()
