"""User tables of one moment, under the schema of a kept release."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.datasets.canonical import Tables, default_as_of
from feature_repo.errors import InputError
from feature_repo.schema import ENTITY_TIME, Entity, Feature, Kind, Schema
from feature_repo.tables.build import feature_tables
from feature_repo.tables.other_schema import under_schema
from feature_repo.tables.parts import latest_parts
from tests.worlds import taste_groups


@pytest.fixture(scope="module")
def tables() -> Tables:
    return taste_groups()


def with_profile(schema: Schema, *features: Feature) -> Schema:
    views = [replace(view, features=features) if view.name == "user_profile" else view for view in schema.views]
    return replace(schema, views=tuple(views))


def latest(tables: Tables, moment: datetime) -> dict[str, pl.DataFrame]:
    parts = list(latest_parts(tables, moment))
    return {name: pl.concat(part[name] for part in parts) for name in parts[0]}


def test_they_are_the_last_rows_of_the_whole_tables(tables: Tables) -> None:
    moment = default_as_of(tables)
    whole, last = feature_tables(tables, Entity.USER, [moment]), latest(tables, moment)
    assert last.keys() == whole.keys()
    for name, table in last.items():
        wanted = whole[name] if name == "user_profile" else whole[name].filter(pl.col(ENTITY_TIME) == moment)
        assert_frame_equal(table, wanted)
        assert set(table["user_id"]) == set(tables.users["user_id"])


def test_a_former_schema_gets_the_columns_that_it_declares(tables: Tables) -> None:
    region = next(f for f in tables.schema.features_of(Entity.USER) if f.name == "region")
    tier = Feature(name="tier", kind=Kind.CATEGORICAL)
    newer = replace(
        tables,
        schema=with_profile(tables.schema, region, tier),
        users=tables.users.with_columns(tier=pl.lit("gold")),
    )
    former = under_schema(newer, tables.schema)
    moment = default_as_of(tables)
    for name, table in latest(former, moment).items():
        assert_frame_equal(table, latest(tables, moment)[name])


def test_what_the_data_lacks_is_named(tables: Tables) -> None:
    tier, height = Feature(name="tier", kind=Kind.CATEGORICAL), Feature(name="region", kind=Kind.NUMERIC)
    with pytest.raises(InputError, match=r"'region' \(String, wanted Float64\); users, column 'tier' \(no such column"):
        under_schema(tables, with_profile(tables.schema, height, tier))
    poorer = replace(tables, events=tables.events.drop("value"))
    with pytest.raises(InputError, match="events, column 'value'"):
        under_schema(poorer, tables.schema)
