"""Incremental update: only users and items with new interactions.

It adapts a release daily to new items and to changed demand. All shared weights stay
bit for bit the same: dense weights, batch statistics, the rows of every other id and
those of UNKNOWN and MISSING. An item without interactions is not learned: its features
alone determine its embedding.

Legend: V vocabulary of a table with the reserved codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from feature_repo.encode import RESERVED, UNKNOWN, Encoder, InputKind
from feature_repo.errors import InputError
from feature_repo.schema import ITEM_ID, USER_ID
from training.artifacts.load import Released, read_release, with_behaviour
from training.artifacts.warm_start import carry_over
from training.calibration import set_prior
from training.data.assemble import assemble
from training.data.interactions import at, new_since
from training.data.sample_weights import weighted
from training.data.snapshots import Frame
from training.data.training_set import Arrays, TrainingSet
from training.recipes import TrainConfig
from training.towers import TwoTower, codes_of, new_model
from training.trainer import OnEpoch, no_report
from training.trainer.candidates import CandidateBuilder
from training.trainer.sparse_optimisers import RowwiseAdagrad, SparseAdam
from training.trainer.step import backpropagate
from training.untrained import Fitted


def fit_update(
    release: Path,
    *,
    queries: Frame,
    item_snapshots: Frame,
    positives: pl.DataFrame,
    events: pl.DataFrame,
    since: datetime,
    cut: datetime,
    seed: int,
    granularity: str,
    on_epoch: OnEpoch,
) -> Fitted:
    """Incremental update of a release from joined frames, by [since, cut).

    Args:
        release: folder of a release trained until `since`, whose recipe and encoders
            are kept.
        queries: joined user snapshots: those of the positives that are new, and every
            user at the cut.
        item_snapshots: joined item snapshots: those of the positives that are new, and
            the whole corpus at the cut.
        positives: `interactions` until the cut; old ones decide which interaction is a
            repetition.
        events: canonical events.
        since: end of the release's training part.
        cut: end of the new training part.
        seed: random seed.
        granularity: granularity of the user snapshots.
        on_epoch: called with each epoch's number and metrics.

    Returns:
        The updated towers with their encoders.

    Raises:
        InputError: no interaction became known since, or the release was trained for reward.
    """
    released = read_release(release)
    if released.config.policy:
        raise InputError(
            f"{release} was trained for later rewards, and of new interactions these are not known yet: train in full"
        )
    if released.config.impressions and released.config.impressions.weight == 1:
        raise InputError(f"{release} was trained by impressions alone, and an update learns from interactions")
    new = new_since(weighted(positives, released.config.weighting), events, since, granularity)
    if new.is_empty():
        raise InputError(f"no interaction became known between {since} and {cut}: there is nothing to update by")
    people = new[USER_ID].unique(maintain_order=True)
    encoders = extended(released, items=new[ITEM_ID].unique(maintain_order=True), users=people)
    users, corpus = at(queries, cut), at(item_snapshots, cut, week=True)
    data = assemble(queries, item_snapshots, new, *encoders, corpus, label_days=0)
    updated = update(released, data, *encoders, seed=seed, on_epoch=on_epoch)
    set_prior(updated.model, encoders[1], corpus, events, cut)
    return replace(updated, examples=(encoders[0].encode(users.head(3)), encoders[1].encode(corpus.head(3))))


def extended(released: Released, *, items: Iterable[str], users: Iterable[str] = ()) -> tuple[Encoder, Encoder]:
    """User and item encoder of the release with further ids behind the known ones.

    The codes of the known ids stay the same, and histories know the same items as the
    item tower.

    Args:
        released: the release.
        items: ids of items with new interactions.
        users: ids of users, without effect unless the recipe gives users vectors.

    Returns:
        The user encoder and the item encoder.
    """
    new = tuple(items)
    histories = [each.name for each in released.user_encoder.inputs if each.kind is InputKind.HISTORY]
    user_encoder = released.user_encoder.extended(histories, new)
    if released.config.tower.user_id:
        user_encoder = user_encoder.extended([user_encoder.key], users)
    return user_encoder, released.item_encoder.extended([released.item_encoder.key], new)


def update(
    released: Released,
    data: TrainingSet,
    user_encoder: Encoder,
    item_encoder: Encoder,
    *,
    seed: int,
    epochs: int = 5,
    on_epoch: OnEpoch = no_report,
) -> Fitted:
    """Release with updated id vectors of the users and items of `data`.

    A new id starts from the trained vector of UNKNOWN.

    Args:
        released: the release, left unchanged.
        data: the new interactions, encoded by the encoders of `extended`.
        user_encoder: encoder of users.
        item_encoder: encoder of items.
        seed: random seed.
        epochs: passes over the new interactions.
        on_epoch: called with each epoch's number and metrics.

    Returns:
        New towers in evaluation mode, with their encoders.

    Raises:
        ValueError: encoders whose codes are not those of the release.
    """
    config = _plain(released.config)
    model = grown(released, data.corpus, user_encoder, item_encoder)
    touched = _touched(model, data)
    # Dense weights are frozen: they serve all users and items, and new interactions are
    # few.
    for weight in model.parameters():
        weight.requires_grad_(any(weight is table for table, _ in touched))
    optimiser = _optimiser([table for table, _ in touched], config)
    builder, rng, losses = CandidateBuilder(data, config, model, seed), np.random.default_rng(seed), []
    for _ in range(epochs):
        batches = data.batches(config.optimisation.batch_size, rng)
        total = 0.0
        for rows in batches:
            batch = data.batch(rows, whole_corpus=config.whole_corpus)
            total += backpropagate(model, batch, builder, config)
            for table, touched_V in touched:
                # Drawn negatives have gradients too, also without a new interaction.
                table.grad = _only(table.grad, touched_V)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        losses.append({"loss": total / len(batches)})
        on_epoch(len(losses), losses[-1])
    return Fitted(
        model=model,
        user_encoder=user_encoder,
        item_encoder=item_encoder,
        config=released.config,
        epochs=losses,
        passes=epochs,
    )


def _plain(config: TrainConfig) -> TrainConfig:
    """Recipe without the parts that need a long training or train dense weights."""
    optimisation = replace(config.optimisation, parts=1)
    plain = replace(
        config, negatives=replace(config.negatives, memory=0, hard=None, frequency=None), optimisation=optimisation
    )
    return replace(plain, self_supervised=None, reranker=None, impressions=None)


def grown(released: Released, corpus: Arrays, user_encoder: Encoder, item_encoder: Encoder) -> TwoTower:
    """Towers of the release with a row for every new id.

    Args:
        released: the release.
        corpus: the corpus, encoded.
        user_encoder: encoder of users.
        item_encoder: encoder of items.
    """
    for old, new in ((released.user_encoder, user_encoder), (released.item_encoder, item_encoder)):
        for name, values in old.vocabularies.items():
            if new.vocabularies[name][: len(values)] != values:
                raise ValueError(
                    f"the codes of {name!r} are not those of {released.folder}: use the encoders of extended"
                )
    inputs = with_behaviour(user_encoder, item_encoder, released.model.state_dict())
    model = new_model(*inputs, codes_of(item_encoder, corpus), released.config, seed=0)
    carry_over(released, model, released.config, user_encoder, item_encoder)
    buffers = dict(released.model.named_buffers())
    for name, buffer in model.named_buffers():
        (buffer[: len(buffers[name])] if buffer.dim() else buffer).copy_(buffers[name])
    if model.item.prior is not None:
        # Until they are known, new items have the term of an item of which nothing is.
        terms_V1 = buffers["item.prior.term_V1"]
        model.item.prior.get_buffer("term_V1")[len(terms_V1) :] = terms_V1[UNKNOWN]
    # Sparse gradients name the rows that they move.
    for table in model.id_tables:
        table.sparse = True
    return model.eval()


def _touched(model: TwoTower, data: TrainingSet) -> list[tuple[nn.Parameter, Tensor]]:
    """Each id table, and its ids that have an interaction: bool [V]."""
    items = data.items[model.item.vectors.key][data.item_I]
    found = []
    for module in model.id_tables:
        taken = data.queries[model.user.key][data.query_I] if module is model.user.ids else items
        table = module.get_parameter("weight")
        touched_V = torch.zeros(len(table), dtype=torch.bool)
        # Reserved rows serve many ids, so they stay.
        touched_V[torch.from_numpy(taken[taken >= RESERVED].astype(np.int64))] = True
        found.append((table, touched_V))
    return found


def _optimiser(tables: list[nn.Parameter], config: TrainConfig) -> torch.optim.Optimizer:
    """Optimiser that moves no row without a gradient, for any recipe."""
    rate = config.optimisation.embedding_rate
    if config.optimisation.tables == "rowwise_adagrad":
        return RowwiseAdagrad(tables, lr=rate)
    return SparseAdam(tables, lr=rate)


def _only(gradient: Tensor | None, touched_V: Tensor) -> Tensor | None:
    """Sparse gradient without the rows of ids that have no new interaction."""
    if gradient is None:
        return None
    gradient = gradient.coalesce()
    kept = touched_V[gradient.indices()[0]]
    indices, values = gradient.indices()[:, kept], gradient.values()[kept]
    return torch.sparse_coo_tensor(indices, values, gradient.shape, check_invariants=False)
