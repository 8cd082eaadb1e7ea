"""Metrics of ranked lists against rax.

Legend: Q users, N items, K ranks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("rax", reason="make oracles installs clax-models and rax, and runs this")

import jax.numpy as jnp
import rax
from scipy.sparse import csr_array

import tests.oracles.comparison  # noqa: F401  (double precision)
from training.evaluation.metrics import METRICS, is_relevant

THEIRS: dict[str, Callable] = {
    "recall": rax.recall_metric,
    "precision": rax.precision_metric,
    "ndcg": rax.ndcg_metric,
    "mrr": rax.mrr_metric,
}


@pytest.mark.parametrize("k", [1, 5, 12])
@pytest.mark.parametrize("name", THEIRS)
def test_a_metric_is_that_of_rax_for_every_user(name: str, k: int) -> None:
    rng = np.random.default_rng(k)
    score_QN = rng.normal(size=(80, 12))
    relevant_QN = rng.random(score_QN.shape) < rng.uniform(0.02, 0.9, (80, 1))
    relevant_QN[np.arange(80), rng.integers(0, 12, 80)] = True  # all have one, some have more than k
    retrieved_QK = np.argsort(-score_QN, axis=1)[:, :k]
    hits_QK = is_relevant(retrieved_QK, csr_array(relevant_QN.astype(np.int8)))
    ours_Q = METRICS[name](hits_QK, relevant_QN.sum(axis=1), k)
    theirs_Q = THEIRS[name](jnp.asarray(score_QN), jnp.asarray(relevant_QN, float), topn=k, reduce_fn=None)
    np.testing.assert_allclose(ours_Q, np.asarray(theirs_Q), rtol=1e-9)
