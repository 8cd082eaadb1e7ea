"""Simulated users of the benchmarks against the click probabilities of clax-models.

Legend: S answers, L items of an answer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("clax", reason="make oracles installs clax-models and rax, and runs this")

import jax
import jax.numpy as jnp
from clax.models import CascadeModel, PositionBasedModel
from clax.models.base import ClickModel
from flax import nnx

import tests.oracles.comparison  # noqa: F401  (double precision)
from tests.benchmarks.bias.clicks import Cascade, PositionBased, ProductOfProbabilities
from tests.benchmarks.bias.clicks import ClickModel as Simulated
from tests.oracles.log_odds import LogOdds

DRAWS, LENGTH = 40_000, 6
LOGIT_L = np.array([1.5, -2.0, 0.3, -0.5, 2.0, -1.0])
BIAS_L = np.array([2.0, 1.0, 0.0, -0.5, -1.0, -3.0])


class Known(LogOdds):
    """Given logits, one for each position."""

    def __init__(self, logit_L: np.ndarray) -> None:
        self.known_L = tuple(float(each) for each in logit_L)

    def logit(self, batch: dict) -> jax.Array:
        return jnp.asarray([self.known_L])


def cascade() -> ClickModel:
    """Relevant items are clicked until the first click."""
    return CascadeModel(attraction=Known(LOGIT_L), rngs=nnx.Rngs(0))


def position_based() -> ClickModel:
    """Relevant items are clicked where users look."""
    return PositionBasedModel(examination=Known(BIAS_L), attraction=Known(LOGIT_L), rngs=nnx.Rngs(0))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Cascade(), cascade),
        (ProductOfProbabilities(bias=tuple(BIAS_L)), position_based),
        (PositionBased(examination=tuple(1 / (1 + np.exp(-BIAS_L)))), position_based),
    ],
    ids=["cascade", "product", "position-based"],
)
def test_users_click_as_often_as_clax_says(ours: Simulated, theirs: Callable[[], ClickModel]) -> None:
    rng = np.random.default_rng(0)
    click_SL = ours.clicks(np.broadcast_to(LOGIT_L, (DRAWS, LENGTH)), rng)
    log_L = theirs().predict_clicks({"mask": jnp.ones((1, LENGTH), bool)})[0]
    wanted_L = np.exp(np.asarray(log_L))
    error_L = np.sqrt(wanted_L * (1 - wanted_L) / DRAWS)
    assert (np.abs(click_SL.mean(axis=0) - wanted_L) < 4.5 * error_L).all()
