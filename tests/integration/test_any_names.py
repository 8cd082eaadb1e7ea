"""Columns of any name and values of any kind, from files to a filtered answer."""

from __future__ import annotations

import keyword
import random
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal
from torch import nn

from feature_repo.datasets.canonical import Tables, default_as_of
from feature_repo.datasets.custom import load
from feature_repo.schema import ENTITY_TIME, Entity, Kind
from feature_repo.store.definitions import table_path
from feature_repo.store.sqlite_online import open_store
from feature_repo.store.store import Store
from feature_repo.tables.build import feature_tables
from feature_repo.tables.join import join_as_of
from orchestration.index_recall import sampled_index_recall
from serving.corpus import open_corpus
from serving.index.base import Fields
from serving.index.filters import MAX_LENGTH, quoted
from serving.index.lite_files import open_index
from serving.index.milvus import MilvusIndex
from tests.integration.index_world import settings_in
from training.data.interactions import at, interactions, item_rows, query_rows
from training.recipes import MLP, RepeatTerm, SelfSupervised, TowerConfig, TrainConfig
from training.towers import embed
from training.untrained import untrained

SCHEMAS, FEATURES, USERS, ITEMS = 24, 14, 12, 30
PYTHON = [*keyword.kwlist, *keyword.softkwlist, "self", "exprs", "print"]
SQL = ["select", "SELECT", "order", "group", "table", "rowid", "count", "index", "KEY", "user", "natural"]
MILVUS = ["like", "LIKE", "IN", "null", "exists", "iso", "interval", "true", "embedding", "json_contains", "text_match"]
TORCH = [name for name in dir(nn.ModuleDict()) if name.isidentifier()]
OWN = [
    "row", "query", "event", "value", "code", "text", "known", "moment", "number", "rank", "position", "source",
    "__row", "__moment", "__known", "__query", "column_0", "given_0", "view_0_column_3", "field_0", "timestamp",
    "row_event_timestamp", "row_created", "entity_row_id", "query_time", "query_time_row", "bought_items", "pair",
    "codes_of_kind", "block", "enter", "version", "basket_id", "item", "items", "user_", "name", "tables_0",
]  # fmt: skip
COLLIDING = ["price", "price_bucket", "price_bucket_", "price_cycles", "Kind", "KIND", "kind", "KIND_1", "Price"]
LETTERS = ["ﬁne", "fine", "ℌ", "имя", "名前", "naïve", "i\u0307", "x\u0302", "a" * 200, "ªº", "𝐱", "हिन्दी"]
NAMES = [*PYTHON, *SQL, *MILVUS, *TORCH, *OWN, *COLLIDING, *LETTERS]
VALUES = [
    "🛒", "👩\u200d👧", "a\u0001\u007fb", "tab\tline\nreturn\r", 'q"u\'o', "back\\slash", "\u2028", "$meta", "{[1]}",
    "%s",     "x" * 70_000, "é" * 35_000, "हिन्दी किताब", "İstanbul", "a,b;c", " lead", "1", "True", "~", "\u200b", "\0",
]  # fmt: skip
KINDS = [Kind.CATEGORICAL] * 5 + [Kind.NUMERIC, Kind.NUMERIC, Kind.TIMESTAMP, Kind.TEXT, Kind.MULTI_VALUED, Kind.ID]
START = datetime(2024, 1, 1)
CONFIG = TrainConfig(
    dim=8,
    tower=TowerConfig(user=MLP(hidden=(8,)), item=MLP(hidden=(8,)), embedding_dim=4),
    self_supervised=SelfSupervised(items=6),
    repeat=RepeatTerm(),
)


