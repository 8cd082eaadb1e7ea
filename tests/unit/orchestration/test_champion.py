"""The champion is measured on frames of its own schema, or not at all."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.datasets.canonical import Tables
from feature_repo.errors import InputError
from feature_repo.schema import Entity, Feature, Kind, Schema
from feature_repo.tables.build import feature_tables
from feature_repo.tables.join import join_as_of
from orchestration import champion as champion_module
from orchestration.champion import load_champion, own_frames
from serving.registry import CHAMPION, PARENT, TRAINING
from serving.release.history import record
from serving.release.manifest import ReleaseError
from tests.unit.serving.memory_registry import MemoryRegistry
from tests.worlds import taste_groups
from training.data.interactions import at

CUT = datetime(2024, 2, 28)
"""A Wednesday."""


@pytest.fixture(scope="module")
def tables() -> Tables:
    """A log with a user and an item without events before the cut."""
    tables = taste_groups(users=60, items=40, per_day=20)
    late = (pl.col("user_id") == "u003") | (pl.col("item_id") == "i005")
    return replace(tables, events=tables.events.filter((pl.col("timestamp") >= CUT) | ~late))


def frames(tables: Tables) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Features of all users at the cut and of all items at its Monday, as the training set has them."""
    found = []
    for entity, ids, moment in (
        (Entity.USER, tables.users["user_id"], CUT),
        (Entity.ITEM, tables.items["item_id"], datetime(2024, 2, 26)),
    ):
        asked = pl.DataFrame({entity.key: ids}).with_columns(event_timestamp=pl.lit(moment, pl.Datetime("us")))
        found.append(join_as_of(asked, feature_tables(tables, entity, (CUT,)), entity))
    return at(found[0], CUT), at(found[1], CUT, week=True)


def under(tables: Tables, **history: float) -> Schema:
    """The schema with another history, and one more column of users, which the data has."""
    views = []
    for view in tables.schema.views:
        features = tuple(replace(f, **history) if f.kind is Kind.HISTORY else f for f in view.features)
        views.append(replace(view, features=features))
    return replace(tables.schema, views=tuple(views))


@pytest.mark.parametrize("history", [{"half_life_days": 3.0}, {"length": 2}])
def test_they_are_those_that_its_own_training_set_has(tables: Tables, history: dict[str, float]) -> None:
    former = under(tables, **history)
    asked, corpus = frames(tables)
    found = own_frames(former, tables, asked[::2], corpus)
    wanted = frames(replace(tables, schema=former))
    assert not wanted[0].equals(asked)
    assert_frame_equal(found[0], wanted[0][::2])
    assert_frame_equal(found[1], wanted[1])
    assert found[1].filter(pl.col("item_id") == "i005")["popularity_all"].item() is None


def test_what_cannot_be_computed_any_more_is_named(tables: Tables) -> None:
    asked, corpus = frames(tables)
    brand = Feature(name="brand", kind=Kind.CATEGORICAL)
    views = [replace(v, features=(*v.features, brand)) if v.name == "item_profile" else v for v in tables.schema.views]
    with pytest.raises(InputError, match=r"items, column 'brand' \(no such column"):
        own_frames(replace(tables.schema, views=tuple(views)), tables, asked, corpus)
    with pytest.raises(InputError, match="features of version 0, and this code computes version"):
        own_frames(replace(tables.schema, features_version=0), tables, asked, corpus)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (True, "champion 1 cannot be measured: tower.pt2 is gone; `gatehouse doctor` names what is broken, and"),
        (False, "of then can compute them.*; bring back what .* `gatehouse promote 2 --override REASON`"),
    ],
)
def test_why_it_cannot_be_measured_is_noted_with_the_way_out(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, lost: bool, said: str
) -> None:
    registry = MemoryRegistry()
    registry.add("passed")
    registry.alias[CHAMPION] = 1
    manifest = SimpleNamespace(version=1, cut=CUT)

    def load(*_: object) -> Any:
        if lost:
            raise ReleaseError("tower.pt2 is gone")
        return SimpleNamespace(schema=replace(tables.schema, features_version=0), manifest=manifest)

    monkeypatch.setattr(champion_module, "Registry", lambda *_: registry)
    monkeypatch.setattr(champion_module, "check_may_serve", lambda *_: None)
    monkeypatch.setattr(champion_module, "read", lambda *_: manifest)
    monkeypatch.setattr(champion_module.Release, "load", load)
    settings: Any = None
    found = load_champion(settings, "shop", 2, tables, *frames(tables))
    assert (found.version, found.cut) == (1, None if lost else CUT)
    assert re.search(said, str(found.note))


@pytest.mark.parametrize("is_deleted", [False, True])
@pytest.mark.parametrize(("champion", "loaded"), [(1, 1), (2, 1), (3, None), (4, None)])
def test_in_place_of_a_refit_its_judged_twin_is_measured(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, champion: int, loaded: int | None, is_deleted: bool
) -> None:
    """Version 3 is evaluated: neither it nor its refit is its own champion. A deleted alias changes nothing."""
    registry = MemoryRegistry()
    registry.add("passed")
    registry.add("passed", **{TRAINING: "refit", PARENT: "1"})
    registry.add("passed")
    registry.add("passed", **{TRAINING: "refit", PARENT: "3"})
    record(registry, champion)  # type: ignore[arg-type]
    registry.alias = {} if is_deleted else {CHAMPION: champion}
    manifests = {number: SimpleNamespace(version=number, cut=CUT.replace(day=number)) for number in range(1, 5)}
    monkeypatch.setattr(champion_module, "Registry", lambda *_: registry)
    monkeypatch.setattr(champion_module, "check_may_serve", lambda *_: None)
    monkeypatch.setattr(champion_module, "read", lambda _, number: manifests[number])
    monkeypatch.setattr(
        champion_module.Release,
        "load",
        lambda _settings, _dataset, number: SimpleNamespace(schema=tables.schema, manifest=manifests[number]),
    )
    settings: Any = None
    found = load_champion(settings, "shop", 3, tables, *frames(tables))
    assert found.version == (champion if loaded else None)
    assert found.judged == loaded
    assert found.cut == (CUT.replace(day=loaded) if loaded else None)
