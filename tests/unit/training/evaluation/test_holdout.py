"""Hold-out: relevant and seen items, groups of items, and slices of users."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tests.unit.training.evaluation.sizes import ITEMS
from training.evaluation.holdout import Holdout, item_sets, temporal_holdout


def test_an_item_bought_many_times_is_one_item() -> None:
    sets = item_sets(np.zeros(512, dtype=int), np.full(512, 3), (1, 5))
    assert sets.toarray().tolist() == [[0, 0, 0, 1, 0]]


def test_head_torso_and_tail_hold_their_shares_of_the_interactions(holdout: Holdout) -> None:
    groups, counts = holdout.item_groups(), holdout.popularity_N
    shares = np.bincount(groups, weights=counts) / counts.sum()
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=counts.max() / counts.sum())
    assert (
        counts[groups == 0].min() >= counts[groups == 1].max() >= counts[groups == 1].min() >= counts[groups == 2].max()
    )
    assert (groups[counts == 0] == 2).all() and (counts == 0).any()


def test_without_any_interaction_before_the_cut_every_item_is_tail(holdout: Holdout) -> None:
    unsold = Holdout(**{**vars(holdout), "popularity_N": np.zeros(ITEMS, dtype=int)})
    assert (unsold.item_groups() == 2).all()


def test_a_holdout_whose_parts_do_not_fit_is_refused(holdout: Holdout) -> None:
    with pytest.raises(ValueError, match="queries, items"):
        Holdout(**{**vars(holdout), "popularity_N": holdout.popularity_N[:-1]})


def test_warm_users_fall_into_thirds_by_history_size() -> None:
    sizes = np.array([0, 4, 5, 6, 7, 8, 9, 10])
    users, items = np.arange(len(sizes)), 3
    before = (np.repeat(users, sizes), np.zeros(sizes.sum(), dtype=np.int64))
    holdout = Holdout.from_interactions(
        before=before, after=(users, np.ones_like(users)), items=items, seen_items_may_return=True
    )
    slices = {name: sizes[chosen].tolist() for name, chosen in holdout.user_slices().items()}
    assert slices["cold_users"] == [0, 4]
    assert slices["warm_users"] == [5, 6, 7, 8, 9, 10]
    assert [slices[f"{name}_users"] for name in ("light", "regular", "heavy")] == [[5, 6], [7, 8], [9, 10]]


def test_a_history_is_what_was_known_before_the_cut_and_relevant_what_happened_after_it() -> None:
    """An event that became known late was known to no system; one after the end is of no hold-out."""
    cut, day = datetime(2024, 3, 1), timedelta(days=1)
    happened = [cut - 3 * day, cut - 2 * day, cut, cut + day, cut + 2 * day]
    known = [cut - 3 * day, cut + day, cut, cut + day, cut + 2 * day]
    events = pl.DataFrame(
        {"user_id": ["a"] * 5, "item_id": ["v", "w", "x", "y", "z"], "timestamp": happened, "created": known}
    )
    found = temporal_holdout(
        events, pl.Series(["a"]), pl.Series(["v", "w", "x", "y", "z"]), cut, cut + 2 * day, seen_may_return=True
    )
    assert found.seen.toarray().tolist() == [[1, 0, 0, 0, 0]]
    assert found.relevant.toarray().tolist() == [[0, 0, 1, 1, 0]]
    assert (found.history_sizes_Q.tolist(), found.popularity_N.tolist()) == ([1], [1, 0, 0, 0, 0])
