"""Samplers name each column's probability, so that samples stand for the corpus."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from training.losses import LOSSES, Candidates, Pairs
from training.recipes import Corpus, InBatch, Mixed, Popularity, Uniform
from training.recipes.sampling import Sampler
from training.sampling import Counted, Drawn, draw

ITEMS, BATCH, BATCHES = 24, 12, 2_000
SAMPLERS = [InBatch(), Uniform(number=7), Popularity(number=9, beta=0.75), Mixed(number=5), Corpus()]


def shares() -> Tensor:
    """From 0.26 down to 0.01; nobody ever took item 0."""
    share_N = 1 / torch.arange(ITEMS).float()
    share_N[0] = 0.0
    return share_N / share_N.sum()


def batch_and_draw(
    sampler: Sampler, batch: int, rng: torch.Generator, extra: int | None = None
) -> tuple[Tensor, Drawn]:
    """A batch's distinct items (and `extra` among them), and what is drawn besides."""
    item_B = torch.multinomial(shares(), batch, replacement=True, generator=rng)
    if extra is not None:
        item_B = torch.cat([item_B, torch.tensor([extra])])
    item_C = item_B.unique()
    return item_C, draw(sampler, item_C, batch, shares(), Counted(shares()), rng)


@cache
def drawn_often(sampler: Sampler) -> tuple[Tensor, Tensor, Tensor]:
    """Statistics of many batches.

    Returns:
        The share of batches in which each item is a negative column [N], the sampler's
            probability of that [N], and the corrected sums of exponentials [batches].
    """
    rng, logit_N = torch.Generator().manual_seed(0), logits()
    count_N, said_N, sums = torch.zeros(ITEMS), torch.full((ITEMS,), torch.nan), []
    for _ in range(BATCHES):
        item_C, drawn = batch_and_draw(sampler, BATCH, rng)
        columns_C = torch.cat([item_C, drawn.extra_E])[drawn.first_negative :]
        log_q_C = drawn.log_q[drawn.first_negative :]
        count_N[columns_C] += 1
        said_N[columns_C] = log_q_C.exp()
        sums.append((logit_N[columns_C] - log_q_C).exp().sum())
    return count_N / BATCHES, said_N, torch.stack(sums)


def logits() -> Tensor:
    return torch.linspace(1.0, -1.0, ITEMS)


def reached(sampler: Sampler) -> Tensor:
    """bool [N]: the items that the sampler can draw at all."""
    return (shares() > 0) | isinstance(sampler, Uniform | Mixed | Corpus)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_log_probability_is_that_of_being_a_column(sampler: Sampler) -> None:
    measured_N, said_N, _ = drawn_often(sampler)
    there_N = reached(sampler)
    assert (measured_N[~there_N] == 0).all()
    error_N = (said_N * (1 - said_N) / BATCHES).clamp_min(0).sqrt()
    assert ((measured_N - said_N).abs()[there_N] <= 4.5 * error_N[there_N] + 1e-6).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_corrected_sums_are_on_average_the_sum_over_the_corpus(sampler: Sampler) -> None:
    *_, sums = drawn_often(sampler)
    wanted = logits()[reached(sampler)].exp().sum()
    assert abs(sums.mean() - wanted) <= 4.5 * sums.std() / BATCHES**0.5 + 1e-3


def test_no_column_is_drawn_twice() -> None:
    rng = torch.Generator().manual_seed(1)
    for sampler in SAMPLERS:
        for _ in range(50):
            item_C, drawn = batch_and_draw(sampler, BATCH, rng)
            columns_C = torch.cat([item_C, drawn.extra_E])[drawn.first_negative :]
            assert len(columns_C.unique()) == len(columns_C)
            assert len(drawn.log_q) == len(item_C) + len(drawn.extra_E)


def test_wanting_more_items_than_there_are_takes_the_corpus() -> None:
    rng = torch.Generator().manual_seed(1)
    for sampler in (Uniform(number=10 * ITEMS), Mixed(number=10 * ITEMS)):
        item_C, drawn = batch_and_draw(sampler, BATCH, rng)
        columns_C = torch.cat([item_C, drawn.extra_E])[drawn.first_negative :]
        assert sorted(columns_C.tolist()) == list(range(ITEMS))
        assert torch.allclose(drawn.log_q, torch.zeros(len(drawn.log_q)), atol=1e-6)


def world() -> tuple[Tensor, Tensor, int]:
    """A user [1, D], all items [N, D], and the item that the user takes."""
    rng = torch.Generator().manual_seed(5)
    return 0.5 * torch.randn(1, 4, generator=rng), torch.randn(ITEMS, 4, generator=rng), 3


def sampled_gradient(sampler: Sampler, batch: int, rng: torch.Generator) -> Tensor:
    """Of the sampled softmax, at the user [D]."""
    user_1D, item_ND, taken = world()
    item_C, drawn = batch_and_draw(sampler, batch, rng, extra=taken)
    columns_C = torch.cat([item_C, drawn.extra_E])
    places = (columns_C == taken).nonzero().squeeze(1)
    user_1D.requires_grad_()
    c = Candidates(
        user_RD=user_1D, item_CD=item_ND[columns_C], row_P=torch.tensor([0]), column_P=places[:1],
        weight_P=torch.ones(1), log_q_C=drawn.log_q, first_negative=drawn.first_negative,
        hidden=Pairs(row_H=torch.zeros_like(places), column_H=places),
    )  # fmt: skip
    (gradient_1D,) = torch.autograd.grad(LOSSES["softmax"](c), user_1D)
    return gradient_1D[0]


def full_gradient(items_N: Tensor) -> Tensor:
    """Of the full softmax over some items, at the user [D]."""
    user_1D, item_ND, taken = world()
    user_1D.requires_grad_()
    logits_1N = (user_1D @ item_ND.T).masked_fill(~items_N, -torch.inf)
    (gradient_1D,) = torch.autograd.grad(F.cross_entropy(logits_1N, torch.tensor([taken])), user_1D)
    return gradient_1D[0]


@pytest.mark.parametrize("kind", [InBatch, Uniform, Popularity, Mixed])
def test_the_gradient_tends_to_that_of_the_full_softmax(kind: type) -> None:
    """The more is drawn, the nearer, and at last the same."""
    errors = []
    for size, trials in ((3, 100), (30, 100), (2_000, 1)):
        rng = torch.Generator().manual_seed(2)
        sampler = InBatch() if kind is InBatch else kind(number=size)
        wanted_D = full_gradient(reached(sampler))
        far = [(sampled_gradient(sampler, size, rng) - wanted_D).norm() for _ in range(trials)]
        errors.append(torch.stack(far).mean().item())
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] < 1e-4


@pytest.mark.parametrize("share", [1e-12, 1e-7, 0.3, 0.999, 1 - 1e-7, 1.0])
@pytest.mark.parametrize("interactions", [1, 1_000, 1_000_000])
def test_a_counted_frequency_is_a_log_probability_for_any_share(share: float, interactions: int) -> None:
    share_N = torch.tensor([share])
    exact_N = share_N.double()
    wanted_N = torch.log(-torch.expm1(interactions * torch.log1p(-exact_N)))
    got_N = Counted(share_N).log_inclusion(torch.tensor([0]), interactions)
    assert torch.allclose(got_N.double(), wanted_N, rtol=1e-5, atol=1e-6)
    assert got_N.item() <= 0


def test_an_item_without_interactions_is_in_no_batch() -> None:
    assert Counted(torch.tensor([0.0, 1.0])).log_inclusion(torch.tensor([0, 1]), 9).tolist() == [-torch.inf, 0.0]
