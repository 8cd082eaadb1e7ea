"""Click models and their loss against clax-models, rax and the attention of Flax.

Legend: S answers, L items of an answer, W width.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

pytest.importorskip("clax", reason="make oracles installs clax-models and rax, and runs this")

import jax
import jax.numpy as jnp
import rax
from clax.models import DocumentCTRModel, MixtureModel, PositionBasedModel
from clax.models.base import ClickModel
from clax.parameters import (
    EmbeddingParameter,
    EmbeddingParameterConfig,
    LinearParameter,
    LinearParameterConfig,
    Parameter,
)
from flax import nnx
from flax.nnx.nn.attention import dot_product_attention_weights

from tests.oracles.answers_world import SHAPES, TEMPERATURE, Answers, answers, ours
from tests.oracles.comparison import compare
from tests.oracles.log_odds import LogOdds
from training.recipes import Additive, CrossPositional, Mixture, PositionFeature, Product

Given = dict[str, jax.Array]
TABLE = "bias.tables.0.weight"
"""Weights of the positions: the code 0 of a missing one is the padding of clax."""
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


class Sum(LogOdds):
    """Logits of two parameters, added: clax has none of both item and position."""

    def __init__(self, first: Parameter, second: Parameter) -> None:
        self.first, self.second = first, second

    def logit(self, batch: dict) -> jax.Array:
        return self.first.logit(batch) + self.second.logit(batch)


def relevance(given: Given) -> LinearParameter:
    """Log-odds gain / τ · <u, v> + level."""
    config = LinearParameterConfig(use_feature="product", features=1, input_norm=None)
    made = LinearParameter(config, rngs=nnx.Rngs(0))
    made.linear.kernel.value = (jnp.exp(given["log_gain"]) / TEMPERATURE).reshape(1, 1)
    made.linear.bias.value = given["level"].reshape(1)
    return made


def of_position(weight_P: jax.Array) -> EmbeddingParameter:
    """One number for each position, the first of them for a missing one."""
    config = EmbeddingParameterConfig(
        use_feature="positions",
        parameters=len(weight_P) - 1,
        add_baseline=False,
        embedding_fn=partial(nnx.Embed, param_dtype=jnp.float64),
    )
    made = EmbeddingParameter(config, rngs=nnx.Rngs(0))
    made.embeddings.embedding.value = weight_P.reshape(-1, 1)
    return made


def batch(shown: Answers, given: Given) -> dict:
    """Answers as clax reads them."""
    return {
        "product": jnp.einsum("sd,sld->sl", given["user"], given["item"])[..., None],
        "positions": jnp.asarray(shown.position_SL),
        "mask": jnp.asarray(shown.shown_SL),
        "clicks": jnp.asarray(shown.click_SL),
    }


def additive(given: Given, component: int = 0) -> ClickModel:
    """Click model σ(f + θ)."""
    ctr = Sum(relevance(given), of_position(given[TABLE][:, component]))
    return DocumentCTRModel(ctr=ctr, rngs=nnx.Rngs(0))


def product(given: Given) -> ClickModel:
    """Click model σ(f)·σ(θ)."""
    examination = of_position(given[TABLE][:, 0])
    return PositionBasedModel(examination=examination, attraction=relevance(given), rngs=nnx.Rngs(0))


def none(given: Given) -> ClickModel:
    """Click model σ(f)."""
    return DocumentCTRModel(ctr=relevance(given), rngs=nnx.Rngs(0))


MODELS = {"none": (None, none), "additive": (Additive(), additive), "product": (Product(), product)}


@every_shape
@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize("name", MODELS)
def test_a_click_model_is_that_of_clax(name: str, weighted: bool, shape: tuple[int, int]) -> None:
    shown, (config, theirs) = answers(shape), MODELS[name]
    mine = ours(config, shown, weighted=weighted)
    weight_SL = shown.weight_SL if weighted else shown.shown_SL

    def loss(given: Given) -> jax.Array:
        each_SL = theirs(given).compute_loss(batch(shown, given), aggregate=False)
        return (weight_SL * each_SL).sum() / weight_SL.sum()

    compare(mine.loss, loss, mine.arguments())


@pytest.mark.parametrize("name", MODELS)
def test_extreme_logits_have_the_values_and_gradients_of_clax(name: str) -> None:
    shown, (config, theirs) = answers((9, 4), seed=1), MODELS[name]
    mine = ours(config, shown)

    def loss(given: Given) -> jax.Array:
        return theirs(given).compute_loss(batch(shown, given), aggregate=False).sum() / shown.shown_SL.sum()

    given = mine.arguments(seed=1, spread=3.0) | {"log_gain": np.array(1.0)}
    compare(mine.loss, loss, given)


@every_shape
@pytest.mark.parametrize("components", [2, 4])
def test_a_mixture_is_that_of_clax(components: int, shape: tuple[int, int]) -> None:
    shown = answers(shape)
    mine = ours(Mixture(components=components), shown)

    def loss(given: Given) -> jax.Array:
        mixture = MixtureModel([additive(given, component) for component in range(components)])
        mixture.model_prior_logits.value = given["share"]
        return mixture.compute_loss(batch(shown, given)).sum() / shown.shown_SL.sum()

    compare(mine.loss, loss, mine.arguments())


def sigmoid_loss(shown: Answers, logit_SL: jax.Array) -> jax.Array:
    """Weighted cross-entropy of the clicks, by rax."""
    weights = jnp.asarray(shown.weight_SL)
    where = jnp.asarray(shown.shown_SL)
    clicks = jnp.asarray(shown.click_SL)
    return rax.pointwise_sigmoid_loss(logit_SL, clicks, where=where, weights=weights, reduce_fn=jnp.sum) / weights.sum()


def logits(given: Given, user_SLD: jax.Array) -> jax.Array:
    """Log-odds of relevance, f; with the users' vectors as the positions move them."""
    product_SL = (user_SLD * given["item"]).sum(-1)
    return jnp.exp(given["log_gain"]) / TEMPERATURE * product_SL + given["level"]


