"""Negatives of a batch and the probability of each to be a column.

Legend: C distinct items of the batch's interactions, E further items, N items of the
corpus.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from training.recipes.sampling import Corpus, InBatch, Mixed, Popularity, Sampler, Uniform
from training.sampling.item_frequency import Frequency


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """Columns of a batch: its own items, then the further ones."""

    extra_E: Tensor
    """Further items, each once."""
    log_q: Tensor
    """Log-probability of each column to be drawn, [C + E]."""
    first_negative: int
    """First column that serves as a negative; those before are only positives."""


def draw(
    sampler: Sampler, item_C: Tensor, interactions: int, share_N: Tensor, frequency: Frequency, rng: torch.Generator
) -> Drawn:
    """Negatives of one batch.

    Log-probabilities are those of being among the distinct columns: 1 − (1 − q)^n for n
    independent draws, n / N for draws without replacement, a + (1 − a)·b for both.

    Args:
        sampler: declared source.
        item_C: distinct items of the batch's interactions.
        interactions: number of interactions in the batch.
        share_N: each item's share of the training interactions.
        frequency: probability of an item to be in a batch.
        rng: generator of the CPU, whatever the device of item_C.

    Returns:
        The drawn items and log q of all columns.
    """
    items, device = len(share_N), item_C.device
    match sampler:
        case InBatch():
            return Drawn(extra_E=item_C[:0], log_q=frequency.log_inclusion(item_C, interactions), first_negative=0)
        case Uniform(number=number):
            # Positives get the constant as well, so it cancels in a softmax; losses
            # that take the positive for no draw need it, to estimate the sum over the
            # corpus.
            extra_E = torch.randperm(items, generator=rng)[:number].to(device)
            log_q = torch.full((len(item_C) + len(extra_E),), math.log(len(extra_E) / items), device=device)
            return Drawn(extra_E=extra_E, log_q=log_q, first_negative=len(item_C))
        case Popularity(number=number, beta=beta):
            # 0^0 = 1: at β = 0 items that never sold would be drawn like all others.
            weight_N = torch.where(share_N > 0, share_N.pow(beta), 0.0)
            extra_E = torch.multinomial(weight_N.cpu(), number, replacement=True, generator=rng).unique().to(device)
            once = (weight_N / weight_N.sum())[torch.cat([item_C, extra_E])]
            return Drawn(
                extra_E=extra_E, log_q=torch.log(-torch.expm1(number * torch.log1p(-once))), first_negative=len(item_C)
            )
        case Mixed(number=number):
            drawn = torch.randperm(items, generator=rng)[:number].to(device)
            # An item is one column, drawn or not: log q below is that of being either.
            extra_E = drawn[~torch.isin(drawn, item_C)]
            in_batch = frequency.log_inclusion(torch.cat([item_C, extra_E]), interactions).exp()
            log_q = torch.log(in_batch + (1 - in_batch) * (len(drawn) / items))
            return Drawn(extra_E=extra_E, log_q=log_q, first_negative=0)
        case Corpus():
            rest_N = torch.ones(items, dtype=torch.bool, device=device)
            rest_N[item_C] = False
            return Drawn(extra_E=rest_N.nonzero().squeeze(1), log_q=torch.zeros(items, device=device), first_negative=0)
