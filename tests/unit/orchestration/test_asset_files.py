"""Files behind asset values."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.datasets import tiny
from feature_repo.datasets.canonical import Tables
from feature_repo.datasets.stored import TABLES, write_tables
from orchestration.asset_files import read_embeddings, read_schema, read_tables, write_embeddings
from orchestration.asset_values import Source

MOMENT = datetime(2024, 3, 1)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return replace(tiny.generate(seed=0), notes=("3 rows dropped",))


def source(folder: Path) -> Source:
    return Source(dataset="tiny", folder=folder, sha256="0", as_of=MOMENT, validation_start=MOMENT, cut=MOMENT)


@pytest.mark.parametrize("with_impressions", [False, True])
def test_tables_are_read_as_they_were_written(tables: Tables, tmp_path: Path, with_impressions: bool) -> None:
    impressions = tables.events.select("user_id", "item_id", "timestamp") if with_impressions else None
    write_tables(replace(tables, impressions=impressions, log_until=7 * with_impressions), tmp_path)
    found = read_tables(source(tmp_path))
    assert (found.schema, found.notes, found.log_until) == (tables.schema, tables.notes, 7 * with_impressions)
    for name in TABLES:
        assert_frame_equal(getattr(found, name), getattr(tables, name))
    assert (found.impressions is not None) == with_impressions
    if impressions is not None:
        assert_frame_equal(found.impressions, impressions)


def test_the_schema_is_read_without_the_tables(tables: Tables, tmp_path: Path) -> None:
    write_tables(tables, tmp_path)
    for path in tmp_path.glob("*.parquet"):
        path.unlink()
    assert read_schema(source(tmp_path)).to_json() == tables.schema.to_json()


def test_embeddings_keep_their_order_and_their_type(tmp_path: Path) -> None:
    vectors_ND = np.arange(6, dtype=np.float32).reshape(3, 2)
    write_embeddings(pl.Series(["c", "a", "b"]), vectors_ND, tmp_path / "embeddings.parquet")
    ids, found_ND = read_embeddings(tmp_path / "embeddings.parquet")
    assert ids.to_list() == ["c", "a", "b"]
    assert found_ND.dtype == np.float32
    np.testing.assert_array_equal(found_ND, vectors_ND)
