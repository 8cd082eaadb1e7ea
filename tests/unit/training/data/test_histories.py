"""Histories stored once per user: every snapshot gets its own list back, to the last bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from feature_repo.encode import PAD, UNKNOWN, Encoder
from feature_repo.schema import ENTITY_TIME, USER_ID, Entity
from feature_repo.tables.build import feature_tables
from feature_repo.tables.join import join_as_of
from tests.logs import ITEMS, MOMENTS, random_events, tables_of
from training.data.histories import Histories, HistoriesBuilder
from training.data.interactions import interactions, query_rows


def world(seed: int, known: list[str]) -> tuple[Encoder, pl.DataFrame]:
    """Late arrivals, equal times, silent users, and lists that are cut."""
    tables = tables_of(random_events(seed, number=400))
    rows = query_rows(interactions(tables.events, MOMENTS[1]), tables.users[USER_ID], MOMENTS)
    queries = join_as_of(rows, feature_tables(tables, Entity.USER, MOMENTS), Entity.USER)
    encoder = Encoder.fit(USER_ID, tables.schema.features_of(Entity.USER), queries, ids=(), items=known)
    return encoder, queries.sort(USER_ID, ENTITY_TIME)


def built(encoder: Encoder, queries: pl.DataFrame, size: int) -> Histories:
    builder = HistoriesBuilder(encoder, encoder.histories[0])
    for part in queries.iter_slices(size):
        builder.add(part)
    return builder.built()


@pytest.mark.parametrize("size", [1, 17, 10_000])
@pytest.mark.parametrize("seed", range(3))
def test_every_snapshot_has_its_list(seed: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.histories.ROWS_AT_ONCE", 50)
    encoder, queries = world(seed, sorted(ITEMS, reverse=bool(seed % 2)))
    histories, whole = built(encoder, queries, size), encoder.encode(queries)
    chosen = np.random.default_rng(seed).permutation(queries.height)
    found = histories.arrays(chosen)
    assert found
    for name, array in found.items():
        assert array.dtype == whole[name].dtype
        assert np.array_equal(array, whole[name][chosen])
    assert np.array_equal(histories.items(), whole["history_items"])
    lengths = (whole["history_items"] != PAD).sum(axis=1)
    assert {0, encoder.histories[0].length} <= set(lengths)


def test_entries_are_shared_by_snapshots() -> None:
    encoder, queries = world(1, sorted(ITEMS))
    elements = (encoder.encode(queries)["history_items"] != PAD).sum()
    assert len(built(encoder, queries, 10_000).item_E) < elements / 2


def test_unknown_items_of_one_time_stay_apart() -> None:
    encoder, queries = world(2, sorted(ITEMS)[:2])
    histories, whole = built(encoder, queries, 10_000), encoder.encode(queries)
    rows = np.arange(queries.height)
    found = histories.arrays(rows)
    assert (whole["history_items"] == UNKNOWN).sum() > 100
    for row in rows:
        got, wanted = (sorted(zip(*(each[name][row] for name in found), strict=True)) for each in (found, whole))
        assert got == wanted


def test_no_snapshot_of_any_history() -> None:
    encoder, queries = world(0, sorted(ITEMS))
    lists = [f"history_{part}" for part in ("items", "times", "counts", "decayed")]
    empty = queries.with_columns(pl.col(name).list.head(0) for name in lists)
    found = built(encoder, empty, 10).arrays(np.arange(5))
    assert all((array == 0).all() and array.shape == (5, 4) for array in found.values())
    assert replace(encoder, features=()).histories == ()
