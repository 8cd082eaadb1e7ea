"""Parts of the training loop that no metric of a planted world would reveal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from feature_repo.encode import MISSING, PAD, RESERVED, UNKNOWN, Input, InputKind
from training.recipes import base
from training.towers import TwoTower, new_model
from training.trainer import SCORE, averaged, in_history, train
from training.training_set import Batch, TrainingSet

ITEM = Input(name="item_id", kind=InputKind.CODE, size=RESERVED + 5)
HISTORY = Input(name="history", kind=InputKind.HISTORY, size=ITEM.size)


def small_model() -> TwoTower:
    return new_model([HISTORY], [ITEM], {}, base(), seed=0)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_mean_spans_the_same_share_of_a_short_and_of_a_long_training(share: float) -> None:
    """Weights that grow by 1 a step have a mean that lies `share` behind: step / (1 + share)."""
    model = small_model()
    average = averaged(model, share)
    for step in range(1, 1_001):
        with torch.no_grad():
            model.log_temperature.fill_(float(step))
        average.update_parameters(model)
        if step in (100, 1_000):
            mean = average.module.log_temperature.item()
            assert mean == pytest.approx(step / (1 + share), rel=0.02)


def test_the_best_epoch_is_kept_and_the_wait_for_a_better_one_ends() -> None:
    rows = {
        "history_items": np.full((8, 2), RESERVED),
        "history_ages": np.ones((8, 2)),
        "history_counts": np.ones((8, 2)),
    }
    data = TrainingSet(
        queries={name: np.asarray(array, np.int32 if "items" in name else np.float32) for name, array in rows.items()},
        items={"item_id": np.arange(RESERVED, RESERVED + 4, dtype=np.int32)}, item_of_S=np.arange(4),
        query_I=np.arange(8), item_I=np.arange(8) % 4, weight_I=np.ones(8, np.float32),
    )  # fmt: skip
    scores, seen = [0.3, 0.9, 0.5, 0.1, 1.0], []

    def validate(model: TwoTower) -> dict[str, float]:
        seen.append(model.item.vectors.ids.weight.detach().clone())
        return {SCORE: scores[len(seen) - 1]}

    model = small_model()
    epochs = train(data, model, replace(base(), patience=2), seed=0, validate=validate)
    assert [epoch[SCORE] for epoch in epochs] == scores[:4]
    assert torch.equal(model.item.vectors.ids.weight, seen[1])
    assert not torch.equal(seen[1], seen[3])


def test_only_items_with_an_id_of_their_own_are_found_in_a_history() -> None:
    codes_C = np.array([RESERVED + 3, UNKNOWN, RESERVED, MISSING, RESERVED + 1])
    history_RL = np.array(
        [[RESERVED, RESERVED + 3, PAD], [PAD, PAD, PAD], [UNKNOWN, MISSING, RESERVED + 4], [RESERVED + 1] * 3]
    )
    nothing_RC = torch.zeros(4, 5)
    batch = Batch(
        users={"history_items": torch.from_numpy(history_RL)}, items={"item_id": torch.from_numpy(codes_C)},
        item_C=torch.arange(5), positives_RC=nothing_RC.bool(), weights_RC=nothing_RC, size=1,
    )  # fmt: skip
    found_RC = in_history(small_model(), batch)
    assert found_RC.int().tolist() == [[1, 0, 1, 0, 0], [0] * 5, [0] * 5, [0, 0, 0, 0, 1]]
