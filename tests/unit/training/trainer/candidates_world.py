"""Small random candidates, those that a builder makes of a batch, and logits pair by pair."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import torch
from torch.nn import functional as F

from training.data.training_set import Batch
from training.losses import Candidates, Pairs
from training.towers import TwoTower
from training.trainer.candidates import CandidateBuilder, Columns

ROWS, COLUMNS, DIM = 7, 11, 5
TEMPERATURE = 0.2


def candidates(seed: int = 0, *, temperature: float = TEMPERATURE, **changes: object) -> Candidates:
    """Random candidates of unit vectors; each row has one to four positives.

    Some further pairs are hidden; weights and log-probabilities are random.
    """
    generator = torch.Generator().manual_seed(seed)
    positives_RC = torch.rand(ROWS, COLUMNS, generator=generator) < 0.2
    positives_RC[torch.arange(ROWS), torch.arange(ROWS)] = True
    hidden_RC = positives_RC | (torch.rand(ROWS, COLUMNS, generator=generator) < 0.1)
    row_P, column_P = positives_RC.nonzero(as_tuple=True)
    made = Candidates(
        user_RD=unit(ROWS, generator),
        item_CD=unit(COLUMNS, generator),
        row_P=row_P,
        column_P=column_P,
        weight_P=torch.rand(len(row_P), generator=generator) + 0.5,
        log_q_C=torch.log(torch.rand(COLUMNS, generator=generator) * 0.9 + 0.05),
        hidden=pairs_of(hidden_RC),
        scale=torch.tensor(1 / temperature),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def built(builder: CandidateBuilder, model: TwoTower, batch: Batch) -> tuple[Columns, Candidates]:
    """Candidates of a batch, and the columns that they were built from."""
    columns = builder.columns(batch)
    with patch.object(builder, "columns", return_value=columns):
        return columns, builder.build(model, batch, lambda tower, features: tower(features))


def pairs_of(hidden_RC: torch.Tensor) -> Pairs:
    row_H, column_H = hidden_RC.nonzero(as_tuple=True)
    return Pairs(row_H=row_H, column_H=column_H)


def unit(rows: int, generator: torch.Generator) -> torch.Tensor:
    return F.normalize(torch.randn(rows, DIM, generator=generator), dim=1).requires_grad_()


def logit(c: Candidates, row: int, column: int) -> float:
    """scale · <u, v> + shift."""
    return (c.scale * (c.user_RD[row] * c.item_CD[column]).sum() + c.shift).item()


def negatives(c: Candidates, row: int) -> list[int]:
    """The columns that are negatives of a row."""
    hidden = set(zip(c.hidden.row_H.tolist(), c.hidden.column_H.tolist(), strict=True))
    stop = len(c.item_CD) if c.last_negative is None else c.last_negative
    return [column for column in range(c.first_negative, stop) if (row, column) not in hidden]


def hard(c: Candidates, row: int) -> list[int]:
    return [] if c.hard_RH is None else [column for column in c.hard_RH[row].tolist() if column >= 0]


def positives(c: Candidates) -> list[tuple[int, int, float]]:
    return list(zip(c.row_P.tolist(), c.column_P.tolist(), c.weight_P.tolist(), strict=True))


def weighted_mean(c: Candidates, losses: list[float]) -> float:
    weights = c.weight_P.tolist()
    return sum(weight * loss for weight, loss in zip(weights, losses, strict=True)) / sum(weights)
