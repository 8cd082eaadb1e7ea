"""Snapshots read in parts, from a file or a frame: the rows that positives point at, in order, encoded as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feature_repo.encode import Encoder, parts
from feature_repo.schema import ENTITY_TIME, USER_ID, Entity
from feature_repo.tables.build import feature_tables
from feature_repo.tables.join import join_as_of
from tests.logs import MOMENTS, random_events, tables_of
from training.data import snapshots
from training.data.assemble import encoded
from training.data.interactions import interactions, query_rows
from training.data.snapshots import Snapshots

TABLES = tables_of(random_events(3))
POSITIVES = interactions(TABLES.events, MOMENTS[1])
FEATURES = TABLES.schema.features_of(Entity.USER)


@pytest.fixture(scope="module")
def queries() -> pl.DataFrame:
    rows = query_rows(POSITIVES, TABLES.users[USER_ID], MOMENTS)
    return join_as_of(rows, feature_tables(TABLES, Entity.USER, MOMENTS), Entity.USER)


def used(queries: pl.DataFrame) -> pl.DataFrame:
    """The same rows, all at once."""
    asked = POSITIVES.select(USER_ID, pl.col("query_time").alias(ENTITY_TIME))
    return queries.join(asked, on=[USER_ID, ENTITY_TIME], how="semi").sort(USER_ID, ENTITY_TIME)


@pytest.mark.parametrize("rows_at_once", [1, 7, 1_000])
def test_parts_of_a_file_are_encoded_as_the_whole(
    queries: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    wanted = used(queries)
    encoder = Encoder.fit(USER_ID, FEATURES, wanted, ids=(), items=TABLES.items["item_id"])
    whole = encoder.encode(wanted)
    monkeypatch.setattr(snapshots, "ROWS_AT_ONCE", rows_at_once)
    monkeypatch.setattr("feature_repo.encode.encoder.ROWS_AT_ONCE", rows_at_once + 1)
    queries.write_parquet(tmp_path / "queries.parquet", row_group_size=11)
    for frame in (queries, pl.scan_parquet(tmp_path / "queries.parquet")):
        found = encoded(encoder, Snapshots.used(frame, POSITIVES, USER_ID, "query_time"))
        assert list(found) == list(whole)
        for name, array in whole.items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array)
    assert wanted.height < queries.height


def test_unsorted_snapshots_are_refused(queries: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="must be sorted by user_id"):
        Snapshots.used(queries.reverse(), POSITIVES, USER_ID, "query_time")


def test_parts_of_another_number_of_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="got 3 rows in parts, wanted 4"):
        parts.filled([{"a": np.zeros(1)}, {"a": np.zeros(2)}], 4)


def test_an_answer_whose_snapshot_was_not_joined_is_an_error(queries: pl.DataFrame) -> None:
    known = queries.select(USER_ID, ENTITY_TIME).head(3)
    assert len(Snapshots.used(queries, POSITIVES, USER_ID, "query_time", known).keys) >= used(queries).height
    strange = known.with_columns(pl.col(ENTITY_TIME) + pl.duration(seconds=7))
    with pytest.raises(ValueError, match="3 of 3 snapshots of answers are not among those that were joined"):
        Snapshots.used(queries, POSITIVES, USER_ID, "query_time", strange)
