"""Softmax over a history and a sampled rest, against its formula by pair."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from tests.unit.training.trainer.candidates_world import COLUMNS, ROWS, candidates, logit, pairs_of, positives
from training.losses import LOSSES, Candidates, Pairs, Repeats
from training.losses.repeat_softmax import repeat_softmax

softmax = LOSSES["softmax"]
ITEMS, PLACES = 15, 6
"""Items 0 to 10 are the columns; the last four are only in histories."""


def with_histories(seed: int = 0, **changes: object) -> tuple[Candidates, Repeats, torch.Tensor]:
    """Candidates, repeats and the item at each history position.

    Row 0 has no history. In the others some positives are in the history, some
    positions are empty, and some further items are taken again.
    """
    c = replace(candidates(seed), **changes)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(seed + 100)
    place_RL = torch.stack([torch.randperm(ITEMS, generator=generator)[:PLACES] for _ in range(ROWS)])
    place_RL[torch.rand(ROWS, PLACES, generator=generator) < 0.2] = -1
    place_RL[0] = -1
    place_RL[3, 1] = c.column_P[c.row_P == 3][0]  # a positive of row 3
    place_RL[3] = torch.where((place_RL[3] == place_RL[3, 1]) & (torch.arange(PLACES) != 1), -1, place_RL[3])
    owned = [(row, item) for row in range(ROWS) for item in place_RL[row].tolist() if 0 <= item < COLUMNS]
    history = Pairs(row_H=torch.tensor(owned)[:, 0], column_H=torch.tensor(owned)[:, 1])
    c = replace(c, history=history)
    logit_RL = (3 * torch.randn(ROWS, PLACES, generator=generator)).masked_fill(place_RL < 0, -torch.inf)
    taken = torch.zeros(ROWS, ITEMS, dtype=torch.bool)
    taken[c.row_P, c.column_P] = True
    label_RL = taken.gather(1, place_RL.clamp_min(0)) | (torch.rand(ROWS, PLACES, generator=generator) < 0.3)
    repeats = Repeats(
        logit_RL=logit_RL.requires_grad_(),
        label_RL=label_RL & (place_RL >= 0),
        outside_R=c.outside_log_sum_exp(c.log_q_C).detach(),
        row_P=c.row_P,
        logit_P=(c.positive_P - c.log_q_C[c.column_P]).detach(),
        inside_P=c.repeats_P,
        weight_P=torch.rand(len(c.row_P), generator=generator) + 0.5,
    )
    assert 0 < int(c.repeats_P.sum()) < len(c.row_P)
    return c, repeats, place_RL


def pair_by_pair(c: Candidates, repeats: Repeats, place_RL: torch.Tensor) -> float:
    """Loss by its formula.

    A positive outside the history costs −l_p + log(e^{l_p} + Z), one inside the mean of
    that over all items taken again, with

        Z = Σ_{h in H, not again} e^{s_h + r_h} + Σ_{j not in H, not hidden} e^{s_j − log q_j}.
    """
    losses = []
    hidden = set(zip(c.hidden.row_H.tolist(), c.hidden.column_H.tolist(), strict=True))
    for row, column, _ in positives(c):
        places = [place for place in range(PLACES) if place_RL[row, place] >= 0]
        scores = {place: repeats.logit_RL[row, place].item() for place in places}
        again = [place for place in places if repeats.label_RL[row, place]]
        own = {int(place_RL[row, place]) for place in places}
        total = sum(math.exp(score) for place, score in scores.items() if place not in again)
        outside = [n for n in range(COLUMNS) if n not in own and (row, n) not in hidden]
        total += sum(math.exp(logit(c, row, n) - float(c.log_q_C[n])) for n in outside)
        if column in own:
            losses.append(sum(math.log(math.exp(scores[p]) + total) - scores[p] for p in again) / len(again))
        else:
            score = logit(c, row, column) - float(c.log_q_C[column])
            losses.append(math.log(math.exp(score) + total) - score)
    weights = repeats.weight_P.tolist()
    return sum(w * loss for w, loss in zip(weights, losses, strict=True)) / sum(weights)


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_is_its_formula(seed: int) -> None:
    c, repeats, place_RL = with_histories(seed)
    assert repeat_softmax(repeats).item() == pytest.approx(pair_by_pair(c, repeats, place_RL), rel=1e-5)


def test_with_the_whole_corpus_as_columns_it_is_the_full_softmax() -> None:
    """Without sampling only r separates a history from the rest."""
    ones = torch.ones(len(candidates().row_P))
    c = candidates(log_q_C=torch.zeros(COLUMNS), weight_P=ones)
    c = replace(c, hidden=Pairs(row_H=c.row_P, column_H=c.column_P))
    owned_RC = torch.rand(ROWS, COLUMNS, generator=torch.Generator().manual_seed(1)) < 0.4
    logit_RC = (c.scale * c.user_RD @ c.item_CD.T).detach()
    taken_RC = torch.zeros(ROWS, COLUMNS, dtype=torch.bool)
    taken_RC[c.row_P, c.column_P] = True
    split = replace(c, history=pairs_of(owned_RC.float()))
    repeats = Repeats(
        logit_RL=logit_RC.masked_fill(~owned_RC, -torch.inf),
        label_RL=owned_RC & taken_RC,
        outside_R=split.outside_log_sum_exp(c.log_q_C).detach(),
        row_P=c.row_P,
        logit_P=c.positive_P.detach(),
        inside_P=split.repeats_P,
        weight_P=ones,
    )
    assert repeat_softmax(repeats).item() == pytest.approx(softmax(c).item(), rel=1e-6)


def test_gradients_are_those_of_finite_differences() -> None:
    _, repeats, place_RL = with_histories(4, scale=torch.tensor(1.0))
    there_RL = place_RL >= 0

    def value(logits: torch.Tensor) -> torch.Tensor:
        logit_RL = torch.full(there_RL.shape, -torch.inf, dtype=torch.float64).masked_scatter(there_RL, logits)
        return repeat_softmax(replace(repeats, logit_RL=logit_RL))

    assert torch.autograd.gradcheck(value, (repeats.logit_RL[there_RL].detach().double().requires_grad_(),))


def test_a_row_without_history_or_negatives_has_no_gradient_and_no_nan() -> None:
    _, repeats, place_RL = with_histories(hidden=pairs_of(torch.ones(ROWS, COLUMNS)))
    repeat_softmax(repeats).backward()
    assert repeats.logit_RL.grad is not None
    assert repeats.logit_RL.grad.isfinite().all()
    assert (repeats.logit_RL.grad[place_RL < 0] == 0).all()
