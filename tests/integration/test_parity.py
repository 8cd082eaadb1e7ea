"""Train/serve parity: real tables, a real online store, and the code that answers users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from feature_repo.schema import CREATED_TIME, ENTITY_TIME, Entity
from feature_repo.store.definitions import table_path
from orchestration.parity import K, Sample, differing_lists, measure_parity, sample_of
from orchestration.served_search import served_search
from serving.corpus import Corpus
from serving.gate.parity import Parity
from serving.index.base import Fields
from serving.model.bundle import ModelBundle
from serving.search import MemorySearcher
from tests.integration.release_world import ITEMS, NOW, schema, write_artifacts
from tests.integration.users_world import random_users
from training.retrieval.exact import Mask

LATER = timedelta(days=1)
USERS = random_users(300)


@dataclass
class World:
    """A version that is evaluated at NOW, with the feature tables of its users."""

    root: Path
    towers: ModelBundle
    tables: Any
    exclude: csr_array | None

    @property
    def corpus(self) -> Corpus:
        fields = Fields.of(self.towers.schema)
        searcher = MemorySearcher.build(ITEMS, self.towers.item.embed(ITEMS), fields)
        return Corpus(items=ITEMS, fields=fields, searcher=searcher, filterable=searcher.fields)

    def sample(self, seed: int = 0) -> Sample:
        embedded = self.towers.user.embed(USERS), ITEMS["item_id"], self.towers.item.embed(ITEMS)
        search = served_search(self.towers, USERS, *embedded)
        return sample_of(search, USERS, Mask(exclude=self.exclude), seed=seed)

    def measured(self, towers: ModelBundle | None = None) -> Parity:
        return measure_parity(
            self.sample(), self.root, self.tables, NOW, towers or self.towers, self.corpus, ITEMS["item_id"]
        )

    @contextmanager
    def changed(self, view: str, change: Any) -> Iterator[None]:
        """Change the table of a view within a block."""
        path = table_path(self.root, self.towers.schema.view(view))
        kept = pl.read_parquet(path)
        change(kept).write_parquet(path)
        yield
        kept.write_parquet(path)


@pytest.fixture(scope="module", params=[True, False], ids=["seen items return", "seen items never return"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("parity")
    own = schema(seen_items_may_return=request.param, repeats=True)
    towers = ModelBundle.from_folder(write_artifacts(root / "artifacts", own))
    stored = USERS.with_columns(pl.lit(NOW).alias(CREATED_TIME))
    for view in own.views_of(Entity.USER):
        path = table_path(root, view)
        path.parent.mkdir(parents=True, exist_ok=True)
        stored.select("user_id", ENTITY_TIME, CREATED_TIME, *view.columns).write_parquet(path)
    seen = USERS.select("user_id", item_id="history_items").explode("item_id").drop_nulls()
    # Seen after the cut, by everybody: no list of the cut may lack it.
    after = seen.with_columns(pl.lit("food00").alias("item_id"))
    events = pl.concat(
        [
            part.with_columns(pl.lit(moment).alias(name) for name in ("timestamp", "created"))
            for part, moment in ((seen, NOW - LATER), (after, NOW + LATER))
        ]
    )
    exclude = np.zeros((USERS.height, ITEMS.height), np.int8)
    inside = seen.filter(pl.col("item_id").is_in(ITEMS["item_id"].implode()))
    rows = [
        inside[name].replace_strict(ids, np.arange(len(ids)))
        for name, ids in (("user_id", USERS["user_id"]), ("item_id", ITEMS["item_id"]))
    ]
    exclude[tuple(rows)] = 1
    return World(
        root, towers, SimpleNamespace(schema=own, events=events), None if request.param else csr_array(exclude)
    )


def test_users_of_the_cut_are_answered_online_as_they_were_evaluated(world: World) -> None:
    assert world.measured() == Parity(users=100, features=dict.fromkeys(USERS.columns[2:], 0), lists=0, k=K)


def test_the_sample_is_drawn_by_the_seed(world: World) -> None:
    first, again, other = (world.sample(seed).ids for seed in (0, 0, 1))
    assert first == again != other
    assert len(set(first)) == 100


def test_values_of_later_do_not_reach_the_cut(world: World) -> None:
    """True of later, and true before but known later."""

    def add(table: pl.DataFrame) -> pl.DataFrame:
        wrong = table.with_columns(liked=pl.lit("toys"))
        later = wrong.with_columns(pl.lit(NOW + LATER).alias(name) for name in (ENTITY_TIME, CREATED_TIME))
        return pl.concat([table, later, wrong.with_columns(pl.lit(NOW + LATER).alias(CREATED_TIME))])

    with world.changed("user_profile", add):
        found = world.measured()
    assert (sum(found.features.values()), found.lists) == (0, 0)


def test_a_feature_that_differs_is_named_and_its_users_counted(world: World) -> None:
    """The tables have another value than the point-in-time join had, for the users who like toys."""
    with world.changed("user_profile", lambda table: table.with_columns(liked=pl.lit("food"))):
        found = world.measured()
    toys = (world.sample().asked["liked"] == "toys").sum()
    assert {name: users for name, users in found.features.items() if users} == {"liked": toys}
    assert 0 < found.lists <= toys


def test_users_without_a_row_online_differ(world: World) -> None:
    with world.changed("user_history", lambda table: table.clear()):
        found = world.measured()
    had = world.sample().asked["history_items"].is_not_null().sum()
    assert found.features["history_items"] == had


def test_a_model_that_answers_otherwise_is_seen(world: World, tmp_path: Path) -> None:
    other = ModelBundle.from_folder(write_artifacts(tmp_path / "other", world.towers.schema, slope=0.1))
    assert world.measured(other).lists == 0
    turned = replace(world.towers, user=replace(other.user, program=_Turned(other.user.program)))
    assert world.measured(turned).lists == 100


def test_items_that_an_index_misses_are_the_affair_of_index_recall(world: World) -> None:
    """Stored vectors alone are asked of a searcher that may lose items."""
    corpus = replace(world.corpus, searcher=_VectorsAlone(world.corpus.searcher))
    found = measure_parity(world.sample(), world.root, world.tables, NOW, world.towers, corpus, ITEMS["item_id"])
    assert found.lists == 0


class _VectorsAlone:
    """A searcher whose search is not to be used."""

    def __init__(self, searcher: Any) -> None:
        self.ids, self.vectors = searcher.ids, searcher.vectors


class _Turned:
    """A tower whose embeddings are a hundredth off."""

    def __init__(self, program: Any) -> None:
        self._program = program

    def in_parts(self, arrays: Any) -> np.ndarray:
        vectors: np.ndarray = self._program.in_parts(arrays) * np.float32(1.01)
        return vectors


def lists(*rows: tuple[int, str, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"user": pl.Int64, "item_id": pl.String, "score": pl.Float64}, orient="row")


@pytest.mark.parametrize(
    ("online", "differ"),
    [
        ([(0, "a", 0.9), (0, "b", 0.5)], 0),
        ([(0, "a", 0.9 + 5e-6), (0, "b", 0.5)], 0),
        ([(0, "a", 0.9 + 5e-5), (0, "b", 0.5)], 1),
        ([(0, "b", 0.9), (0, "a", 0.5)], 1),  # the same scores, of other items
        ([(0, "a", 0.9), (0, "c", 0.5)], 0),  # a tie at the end of the list
        ([(0, "a", 0.9), (0, "c", 0.6)], 1),
        ([(0, "a", 0.9)], 1),
        ([(0, "a", 0.9), (0, "b", float("nan"))], 1),
        ([], 1),
    ],
)
def test_lists_may_differ_in_the_order_of_equal_scores_alone(online: list[Any], differ: int) -> None:
    same = [(1, "a", 0.3)]
    assert differing_lists(lists((0, "a", 0.9), (0, "b", 0.5), *same), lists(*online, *same)) == differ
