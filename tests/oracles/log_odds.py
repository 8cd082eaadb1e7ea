"""Parameters of clax-models that are given by their log-odds."""

from __future__ import annotations

from abc import abstractmethod

import jax
from clax.parameters import Parameter
from flax import nnx


class LogOdds(Parameter):
    """Probability of given log-odds."""

    @abstractmethod
    def logit(self, batch: dict) -> jax.Array:
        """Log-odds of each item."""

    def prob(self, batch: dict) -> jax.Array:
        return nnx.sigmoid(self.logit(batch))

    def log_prob(self, batch: dict) -> jax.Array:
        return nnx.log_sigmoid(self.logit(batch))
