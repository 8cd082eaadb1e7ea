"""Hard negatives beside other columns: each row's own, and nobody else's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from tests.unit.training.trainer.candidates_world import built
from tests.unit.training.trainer.trainer_world import CONFIG, small_data, small_model
from training.data.training_set import TrainingSet
from training.losses import LOSSES, Candidates
from training.recipes import HardNegatives, Negatives, TrainConfig, Uniform
from training.trainer.candidates import CandidateBuilder, Columns

HARD = replace(CONFIG, negatives=Negatives(hard=HardNegatives(number=1, first=1, last=2)), strata=False)
ITEMS = 6


def compared(
    data: TrainingSet, config: TrainConfig, mined: dict[int, int], batches: list[list[int]]
) -> tuple[Columns, Candidates]:
    """The last of some batches of users. mined: the one hard negative of some users."""
    model = small_model(config).eval()
    builder = CandidateBuilder(data, config, model, seed=0)
    builder.mined_UM = torch.full((8, 2), -1)
    for user, item in mined.items():
        builder.mined_UM[user] = item
    for users in batches:
        batch = data.batch(np.concatenate([[2 * user, 2 * user + 1] for user in users]))
        columns, c = built(builder, model, batch)
    return columns, c


def test_an_item_that_is_positive_drawn_and_hard_at_once_is_hidden_from_its_taker() -> None:
    """It has three columns: of the batch, of the draw, and of its hard row."""
    data = small_data(items=ITEMS)
    taken = int(data.item_I[0])
    assert taken not in data.item_I[2:4]
    columns, c = compared(
        data, replace(HARD, negatives=replace(HARD.negatives, sampler=Uniform(number=ITEMS))), {1: taken}, [[0, 1]]
    )
    negative = range(c.negatives.start, c.negatives.stop)
    (drawn,) = [column for column in negative if columns.item_C[column] == taken]
    assert (0, drawn) in set(zip(c.hidden.row_H.tolist(), c.hidden.column_H.tolist(), strict=True))


def test_beside_a_memory_hard_negatives_stay_their_row_s_own_and_are_not_remembered() -> None:
    data = small_data(items=ITEMS)
    taken = [set(data.item_I[2 * user : 2 * user + 2].tolist()) for user in range(2)]
    mined = {user: next(item for item in range(ITEMS) if item not in taken[0] | taken[1]) for user in range(2)}
    _, alone = compared(data, HARD, mined, [[1]])
    _, c = compared(data, replace(HARD, negatives=replace(HARD.negatives, memory=2)), mined, [[0], [1]])
    assert torch.allclose(c.hard_logits_RH, alone.hard_logits_RH)
    assert c.number == len(taken[0] | taken[1])


def test_beside_a_memory_a_hard_negative_that_nobody_ever_took_leaves_the_loss_finite() -> None:
    """Its log-probability is -inf, so it must not pass for a remembered item."""
    data = small_data(items=ITEMS)
    data = replace(data, item_I=np.where(data.item_I == 5, 0, data.item_I))
    _, c = compared(
        data, replace(HARD, negatives=replace(HARD.negatives, memory=2)), dict.fromkeys(range(8), 5), [[0], [1], [2]]
    )
    assert torch.isfinite(LOSSES["softmax"](c))
