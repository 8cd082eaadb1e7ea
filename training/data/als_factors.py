"""Behavioural vectors: latent factors of interactions, fitted before the towers.

Item vectors are the item factors of implicit ALS [Hu, Koren and Volinsky, ICDM 2008] on
the positives that the towers are trained on, and on nothing else: for early stopping
those before the validation window, then those before the cut.

A user's vector is folded in, inside the tower, from the history of the query. The user
factors of ALS are thrown away, for two reasons. They are fitted on the very positives
that the tower is then asked to predict, and would leak them; the history of a snapshot
ends before the day it predicts. And they exist only for users of the training part,
with the interests of that time; a history exists for later users too, and is up to
date. Folding is a weighted mean, not the least squares of ALS: with equal confidences
those are a linear map of it, (YᵀY + λ)⁻¹, and the tower's first layer is a linear map.

A bias remains: an item's vector has seen the training positives of the item, as its id
embedding has, so the towers may trust it a little more than new days justify. Items
below `min_count` have no vector, so that no vector rests on a handful of users.

Legend: V item vocabulary with the reserved codes, without the items below `min_count`;
F factors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch

from feature_repo.encode import RESERVED, Encoder, Input, InputKind
from training.recipes import BehaviouralVectors, TrainConfig
from training.towers.frozen_vectors import Behaviour


def behaviour(
    positives: pl.DataFrame, user_encoder: Encoder, item_encoder: Encoder, config: TrainConfig, *, seed: int
) -> Behaviour:
    """Behavioural vectors of a recipe; empty, without inputs, if it declares none.

    Args:
        positives: the only interactions that are read.
        user_encoder: its histories share the item vocabulary.
        item_encoder: vocabulary of the items.
        config: the recipe.
        seed: seed of the factorisation.

    Returns:
        The vectors and the tower inputs that read them.

    Raises:
        ValueError: a history has another vocabulary than the item ids, or no positive
            is of a known item.
    """
    if config.behavioural is None:
        nothing = torch.empty(0)
        return Behaviour(vectors_VF=nothing, item_mean_F=nothing, user_mean_F=nothing, user_inputs=(), item_inputs=())
    items = item_encoder.vocabularies[item_encoder.key]
    histories = [each for each in user_encoder.inputs if each.kind is InputKind.HISTORY]
    foreign = [each.name for each in histories if user_encoder.vocabularies[each.name] != items]
    if foreign:
        raise ValueError(f"histories {foreign} have other codes than the item ids; wanted one vocabulary for both")
    vectors_VF, user_mean_F = factorise(positives, items[: item_encoder.own_ids], config.behavioural, seed=seed)
    size, width = vectors_VF.shape[0], vectors_VF.shape[1] + 1
    return Behaviour(
        vectors_VF=torch.from_numpy(vectors_VF),
        item_mean_F=torch.from_numpy(vectors_VF[RESERVED:].mean(axis=0)),
        user_mean_F=torch.from_numpy(user_mean_F),
        user_inputs=tuple(
            Input(name=each.name, kind=InputKind.HISTORY_BEHAVIOUR, size=size, width=width) for each in histories
        ),
        item_inputs=(Input(name=item_encoder.key, kind=InputKind.BEHAVIOUR, size=size, width=width),),
    )


def factorise(
    positives: pl.DataFrame, known: Sequence[str], config: BehaviouralVectors, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Item factors by code and the mean vector of the training users.

    The same positives and seed give the same factors, whatever the number of threads.

    Args:
        positives: user_id, item_id.
        known: item ids in the order of their codes; positives of other items are left
            out.
        config: parameters of ALS.
        seed: of the start.

    Returns:
        float32 [V, F], of mean square 1, and float32 [F].

    Raises:
        ValueError: no positive is of a known item.
    """
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    codes = pl.DataFrame({"item_id": known, "code": np.arange(len(known))}, schema_overrides={"item_id": pl.String})
    counts = positives.group_by("user_id", "item_id").len().join(codes, on="item_id").sort("user_id", "code")
    if counts.is_empty():
        raise ValueError(f"no positive of the {len(known):,} known items to factorise; lower min_count")
    rows = counts["user_id"].rank("dense").to_numpy().astype(np.int32) - 1
    columns, shape = counts["code"].to_numpy().astype(np.int32), (int(rows[-1]) + 1, len(known))
    matrix = csr_matrix((counts["len"].to_numpy().astype(np.float32), (rows, columns)), shape=shape)
    # implicit runs its own threads; a second pool in BLAS below them slows it several times, and it warns of that.
    with threadpool_limits(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=config.factors,
            iterations=config.iterations,
            regularization=config.regularization,
            alpha=config.alpha,
            random_state=seed,
        )
        model.fit(matrix, show_progress=False)
    factors = model.item_factors / np.sqrt(np.mean(model.item_factors**2))
    vectors_VF = np.concatenate([np.zeros((RESERVED, config.factors)), factors]).astype(np.float32)
    weights = matrix.log1p()
    user_mean_F = np.mean((weights @ factors) / weights.sum(axis=1), axis=0)
    return vectors_VF, np.asarray(user_mean_F, np.float32).ravel()
