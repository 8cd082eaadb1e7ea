"""Types of answers are found by the positions of their clicks."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.answer_types import answer_types


@pytest.mark.parametrize("seed", range(3))
def test_planted_types_are_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first_S = rng.random(6_000) < 0.65
    position_SL = np.tile(np.arange(1, 9), (6_000, 1))
    p_SL = np.where(first_S[:, None], np.where(position_SL <= 2, 0.5, 0.02), 0.25)
    click_SL = (rng.random(p_SL.shape) < p_SL).astype(np.float32)
    shown_SL = np.arange(8) < rng.integers(5, 9, size=(6_000, 1))
    logit_KP, share_K = answer_types(position_SL, click_SL * shown_SL, shown_SL, types=2, starts=5, rng=rng)
    p_KP = 1 / (1 + np.exp(-logit_KP))
    assert share_K == pytest.approx([0.65, 0.35], abs=0.06)
    assert p_KP[0, 1:] == pytest.approx([0.5] * 2 + [0.02] * 6, abs=0.06)
    assert p_KP[1, 1:] == pytest.approx([0.25] * 8, abs=0.06)


def test_hidden_columns_count_for_nothing() -> None:
    rng = np.random.default_rng(0)
    position_SL = np.tile(np.arange(1, 4), (500, 1))
    click_SL = (rng.random((500, 3)) < 0.4).astype(np.float32)
    shown_SL = np.tile(np.array([True, True, False]), (500, 1))
    found = [
        answer_types(position_SL, clicks_SL, shown_SL, types=2, starts=2, rng=np.random.default_rng(1))
        for clicks_SL in (click_SL, np.where(shown_SL, click_SL, 1))
    ]
    assert (found[0][0] == found[1][0]).all()
    assert (found[0][1] == found[1][1]).all()
