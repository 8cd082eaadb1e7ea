"""Seen items of users whose features have any name."""

from __future__ import annotations

from types import SimpleNamespace

import polars as pl

from feature_repo.schema import Entity, Feature, Kind, Schema, View
from feature_repo.standard_views import user_history_view
from serving.retriever import Retriever


def test_a_feature_named_as_a_column_of_the_answer_is_no_matter() -> None:
    profile = View(
        name="user_profile",
        entity=Entity.USER,
        features=tuple(Feature(name=name, kind=Kind.CATEGORICAL) for name in ("query", "item", "rank")),
    )
    schema = Schema(dataset="shop", seen_items_may_return=False, views=(profile, user_history_view()))
    retriever = Retriever.__new__(Retriever)
    retriever.release = SimpleNamespace(schema=schema)  # type: ignore[assignment]
    seen = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["i1", "i2"]})
    retriever._store = SimpleNamespace(seen_items=lambda ids: seen)  # type: ignore[assignment]
    users = pl.DataFrame({name: ["x", "y"] for name in ("query", "item", "rank")} | {"user_id": ["a", "b"]})
    assert retriever._seen(users).sort("item_id").rows() == [(0, "i1"), (0, "i2")]