def table(dice: random.Random, key: str, rows: int, names: list[str]) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Entities with random features, and the features as in a gatehouse.yaml."""
    columns: list[pl.Series] = [pl.Series(key, [f"{key[0]}{row}{VALUES[row % 4]}" for row in range(rows)])]
    features: dict[str, Any] = {}
    for name in names:
        kind = dice.choice(KINDS)
        options: dict[str, Any] = {"kind": kind.value}
        if kind is Kind.NUMERIC:
            values: list[Any] = [dice.choice([None, "1.5", "-2", "1e300", "0"]) for _ in range(rows)]
        elif kind is Kind.TIMESTAMP:
            values = [dice.choice([None, "2020-02-03 04:05:06", "1999-12-31"]) for _ in range(rows)]
            options["cycles"] = ["day", "year"]
        else:
            few = dice.sample(VALUES, dice.randrange(1, 5))
            values = [dice.choice([None, *few]) for _ in range(rows)] if dice.random() < 0.9 else [None] * rows
        if key == "item_id" and kind in (Kind.CATEGORICAL, Kind.NUMERIC):
            options["filterable"] = True
        elif key == "item_id" and kind in (Kind.TEXT, Kind.MULTI_VALUED):
            options |= {"display": True}
        features[name] = options
        columns.append(pl.Series(name, values, pl.String))
    return pl.DataFrame(columns), features


def write_world(folder: Path, seed: int) -> Path:
    """Folder of files with a gatehouse.yaml."""
    dice = random.Random(seed)
    names = dice.sample(sorted(set(NAMES)), 2 * FEATURES)
    users, of_users = table(dice, "user_id", USERS, names[:FEATURES])
    items, of_items = table(dice, "item_id", ITEMS, names[FEATURES:])
    moments = sorted(dice.randrange(60 * 24) for _ in range(400))
    events = pl.DataFrame(
        {
            "user_id": [users["user_id"][dice.randrange(USERS)] for _ in moments],
            "item_id": [items["item_id"][dice.randrange(ITEMS)] for _ in moments],
            "timestamp": [str(START + timedelta(hours=hour)) for hour in moments],
        }
    )
    folder.mkdir()
    config: dict[str, Any] = {
        "dataset": dice.choice(["shop", "select", "läden", "日本", "class", "a" * 100, "i\u0307"]),
        "seen_items_may_return": True,
    }
    parts = (("events", events, {}), ("users", users, of_users), ("items", items, of_items))
    for part, frame, features in parts:
        if dice.random() < 0.5:
            file = f"{part}.csv"
            frame.write_csv(folder / file, quote_style="always")
        else:
            file = f"{part}.parquet"
            frame.write_parquet(folder / file)
        ids = {"id": f"{part[:-1]}_id", "features": features}
        config[part] = {"file": file} | (
            ids if features else {"user": "user_id", "item": "item_id", "timestamp": "timestamp"}
        )
    (folder / "gatehouse.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    return folder


def stored(tables: Tables, folder: Path, moments: tuple[datetime, ...]) -> dict[Entity, dict[str, pl.DataFrame]]:
    """Feature tables, written as the store reads them."""
    built = {entity: feature_tables(tables, entity, moments) for entity in Entity}
    for view in tables.schema.views:
        path = table_path(folder, view)
        path.parent.mkdir(parents=True, exist_ok=True)
        built[view.entity][view.name].write_parquet(path)
    return built


@pytest.mark.parametrize("seed", range(SCHEMAS))
def test_any_column_and_value_reaches_a_filtered_answer(tmp_path: Path, seed: int) -> None:
    tables = load(write_world(tmp_path / "data", seed))
    moment = default_as_of(tables)
    cut = START + timedelta(days=55)
    built = stored(tables, tmp_path / "tables", (cut, moment))
    store = Store(tables.schema, tmp_path / "home")
    store.apply(tmp_path / "tables")
    positives = interactions(tables.events, cut)
    asked = {
        Entity.USER: query_rows(positives, tables.users["user_id"], (cut,)),
        Entity.ITEM: item_rows(positives, tables.items["item_id"], (cut,)),
    }
    joined = {}
    for entity, entities in ((Entity.USER, tables.users), (Entity.ITEM, tables.items)):
        now = entities.select(entity.key, pl.lit(moment, pl.Datetime("us")).alias(ENTITY_TIME))
        rows = pl.concat([asked[entity], now]).unique().sort(entity.key, ENTITY_TIME)
        joined[entity] = store.join(entity, rows)
        assert_frame_equal(joined[entity], join_as_of(rows, built[entity], entity), check_exact=True)
        offline = joined[entity].filter(pl.col(ENTITY_TIME) == moment).drop(ENTITY_TIME)
        assert_frame_equal(offline.select(entities.columns), entities, check_exact=True)
        store.load_online(entity, moment)
        for reader in (store, open_store(tables.schema, tmp_path / "home")):
            online = reader.read_online(entity, entities[entity.key].to_list())
            assert_frame_equal(online.drop(ENTITY_TIME), offline, check_exact=True)
    corpus = at(joined[Entity.ITEM], cut, week=True)
    frames = joined[Entity.USER], joined[Entity.ITEM]
    start, _ = untrained(tables.schema, *frames, corpus, positives, CONFIG, 0)
    item_ND = embed(start.model.item, start.item_encoder.encode(corpus))
    queries = joined[Entity.USER].head(3)
    user_QD = embed(start.model.user, start.user_encoder.encode(queries))
    assert np.isfinite(item_ND).all() and np.isfinite(user_QD).all()
    check_index(tmp_path, tables, corpus, item_ND, user_QD)


def check_index(folder: Path, tables: Tables, corpus: pl.DataFrame, item_ND: np.ndarray, user_QD: np.ndarray) -> None:
    """Each value of each field finds the items that have it, in Milvus and in its files."""
    fields, settings = Fields.of(tables.schema), settings_in(folder / "index")
    with MilvusIndex(settings, fields) as index:
        index.build("shop_items_v1", corpus, item_ND)
    for kind in ("memory", "milvus"):
        with open_corpus(replace(settings, search=kind), fields, "shop_items_v1") as served:
            found = sampled_index_recall(served, tables.schema, corpus, user_QD, item_ND, None, k=5, seed=0)
            assert found == (1.0, 3)
    with MilvusIndex(settings, fields) as index, open_index(settings, fields, "shop_items_v1") as files:
        for reader, name in product((index, files), sorted(fields.filterable)):
            for value in corpus[name].drop_nulls().unique():
                where = f"{name} == {quoted(value) if isinstance(value, str) else repr(value)}"
                if len(where) <= MAX_LENGTH:
                    (found,) = reader.search("shop_items_v1", user_QD[:1], ITEMS, where).ids
                    assert sorted(found) == corpus.filter(pl.col(name) == value)["item_id"].sort().to_list()
