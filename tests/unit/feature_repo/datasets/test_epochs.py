"""Whole numbers as times: their unit is named or refused."""

from __future__ import annotations

import polars as pl
import pytest

from feature_repo.datasets.canonical import canonicalise
from feature_repo.datasets.raw_table import RawTable
from feature_repo.errors import InputError
from feature_repo.schema import Schema
from tests.unit.feature_repo.datasets.canonical_world import (
    MONDAY,
    assert_names,
    good_events,
)


class TestEpochs:
    @pytest.mark.parametrize(("unit", "scale"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
    @pytest.mark.parametrize("as_text", [False, True])
    def test_every_unit_reads_the_same_moment(self, unit: str, scale: int, as_text: bool) -> None:
        counts = good_events()["when"].dt.epoch("s") * scale
        frame = good_events().with_columns(when=counts.cast(pl.String) if as_text else counts)
        raw = RawTable(
            name="e",
            frame=frame,
            columns={"user_id": "who", "item_id": "what", "timestamp": "when"},
            epoch=unit,  # type: ignore[arg-type]
        )
        plain = Schema(dataset="shop", seen_items_may_return=True, views=())
        assert canonicalise(plain, events=raw, users=None, items=None).events["timestamp"].item(0) == MONDAY

    def test_the_wrong_unit_is_found_by_impossible_years(self) -> None:
        frame = good_events().with_columns(when=good_events()["when"].dt.epoch("us"))
        raw = RawTable(
            name="e.csv",
            frame=frame,
            columns={"user_id": "who", "item_id": "what", "timestamp": "when"},
            epoch="s",
        )
        plain = Schema(dataset="shop", seen_items_may_return=True, views=())
        with pytest.raises(InputError) as error:
            canonicalise(plain, events=raw, users=None, items=None)
        assert_names(error, "e.csv", "'when'", "epoch", "200 rows")
