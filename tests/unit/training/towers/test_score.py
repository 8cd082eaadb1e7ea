"""Score: a temperature learned as its logarithm, kept within bounds, applied once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.unit.training.trainer.trainer_world import CONFIG, compared, small_data, small_model
from training.recipes import Cosine, Dot
from training.towers.score import Score


def test_a_learned_temperature_stays_within_its_bounds() -> None:
    """At or below 0 a softmax ranks upside down, and 1 / 0 is no scale."""
    model = small_model(replace(CONFIG, score=Cosine(temperature=0.05, bounds=(0.01, 0.5))))
    assert model.score.temperature.item() == pytest.approx(0.05)
    for driven, wanted in ((-100.0, 0.01), (100.0, 0.5)):
        with torch.no_grad():
            model.score.log_temperature.fill_(driven)
        assert model.score.temperature.item() == pytest.approx(wanted)


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_a_logit_is_the_cosine_over_the_temperature(temperature: float) -> None:
    config = replace(CONFIG, score=Cosine(temperature=temperature))
    c, _ = compared(config, small_data(), np.arange(4))
    assert torch.allclose(c.user_RD.norm(dim=1), torch.ones(len(c.user_RD)))
    wanted_P = torch.nn.functional.cosine_similarity(c.user_RD[c.row_P], c.item_CD[c.column_P]) / temperature
    assert torch.allclose(c.positive_P, wanted_P, atol=1e-4)


def test_an_inner_product_has_no_temperature() -> None:
    c, _ = compared(replace(CONFIG, score=Dot()), small_data(), np.arange(4))
    assert c.scale.item() == 1
    assert not torch.allclose(c.item_CD.norm(dim=1), torch.ones(len(c.item_CD)))


def test_scores_of_the_index_and_logits_convert_into_each_other() -> None:
    """By τ alone: a shift is the same for all items, and an index ranks without it."""
    score, inner = Score(Cosine(temperature=0.25, shift=True)), torch.tensor([-0.5, 0.0, 1.0])
    with torch.no_grad():
        score.shift.fill_(7.0)
    assert torch.allclose(score.to_logits(inner), 4 * inner)
    assert torch.allclose(score.to_index(4 * inner), inner)
