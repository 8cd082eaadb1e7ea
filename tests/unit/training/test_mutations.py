"""Mistakes that hardly a metric reveals: a named test must fail with each.

Without the mistake it must pass.
"""

from __future__ import annotations

import pytest

from tests.mistakes.mistake import Mistake, put_in
from tests.unit.training.losses.mistakes_in_losses import IN_LOSSES
from tests.unit.training.mistakes_in_clicks import IN_CLICKS
from tests.unit.training.mistakes_in_reward import IN_REWARD
from tests.unit.training.mistakes_in_training import IN_TRAINING
from tests.unit.training.sampling import test_negatives as sampling

FAILED = (AssertionError, pytest.fail.Exception, FloatingPointError)


@pytest.mark.parametrize(
    "mistake", [*IN_CLICKS, *IN_LOSSES, *IN_REWARD, *IN_TRAINING], ids=lambda mistake: mistake.name
)
def test_a_mistake_is_noticed(mistake: Mistake) -> None:
    sampling.drawn_often.cache_clear()
    mistake.test(*mistake.arguments)
    sampling.drawn_often.cache_clear()
    with put_in(mistake), pytest.raises(FAILED):
        mistake.test(*mistake.arguments)
    sampling.drawn_often.cache_clear()


def test_a_mistake_is_gone_when_it_is_taken_out() -> None:
    mistake = IN_LOSSES[0]
    with put_in(mistake):
        pass
    mistake.test(*mistake.arguments)
