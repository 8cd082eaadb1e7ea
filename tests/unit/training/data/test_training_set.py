"""Batches: whole user snapshots, every interaction once, an item one column."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.training_set import TrainingSet


def training_set(seed: int = 0, queries: int = 300, items: int = 40, weeks: int = 3) -> TrainingSet:
    """Training set whose queries take 1 to 6 item snapshots of their week.

    Snapshot s is of item s % items.
    """
    rng = np.random.default_rng(seed)
    week_Q = rng.integers(0, weeks, queries)
    counts = rng.integers(1, 7, queries)
    chosen = [
        np.sort(rng.choice(items, count, replace=False)) + week * items
        for count, week in zip(counts, week_Q, strict=True)
    ]
    return TrainingSet(
        queries={"user_id": np.arange(queries, dtype=np.int32)},
        user_Q=np.arange(queries) % (queries // 2),
        items={"snapshot": np.arange(items * weeks, dtype=np.int32)},
        item_S=np.tile(np.arange(items), weeks),
        corpus={"snapshot": np.arange(items, dtype=np.int32)},
        query_I=np.repeat(np.arange(queries), counts),
        item_I=np.concatenate(chosen),
        weight_I=np.ones(counts.sum(), np.float32),
    )


def test_an_epoch_holds_every_interaction_once() -> None:
    data = training_set()
    rows = np.concatenate(data.batches(64, np.random.default_rng(1)))
    assert np.array_equal(np.sort(rows), np.arange(len(data.query_I)))


@pytest.mark.parametrize("size", [1, 5, 64, 10_000])
def test_a_batch_has_whole_queries_and_not_too_many_interactions(size: int) -> None:
    data = training_set()
    counts = np.bincount(data.query_I)
    for rows in data.batches(size, np.random.default_rng(1)):
        queries, found = np.unique(data.query_I[rows], return_counts=True)
        assert np.array_equal(found, counts[queries])
        assert len(rows) < size + counts.max()


def test_epochs_differ_and_a_seed_repeats_them() -> None:
    data = training_set()
    first, again, other = (np.concatenate(data.batches(64, np.random.default_rng(seed))) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_batch_marks_exactly_the_interactions_as_positives() -> None:
    data = training_set()
    rows = data.batches(64, np.random.default_rng(3))[0]
    batch = data.batch(rows)
    users, items = batch.users["user_id"].numpy(), batch.item_C.numpy()
    assert len(set(items)) == len(items)
    got = sorted(zip(users[batch.row_P], items[batch.column_P], strict=True))
    assert got == sorted(zip(data.query_I[rows], data.item_S[data.item_I[rows]], strict=True))


def test_with_the_whole_corpus_every_item_is_a_column() -> None:
    data = training_set()
    rows = data.batches(64, np.random.default_rng(3))[0]
    batch = data.batch(rows, whole_corpus=True)
    assert batch.item_C.tolist() == list(range(data.size)) == batch.items["snapshot"].tolist()
    assert batch.column_P.tolist() == data.item_S[data.item_I[rows]].tolist()
    assert (batch.user_R == data.user_Q[batch.users["user_id"]]).all()


def test_known_are_all_items_of_all_snapshots_of_a_user() -> None:
    data = training_set()
    known = data.known.toarray() > 0
    assert known.any(axis=1).all()
    for user in (0, 7, 149):
        mine = np.isin(data.query_I, np.flatnonzero(data.user_Q == user))
        assert np.flatnonzero(known[user]).tolist() == sorted(set(data.item_S[data.item_I[mine]]))


def test_a_column_has_the_features_of_a_snapshot_of_its_item_in_the_batch() -> None:
    data = training_set()
    rows = data.batches(64, np.random.default_rng(3))[0]
    batch = data.batch(rows)
    snapshots = batch.items["snapshot"].numpy()
    assert np.array_equal(data.item_S[snapshots], batch.item_C.numpy())
    assert set(snapshots) <= set(data.item_I[rows])


def test_frequencies_are_shares() -> None:
    data = training_set()
    assert data.share().sum().item() == pytest.approx(1.0)
    assert data.share()[7].item() == pytest.approx((data.item_S[data.item_I] == 7).mean())


def test_unsorted_or_empty_interactions_are_refused() -> None:
    data = training_set()
    with pytest.raises(ValueError, match="sorted by query"):
        TrainingSet(**{**vars(data), "query_I": data.query_I[::-1].copy()})
    with pytest.raises(ValueError, match="no interaction"):
        TrainingSet(**{**vars(data), "query_I": data.query_I[:0], "item_I": data.item_I[:0]})
