"""Feature tables in parts: the same rows as of the whole log at once, in a few entities at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.datasets import tiny
from feature_repo.datasets.canonical import Tables
from feature_repo.schema import Entity
from feature_repo.tables.build import feature_tables
from feature_repo.tables.join import join_as_of
from feature_repo.tables.parquet import TableWriter
from feature_repo.tables.parts import feature_parts
from feature_repo.tables.snapshots import answer_snapshots
from tests.logs import GRANULARITIES, ITEMS, MOMENTS, USERS, random_events, tables_of
from training.data.interactions import interactions, item_rows, new_since


def together(parts: list[dict[str, pl.DataFrame]]) -> Mapping[str, pl.DataFrame]:
    return {name: pl.concat([part[name] for part in parts]) for name in parts[0]}


def logs() -> list[Tables]:
    return [log_of(seed) for seed in range(4)]


def log_of(seed: int) -> Tables:
    """A random log, sorted as canonical tables are; each second one has impressions."""
    tables = tables_of(random_events(seed))
    shown = tables_of(random_events(seed + 10)).events.select("user_id", "item_id", "timestamp", "created")
    return replace(tables, items=tables.items.sort("item_id"), impressions=shown if seed % 2 else None)


@pytest.mark.parametrize("entity", list(Entity))
@pytest.mark.parametrize("size", [30, 100_000])
def test_parts_are_the_whole(entity: Entity, size: int) -> None:
    for tables in logs():
        whole, parts = (
            feature_tables(tables, entity, MOMENTS),
            feature_parts(tables, entity, MOMENTS, events_at_once=size),
        )
        found = together(list(parts))
        assert list(found) == list(whole)
        for name, table in whole.items():
            assert_frame_equal(found[name], table, check_exact=True)


def test_an_answer_has_a_row_of_its_user_and_an_update_computes_none() -> None:
    tables = log_of(1)
    assert tables.impressions is not None
    keys = ["user_id", "event_timestamp"]
    asked = answer_snapshots(tables.impressions)
    plain = feature_tables(replace(tables, impressions=None), Entity.USER, MOMENTS)
    for name, table in feature_tables(tables, Entity.USER, MOMENTS).items():
        if name == "user_profile":
            continue
        assert asked.join(table, on=keys, how="anti").is_empty()
        assert table.join(plain[name], on=keys, how="anti").join(asked, on=keys, how="anti").is_empty()
        assert table.height > plain[name].height
    updates = [
        feature_tables(each, Entity.USER, MOMENTS, since=MOMENTS[0])
        for each in (tables, replace(tables, impressions=None))
    ]
    for name, table in updates[0].items():
        assert_frame_equal(table, updates[1][name])


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_the_tables_of_an_update_are_rows_of_the_whole_and_enough_for_it(granularity: str) -> None:
    since, cut, _ = MOMENTS
    for seed in range(4):
        tables = tables_of(random_events(seed), snapshots=granularity)
        whole = feature_tables(tables, Entity.USER, MOMENTS)
        found = together(list(feature_parts(tables, Entity.USER, MOMENTS, since=since, events_at_once=30)))
        positives = interactions(tables.events, cut, granularity)
        new = new_since(positives, tables.events, since, granularity)
        asked = new.select("user_id", event_timestamp="query_time").unique()
        for name, table in found.items():
            keys = table.select("user_id", "event_timestamp")
            assert_frame_equal(table, whole[name].join(keys, on=keys.columns, how="semi"), check_exact=True)
            assert asked.join(keys, on=keys.columns, how="anti").is_empty()
            assert len(keys.filter(pl.col("event_timestamp").is_in(MOMENTS))) == len(USERS) * len(MOMENTS)
            assert len(table) < 0.8 * len(whole[name])
        assert (new["query_time"] < since).any()  # arrived late


def test_the_item_tables_of_an_update_answer_its_joins_as_the_whole() -> None:
    since, cut, _ = MOMENTS
    for seed in range(4):
        tables = tables_of(random_events(seed))
        whole = feature_tables(tables, Entity.ITEM, MOMENTS)
        found = together(list(feature_parts(tables, Entity.ITEM, MOMENTS, since=since, events_at_once=30)))
        new = new_since(interactions(tables.events, cut), tables.events, since)
        asked = item_rows(new, tables.items["item_id"], MOMENTS)
        assert_frame_equal(
            join_as_of(asked, found, Entity.ITEM), join_as_of(asked, whole, Entity.ITEM), check_exact=True
        )
        prompt = tables_of([event for event in random_events(seed) if event["created"] <= event["timestamp"]])
        few = together(list(feature_parts(prompt, Entity.ITEM, MOMENTS, since=since)))
        assert len(few["item_statistics"]) < 0.8 * len(feature_tables(prompt, Entity.ITEM, MOMENTS)["item_statistics"])


@pytest.mark.parametrize("entity", list(Entity))
def test_profiles_of_a_part_are_true_from_the_start_of_the_whole_log(entity: Entity) -> None:
    tables = tiny.load()
    ids = tables.events[entity.key].unique().sort()
    start = tables.events["timestamp"].min() + timedelta(weeks=3)  # type: ignore[operator]
    is_early = pl.col(entity.key) < ids[len(ids) // 3]
    tables = replace(tables, events=tables.events.filter(is_early | (pl.col("timestamp") > start)))
    found = together(list(feature_parts(tables, entity, (), events_at_once=tables.events.height // 4)))
    name = f"{entity.value}_profile"
    assert_frame_equal(found[name], feature_tables(tables, entity)[name], check_exact=True)


def test_items_have_statistics_until_the_end_of_the_whole_log() -> None:
    for seed in range(3):
        tables = log_of(seed)
        found = together(list(feature_parts(tables, Entity.ITEM, (), events_at_once=40)))
        for name, table in feature_tables(tables, Entity.ITEM).items():
            assert_frame_equal(found[name], table, check_exact=True)


def test_a_part_holds_few_events() -> None:
    tables = log_of(1)
    parts = [
        part["user_history"]["user_id"].unique().sort().to_list()
        for part in feature_parts(tables, Entity.USER, MOMENTS, events_at_once=80)
    ]
    assert [user for part in parts for user in part] == sorted(USERS)
    assert len(parts) >= 3
    counts = dict(tables.events.group_by("user_id").len().rows())
    assert all(sum(counts.get(user, 0) for user in part[1:]) <= 80 for part in parts)


def test_entities_without_events_have_their_rows() -> None:
    tables = log_of(2)
    silent = replace(tables, items=pl.DataFrame({"item_id": [*sorted(ITEMS), "z1", "z2"]}))
    for entity, of in ((Entity.USER, tables), (Entity.ITEM, silent)):
        found = together(list(feature_parts(of, entity, MOMENTS, events_at_once=1)))
        for name, table in feature_tables(of, entity, MOMENTS).items():
            assert_frame_equal(found[name], table, check_exact=True)


def test_a_written_table_reads_back_with_its_types(tmp_path: Path) -> None:
    parts = list(feature_parts(log_of(3), Entity.USER, MOMENTS, events_at_once=60))
    with TableWriter(tmp_path) as writer:
        for part in parts:
            for name, table in part.items():
                writer.write(name, table)
    for name, table in together(parts).items():
        assert_frame_equal(pl.read_parquet(tmp_path / f"{name}.parquet"), table, check_exact=True)