@every_shape
def test_a_position_feature_has_the_sigmoid_loss_of_rax(shape: tuple[int, int]) -> None:
    shown = answers(shape)
    mine = ours(PositionFeature(), shown, weighted=True)

    def loss(given: Given) -> jax.Array:
        # No gradient reaches the vector of the served position, which stays 0.
        vectors_PD = given["vectors.weight"].at[0].set(0.0)
        return sigmoid_loss(shown, logits(given, given["user"][:, None] + vectors_PD[shown.position_SL]))

    compare(mine.loss, loss, mine.arguments())


@every_shape
def test_cross_positional_attention_is_that_of_flax(shape: tuple[int, int]) -> None:
    shown = answers(shape)
    mine = ours(CrossPositional(), shown, weighted=True)
    others_SLL = shown.shown_SL[:, None, :] & ~np.eye(shape[1], dtype=bool)

    def loss(given: Given) -> jax.Array:
        relevance_SL = logits(given, given["user"][:, None])
        bias_SL = given[TABLE][shown.position_SL, 0]
        query_SLW, key_SLW = jnp.split(given["pair.tables.0.weight"][shown.position_SL], 2, axis=-1)
        passed_SL = given["of_relevance"] * (relevance_SL - given["level"]) + given["of_bias"] * bias_SL
        one_head = (each[:, :, None] for each in (query_SLW, key_SLW))
        weight_SLL = dot_product_attention_weights(*one_head, mask=jnp.asarray(others_SLL)[:, None])[:, 0]
        pooled_SL = jnp.einsum("slm,sm->sl", weight_SLL, passed_SL)
        return sigmoid_loss(shown, relevance_SL + bias_SL + jnp.where(others_SLL.any(-1), pooled_SL, 0.0))

    compare(mine.loss, loss, mine.arguments())
