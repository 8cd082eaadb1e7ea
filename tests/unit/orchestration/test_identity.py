"""Whose data a dataset's name stands for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo.datasets.canonical import Tables
from feature_repo.datasets.identity import Identity
from feature_repo.errors import InputError
from orchestration.asset_values import Source
from orchestration.identity import check_identity, keep_identity
from tests.unit.serving.memory_registry import MemoryRegistry
from tests.worlds import taste_groups

MOMENT = datetime(2024, 3, 1)


def source(tables: Tables, data: str) -> Source:
    times = {"as_of": MOMENT, "validation_start": MOMENT, "cut": MOMENT}
    identity = Identity.of(tables).to_text()
    return Source(dataset="shop", folder=Path(), sha256="", data=data, identity=identity, **times)


def test_a_folder_may_replace_its_events_and_another_may_not() -> None:
    registry, tables = MemoryRegistry(), taste_groups()
    later = replace(tables, events=tables.events.with_columns(pl.col("timestamp", "created") + timedelta(days=90)))
    check_identity(registry, source(tables, "/a"))  # type: ignore[arg-type]
    keep_identity(registry, source(tables, "/a"))  # type: ignore[arg-type]
    check_identity(registry, source(tables, "/b"))  # type: ignore[arg-type]
    check_identity(registry, source(later, "/a"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"is other data, from /a.*--same-dataset"):
        check_identity(registry, source(later, "/b"))  # type: ignore[arg-type]
