"""Losses of retrieval against rax: a positive and its negatives are one list.

Legend: R users (rows), C columns, P positives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("rax", reason="make oracles installs clax-models and rax, and runs this")

import jax
import jax.numpy as jnp
import rax

from tests.oracles.comparison import Arrays, compare
from tests.unit.training.trainer.candidates_world import candidates
from training.losses import LOSSES, Candidates

Given = dict[str, jax.Array]
SHIFT = 0.3
seeds = pytest.mark.parametrize("seed", range(4))


def masks(c: Candidates) -> tuple[np.ndarray, np.ndarray]:
    """Positives, and the pairs that are negatives: bool [R, C] each."""
    positive_RC = np.zeros((len(c.user_RD), len(c.item_CD)), bool)
    positive_RC[c.row_P, c.column_P] = True
    negative_RC = np.ones_like(positive_RC)
    negative_RC[c.hidden.row_H, c.hidden.column_H] = False
    return positive_RC, negative_RC


def drawn(seed: int) -> tuple[Candidates, Arrays]:
    """Candidates in double precision, and what their losses are functions of; one row has a single negative."""
    c = candidates(seed)
    c = replace(
        c, log_q_C=c.log_q_C.double(), weight_P=c.weight_P.double(), precision=torch.float64,
        shift=torch.tensor(SHIFT, dtype=torch.float64),
    )  # fmt: skip
    embeddings = {"user": c.user_RD.detach().double().numpy(), "item": c.item_CD.detach().double().numpy()}
    return c, embeddings | {"scale": np.array(5.0)}


def scores(given: Given) -> jax.Array:
    """Logits of all pairs."""
    return given["scale"] * given["user"] @ given["item"].T + SHIFT


def same(seed: int, name: str, theirs: Callable[[Candidates, Given], jax.Array], **arguments: float) -> None:
    """Fail unless a loss is that of rax: a loss of each positive, of which the weighted mean is taken."""
    c, given = drawn(seed)

    def ours(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        moved = replace(c, user_RD=tensors["user"], item_CD=tensors["item"], scale=tensors["scale"])
        return LOSSES[name](moved, **arguments)

    def loss(arrays: Given) -> jax.Array:
        weight_P = jnp.asarray(c.weight_P.numpy())
        return (weight_P * theirs(c, arrays)).sum() / weight_P.sum()

    compare(ours, loss, given)


def lists(c: Candidates, score_RC: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Each positive and the negatives of its row: scores, labels and mask [P, C]."""
    label_PC = np.eye(score_RC.shape[1], dtype=bool)[c.column_P]
    there_PC = masks(c)[1][c.row_P] | label_PC
    return score_RC[c.row_P.numpy()], jnp.asarray(label_PC), jnp.asarray(there_PC)


def corrected(c: Candidates, given: Given) -> jax.Array:
    """Logits less log q."""
    return scores(given) - jnp.asarray(c.log_q_C.numpy())


@seeds
@pytest.mark.parametrize(("name", "score"), [("softmax", corrected), ("info_nce", lambda c, given: scores(given))])
def test_softmax_is_that_of_rax_over_each_positive_and_its_negatives(name: str, score: Callable, seed: int) -> None:
    def theirs(c: Candidates, given: Given) -> jax.Array:
        score_PC, label_PC, there_PC = lists(c, score(c, given))
        return rax.softmax_loss(score_PC, label_PC.astype(float), where=there_PC, reduce_fn=None)

    same(seed, name, theirs)


@seeds
def test_other_positives_are_left_out_as_by_the_unique_softmax_of_rax(seed: int) -> None:
    c, given = drawn(seed)
    positive_RC, negative_RC = masks(c)
    weight_RC = np.zeros(positive_RC.shape)
    weight_RC[c.row_P, c.column_P] = c.weight_P

    def ours(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        moved = replace(c, user_RD=tensors["user"], item_CD=tensors["item"], scale=tensors["scale"])
        return LOSSES["softmax"](moved)

    def theirs(arrays: Given) -> jax.Array:
        return rax.unique_softmax_loss(
            corrected(c, arrays), jnp.asarray(positive_RC, float), where=jnp.asarray(positive_RC | negative_RC),
            weights=jnp.asarray(weight_RC), reduce_fn=jnp.sum,
        ) / weight_RC.sum()  # fmt: skip

    compare(ours, theirs, given)


def of_each(loss: Callable) -> Callable[[Candidates, Given], jax.Array]:
    """A loss of rax whose mean over the pairs of one positive is taken."""

    def theirs(c: Candidates, given: Given) -> jax.Array:
        return jax.vmap(loss)(*lists(c, scores(given)))

    return theirs


@seeds
@pytest.mark.parametrize(("name", "sharpness"), [("bpr", 1.0), ("logistic_triplet", 1.0), ("logistic_triplet", 2.5)])
def test_logistic_pairs_are_those_of_rax(name: str, sharpness: float, seed: int) -> None:
    def loss(score_C: jax.Array, label_C: jax.Array, there_C: jax.Array) -> jax.Array:
        return rax.pairwise_logistic_loss(sharpness * score_C, label_C.astype(float), where=there_C)

    same(seed, name, of_each(loss), **({} if name == "bpr" else {"sharpness": sharpness}))


@seeds
def test_hinge_pairs_are_those_of_rax(seed: int) -> None:
    def loss(score_C: jax.Array, label_C: jax.Array, there_C: jax.Array) -> jax.Array:
        return rax.pairwise_hinge_loss(score_C, label_C.astype(float), where=there_C)

    same(seed, "hinge_triplet", of_each(loss), margin=1.0)


@seeds
@pytest.mark.parametrize(
    ("name", "pointwise", "low"),
    [("pointwise", rax.pointwise_sigmoid_loss, 0.0), ("cosine_targets", rax.pointwise_mse_loss, -1.0)],
)
def test_pointwise_losses_are_those_of_rax(name: str, pointwise: Callable, low: float, seed: int) -> None:
    def loss(score_C: jax.Array, label_C: jax.Array, there_C: jax.Array) -> jax.Array:
        target_C = jnp.where(label_C, 1.0, low)
        positive, negative = (pointwise(score_C, target_C, where=which_C) for which_C in (label_C, there_C & ~label_C))
        return positive + 3 * negative

    same(seed, name, of_each(loss), negatives=3.0)
