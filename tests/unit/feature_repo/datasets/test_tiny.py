"""The example shop: visible taste groups, determined by the seed alone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo.datasets import tiny
from feature_repo.datasets.fingerprint import fingerprint
from feature_repo.errors import InputError


def test_the_shop_has_the_announced_size() -> None:
    tables = tiny.generate(seed=0)
    days = tables.events["timestamp"].dt.date().n_unique()
    assert (tables.users.height, tables.items.height) == (200, 300)
    assert 7_500 <= tables.events.height <= 8_000
    assert days == 90
    assert tables.events["basket_id"].n_unique() > 0.45 * tables.events.height


def test_users_buy_in_their_group_and_most_profiles_name_it() -> None:
    tables = tiny.generate(seed=3)
    bought = tables.events.join(tables.items, on="item_id").join(tables.users, on="user_id")
    named = bought.filter(pl.col("style").is_not_null())
    assert 0.6 < 1 - tables.users["style"].null_count() / 200 < 0.8
    assert named.select((pl.col("style") == pl.col("category")).mean()).item() > 0.85


def test_users_come_back_for_the_same_item() -> None:
    tables = tiny.generate(seed=0)
    assert tables.events.n_unique(["user_id", "item_id"]) < 0.6 * tables.events.height


def test_some_events_are_known_late_and_none_early() -> None:
    late = tiny.generate(seed=0).events.select(pl.col("created") - pl.col("timestamp")).to_series()
    assert late.min() == timedelta()
    assert 0.01 < (late > timedelta(seconds=59)).mean() < 0.1  # type: ignore[operator]


def test_the_seed_decides() -> None:
    assert fingerprint(tiny.generate(seed=1)) == fingerprint(tiny.generate(seed=1))
    assert fingerprint(tiny.generate(seed=1)).sha256 != fingerprint(tiny.generate(seed=2)).sha256


def test_the_shop_reads_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="generated"):
        tiny.load(tmp_path)
