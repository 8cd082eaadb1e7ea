"""Negatives of a batch: which items, and with what probability each came to be a column.

Legend: C distinct items of the batch's interactions, E further items, N items of the corpus.
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
    """The columns of a batch are its own items, then these.

    extra_E: further items, none twice. log_q: log-probability of each column [C + E] to be drawn. first_negative: the
    columns from here on are negatives; those before are only positives.
    """

    extra_E: Tensor
    log_q: Tensor
    first_negative: int


def draw(
    sampler: Sampler, item_C: Tensor, interactions: int, share_N: Tensor, frequency: Frequency, rng: torch.Generator
) -> Drawn:
    """What the sampler draws for a batch.

    share_N: each item's share of the training interactions. rng: a generator of the CPU, whatever the device of item_C.
    Log-probabilities are those of being among the distinct
    columns: with independent draws 1 − (1 − q)^n, without replacement n / N, by either way a + (1 − a)·b.
    """
    items, device = len(share_N), item_C.device
    match sampler:
        case InBatch():
            return Drawn(extra_E=item_C[:0], log_q=frequency.log_inclusion(item_C, interactions), first_negative=0)
        case Uniform(number=number):
            extra_E = torch.randperm(items, generator=rng)[:number].to(device)
            log_q = torch.full((len(item_C) + len(extra_E),), math.log(len(extra_E) / items), device=device)
            return Drawn(extra_E=extra_E, log_q=log_q, first_negative=len(item_C))
        case Popularity(number=number, beta=beta):
            weight_N = torch.where(share_N > 0, share_N.pow(beta), 0.0)
            extra_E = torch.multinomial(weight_N.cpu(), number, replacement=True, generator=rng).unique().to(device)
            once = (weight_N / weight_N.sum())[torch.cat([item_C, extra_E])]
            return Drawn(
                extra_E=extra_E, log_q=torch.log(-torch.expm1(number * torch.log1p(-once))), first_negative=len(item_C)
            )
        case Mixed(number=number):
            drawn = torch.randperm(items, generator=rng)[:number].to(device)
            extra_E = drawn[~torch.isin(drawn, item_C)]
            in_batch = frequency.log_inclusion(torch.cat([item_C, extra_E]), interactions).exp()
            log_q = torch.log(in_batch + (1 - in_batch) * (len(drawn) / items))
            return Drawn(extra_E=extra_E, log_q=log_q, first_negative=0)
        case Corpus():
            rest_N = torch.ones(items, dtype=torch.bool, device=device)
            rest_N[item_C] = False
            return Drawn(extra_E=rest_N.nonzero().squeeze(1), log_q=torch.zeros(items, device=device), first_negative=0)
