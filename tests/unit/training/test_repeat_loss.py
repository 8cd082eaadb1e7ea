"""The softmax over a history and a sampled rest, against its formula written out pair by pair."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from tests.unit.training.candidates_world import (
    COLUMNS,
    ROWS,
    candidates,
    logit,
    pairs_of,
    positives,
    unit,
    weighted_mean,
)
from training.losses import LOSSES, Candidates, Pairs, Repeats

softmax = LOSSES["softmax"]
ITEMS, PLACES = 15, 6
"""Items 0 to 10 are the columns; the last four are only in histories."""


def with_histories(seed: int = 0, **changes: object) -> Candidates:
    """Row 0 has no history; in the others some positives are, some places are empty, at odd places."""
    c = candidates(seed)
    generator = torch.Generator().manual_seed(seed + 100)
    place_RL = torch.stack([torch.randperm(ITEMS, generator=generator)[:PLACES] for _ in range(ROWS)])
    place_RL[torch.rand(ROWS, PLACES, generator=generator) < 0.2] = -1
    place_RL[0] = -1
    place_RL[3, 1] = c.column_P[c.row_P == 3][0]  # a positive of row 3
    place_RL[3] = torch.where((place_RL[3] == place_RL[3, 1]) & (torch.arange(PLACES) != 1), -1, place_RL[3])
    term_RL = torch.randn(ROWS, PLACES, generator=generator).masked_fill(place_RL < 0, -torch.inf)
    owned = [(row, item) for row in range(ROWS) for item in place_RL[row].tolist() if 0 <= item < COLUMNS]
    at = [place_RL[row].tolist().index(column) if column in place_RL[row] else -1 for row, column, _ in positives(c)]
    assert 0 < sum(each >= 0 for each in at) < len(at)
    history = Pairs(row_H=torch.tensor(owned)[:, 0], column_H=torch.tensor(owned)[:, 1])
    made = replace(
        c,
        hidden=c.hidden.and_also(history),
        repeats=Repeats(
            item_UD=unit(ITEMS, generator), place_RL=place_RL, term_RL=term_RL.requires_grad_(), at_P=torch.tensor(at)
        ),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def owned(c: Candidates, row: int) -> dict[int, float]:
    """s + r of every item of a row's history."""
    assert c.repeats is not None
    found = {}
    for item, term in zip(c.repeats.place_RL[row].tolist(), c.repeats.term_RL[row].tolist(), strict=True):
        if item >= 0:
            found[item] = float(c.scale * (c.user_RD[row] @ c.repeats.item_UD[item])) + term
    return found


def pair_by_pair(c: Candidates, hidden: Pairs) -> float:
    """−l_p + log(e^{l_p} + Σ_{h in H} e^{s_h + r_h} + Σ_{j not in H} e^{s_j − log q_j}), without other positives."""
    losses = []
    others = set(zip(hidden.row_H.tolist(), hidden.column_H.tolist(), strict=True))
    for row, column, _ in positives(c):
        history, mine = owned(c, row), {column for r, column, _ in positives(c) if r == row}
        outside = [n for n in range(COLUMNS) if n not in history and (row, n) not in others]
        total = sum(math.exp(score) for item, score in history.items() if item not in mine)
        total += sum(math.exp(logit(c, row, n) - float(c.log_q_C[n])) for n in outside)
        own = history[column] if column in history else logit(c, row, column) - float(c.log_q_C[column])
        losses.append(-own + math.log(math.exp(own) + total))
    return weighted_mean(c, losses)


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_is_its_formula(seed: int) -> None:
    c = with_histories(seed)
    assert softmax(c).item() == pytest.approx(pair_by_pair(c, candidates(seed).hidden), rel=1e-5)


def test_with_the_whole_corpus_as_columns_it_is_the_full_softmax() -> None:
    """Nothing is sampled, so r is all that tells a history from the rest; at r = 0 nothing does."""
    c = candidates(log_q_C=torch.zeros(COLUMNS))
    c = replace(c, hidden=Pairs(row_H=c.row_P, column_H=c.column_P))
    row_H, column_H = (torch.rand(ROWS, COLUMNS, generator=torch.Generator().manual_seed(1)) < 0.4).nonzero().T
    place_RL = torch.full((ROWS, COLUMNS), -1)
    place_RL[row_H, column_H] = column_H
    repeats = Repeats(
        item_UD=c.item_CD, place_RL=place_RL, term_RL=torch.zeros(ROWS, COLUMNS),
        at_P=place_RL[c.row_P, c.column_P],
    )  # fmt: skip
    split = replace(c, hidden=c.hidden.and_also(Pairs(row_H=row_H, column_H=column_H)), repeats=repeats)
    assert softmax(split).item() == pytest.approx(softmax(c).item(), rel=1e-6)


def test_gradients_are_those_of_finite_differences() -> None:
    c = with_histories(4, scale=torch.tensor(1.0))
    assert c.repeats is not None
    there_RL = c.repeats.place_RL >= 0
    repeats = c.repeats

    def value(user_RD: torch.Tensor, item_CD: torch.Tensor, item_UD: torch.Tensor, term: torch.Tensor) -> torch.Tensor:
        term_RL = torch.full(there_RL.shape, -torch.inf, dtype=torch.float64).masked_scatter(there_RL, term)
        return softmax(
            replace(
                c, user_RD=user_RD, item_CD=item_CD, log_q_C=c.log_q_C.double(), precision=torch.float64,
                repeats=replace(repeats, item_UD=item_UD, term_RL=term_RL),
            )
        )  # fmt: skip

    given = (c.user_RD, c.item_CD, repeats.item_UD, repeats.term_RL[there_RL])
    inputs = tuple(each.detach().double().requires_grad_() for each in given)
    assert torch.autograd.gradcheck(value, inputs, eps=1e-6, atol=1e-6)


def test_a_row_without_history_or_negatives_has_no_gradient_and_no_nan() -> None:
    everything = pairs_of(torch.ones(ROWS, COLUMNS))
    c = with_histories(hidden=everything)
    assert c.repeats is not None
    softmax(c).backward()
    for each in (c.user_RD, c.item_CD, c.repeats.item_UD, c.repeats.term_RL):
        assert each.grad is not None
        assert each.grad.isfinite().all()
    assert c.user_RD.grad is not None
    assert (c.user_RD.grad[0] == 0).all()


def test_a_prefix_ranks_histories_by_the_prefix_too() -> None:
    c = with_histories()
    short = c.cut(2, unit=True)
    assert short.repeats is not None
    assert torch.allclose(short.repeats.item_UD.norm(dim=1), torch.ones(ITEMS))
    assert softmax(short).item() == pytest.approx(pair_by_pair(short, candidates().hidden), rel=1e-5)
