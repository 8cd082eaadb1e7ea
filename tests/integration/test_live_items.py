"""Items that come and go while an engine serves: each answer has them, and the index stays as it was judged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from feature_repo.items.item import parse_item
from feature_repo.items.store import ItemStore
from feature_repo.schema import Schema
from serving.engine.answerer import Answerer
from serving.engine.guarded_store import GuardedStore
from serving.engine.live_items import LiveItems
from serving.engine.stages import Stages
from serving.guard import AwayError
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.open import open_retriever
from serving.release.load import Release
from serving.release.promotion import promote
from serving.search import IndexSearcher
from serving.settings import Settings
from serving.variables import MILVUS
from tests.integration.release_world import (
    DATASET,
    ITEMS,
    NOW,
    Online,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)
from tests.integration.serving_world import load_users

SCHEMA: Schema = schema()
CHEAP: dict[str, Any] = {"department": "food", "price": 4.5}
"""Between food04 and food05 for whom likes food."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("live")
    settings = fresh_home(root / "home", empty_database(root / "template"))
    for number in range(2):
        folder = write_artifacts(root / f"artifacts{number}", SCHEMA, slope=0.1 - 0.19 * number)
        seal_as(settings, register(settings, folder, input_key=f"key{number}"))
    load_users(settings, root / "tables")
    promote(settings, DATASET, 1)
    return settings


class World:
    """An engine of one version in this process, beside an item store."""

    def __init__(self, home: Settings, path: Path, index: MilvusIndex, version: int = 1, most: int = 10) -> None:
        self.items = ItemStore(path)
        self.online = Online()
        self.clock = 0.0
        release = Release.load(home, DATASET, version, quick_start=True)
        store = GuardedStore(lambda: self.online, 5.0, Stages(), clock=lambda: self.clock)
        self.answerer = Answerer(
            release, store, index, Stages(), stale_after=timedelta(days=9_999), clock=lambda: self.clock
        )
        self.live = LiveItems(path, release, self.answerer.judged, most=most)
        self.answerer.offer.follow(self.live)

    def put(self, **items: dict[str, Any]) -> dict[str, Any]:
        """Put items, and wait until the engine has them."""
        new = [parse_item({"item_id": id_, **fields}, SCHEMA) for id_, fields in items.items()]
        _, sequence = self.items.put(new, NOW)
        deadline = time.monotonic() + 20
        while (state := self.ask("items", item_ids=list(items), sequence=sequence, required=False))[
            "sequence"
        ] < sequence:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return state

    def ask(self, op: str, **question: Any) -> dict[str, Any]:
        (answer,) = self.answerer.answer([{"op": op, **question}])
        return answer

    def recommend(self, user: str = "carl", k: int = 50, **question: Any) -> list[str]:
        asked = {"where": None, "exclude": [], "exclude_seen": False, "session": [], **question}
        self.last = self.ask("recommend", user_id=user, k=k, **asked)
        return [each["item_id"] for each in self.last["items"]]

    def similar(self, item_id: str, k: int = 5, where: str | None = None) -> list[str]:
        return [each["item_id"] for each in self.ask("similar", item_id=item_id, k=k, where=where, exclude=[])["items"]]


@pytest.fixture(scope="module")
def index(home: Settings) -> Iterator[MilvusIndex]:
    with MilvusIndex(home, Fields.of(SCHEMA)) as index:
        yield index


@pytest.fixture
def world(home: Settings, index: MilvusIndex, tmp_path: Path) -> Iterator[World]:
    world = World(home, tmp_path / "items.db", index)
    with closing(world.live):
        yield world


def test_a_new_item_is_answered_where_its_features_put_it(world: World) -> None:
    before = world.recommend()
    assert world.put(n1=CHEAP)["count"] == 1
    after = world.recommend()
    assert after.index("n1") == before.index("food05")
    assert [each for each in after if each != "n1"] == before
    assert [each for each in world.last["items"] if each.get("new")] == [
        {
            "item_id": "n1",
            "score": world.last["items"][after.index("n1")]["score"],
            "fields": {"department": "food", "price": 4.5},
            "new": True,
        }
    ]
    assert world.recommend(where="price > 4 and price < 5") == ["n1"]
    assert "n1" not in world.recommend(where='department == "toys"')
    assert "n1" not in world.recommend(exclude=["n1"])
    assert world.recommend(k=after.index("n1") + 1)[-1] == "n1"


def test_a_new_item_equals_an_item_of_the_corpus_with_its_features(world: World) -> None:
    world.put(n1={"department": "food", "price": 7.0})
    scores = {each["item_id"]: each["score"] for each in (world.recommend(), world.last)[1]["items"]}
    assert scores["n1"] == pytest.approx(scores["food07"], abs=1e-6)
    assert world.similar("food07", k=1) == ["n1"]
    assert world.similar("n1", k=1) == ["food07"]
    assert world.similar("n1", k=1, where="price > 7") == ["food08"]
    reasons = world.ask(
        "explain", user_id="anna", k=5, where=None, exclude=[], exclude_seen=False, session=[], item_ids=["n1"]
    )["reasons"]
    assert [each["item_id"] for each in reasons["n1"]] == ["food03", "food00"]


def test_new_items_are_found_beside_those_that_milvus_finds(
    world: World, home: Settings, index: MilvusIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "settings", replace(home, search=MILVUS))
    other = World(home, tmp_path / "items.db", index)
    with closing(other.live):
        assert isinstance(other.answerer.judged.searcher, IndexSearcher)
        other.put(n1=CHEAP)
        world.put(n1=CHEAP)
        for question in ({}, {"k": 6}, {"where": "price < 5"}, {"exclude": ["food04", "n1"]}):
            assert other.recommend(**question) == world.recommend(**question)
        assert "n1" in other.recommend()
        assert other.similar("n1") == world.similar("n1")


def test_a_new_item_that_was_seen_is_left_out_where_seen_items_are(world: World) -> None:
    world.put(n1=CHEAP)
    users = world.online._users
    seen = pl.Series("history_items", [["food00", "food03", "n1"], [], None])
    world.online._users = users.with_columns(seen)
    assert "n1" in world.recommend("anna")
    assert "n1" not in world.recommend("anna", exclude_seen=True)
    assert "n1" not in world.recommend(session=["n1"], exclude_seen=True)
    # of the towers, no session item is new
    assert world.recommend("nobody", session=["n1"], k=2) == ["toys05", "food01"]
    assert "1 items of the session are not in the release, such as 'n1'" in world.last["notes"]


def test_hidden_items_vanish_from_the_next_answer_on_and_come_back(world: World) -> None:
    world.put(n1=CHEAP)
    before, popular = world.recommend(), world.recommend("nobody")
    similar = world.similar("food07", k=50)
    hidden = {"n1", "food03", "toys05"}
    world.items.hide(hidden, NOW)
    assert world.recommend() == [each for each in before if each not in hidden]
    assert world.recommend("nobody") == [each for each in popular if each not in hidden]
    assert world.similar("food07", k=50) == [each for each in similar if each not in hidden]
    assert world.recommend(where="price == 3") == ["toys03"]
    world.items.show(hidden)
    assert world.recommend() == before


def test_other_content_replaces_a_new_item_and_never_a_judged_one(world: World) -> None:
    before = world.recommend()
    world.put(n1=CHEAP)
    state = world.put(n1={"department": "toys", "price": 4.5}, food03={"department": "toys", "price": 0.0})
    assert (state["count"], state["judged"], state["failed"]) == (1, ["food03"], {})
    assert [each for each in world.recommend() if each != "n1"] == before
    assert world.recommend().index("n1") > before.index("food19")


def test_so_many_new_items_and_no_more(home: Settings, index: MilvusIndex, tmp_path: Path) -> None:
    world = World(home, tmp_path / "items.db", index, most=2)
    with closing(world.live):
        world.put(n1=CHEAP, n2=CHEAP)
        state = world.put(n1={"department": "food", "price": 1.5}, n3=CHEAP)
        assert state["count"] == 2
        assert state["failed"] == {"n3": "the release has 2 new items, and takes no more"}
        assert world.recommend(where="price > 1 and price < 2") == ["n1"]


def test_another_release_embeds_them_with_its_own_tower(home: Settings, index: MilvusIndex, tmp_path: Path) -> None:
    order = []
    for version in (1, 2):
        world = World(home, tmp_path / "items.db", index, version)
        with closing(world.live):
            if version == 1:
                world.put(n1={"department": "food", "price": 4.0}, food01=CHEAP)
            # there from the first answer on
            order.append(world.recommend())
            corpus = world.answerer.corpus
            vectors_2D = corpus.searcher.vectors(corpus.rows(["n1", "food04"]))
            assert np.allclose(vectors_2D[0], vectors_2D[1], atol=1e-6)
    assert order[0] != order[1]
    assert order[0].count("food01") == 1


def test_items_withdrawn_by_a_run_are_noticed_while_the_engine_serves(world: World, monkeypatch: Any) -> None:
    assert "food03" in world.recommend()
    world.online._withdrawn = ["food03"]
    world.clock = 10.0
    assert "food03" not in world.recommend()

    def away() -> list[str]:
        raise AwayError("away")

    monkeypatch.setattr(world.answerer.offer._store, "withdrawn_items", away)
    world.clock = 20.0
    assert "food03" not in world.recommend()


def test_items_are_hidden_while_the_online_store_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put(n1=CHEAP)

    def away(*_: Any) -> Any:
        raise ConnectionError("refused")

    for name in ("read_rows", "withdrawn_items", "loaded_until", "seen_rows"):
        monkeypatch.setattr(world.online, name, away)
    world.clock = 10.0
    world.items.hide(["toys05"], NOW)
    assert world.recommend("anna", k=2) == ["food01", "toys00"]
    assert world.last["flags"].keys() == {"degraded"}


def test_the_control_of_an_experiment_has_no_hidden_items(world: World) -> None:
    asked = {"where": None, "exclude": [], "exclude_seen": False, "session": []}
    world.items.hide(["toys05"], NOW)
    items = world.ask("popular", user_id="anna", k=2, **asked)["items"]
    assert [each["item_id"] for each in items] == ["food01", "toys00"]


def test_an_unknown_item_is_told_with_the_nearest(world: World) -> None:
    state = world.ask("items", item_ids=["food0", "food03"], sequence=0, required=False)
    assert (state["unknown"], state["judged"]) == (["food0"], ["food03"])
    error = world.ask("items", item_ids=["food033"], sequence=0, required=True)["error"]
    assert error["status"] == 404
    assert error["message"].startswith("no item 'food033'; the nearest ids are 'food03'")


def test_a_store_that_breaks_leaves_everything_as_it_was(world: World, monkeypatch: Any) -> None:
    world.items.hide(["food03"], NOW)
    before = world.recommend()
    assert "food03" not in before
    world.items.path.write_bytes(b"no database" * 1_000)
    world.live._hidden_reader.close()
    world.live._hidden_reader._connection = None
    assert world.recommend() == before


def test_the_command_answers_no_hidden_items_either(home: Settings) -> None:
    ItemStore(home.item_store(DATASET)).hide(["food00"], NOW)
    with open_retriever(home, DATASET) as retriever:
        assert "food00" not in {each.item_id for each in retriever.recommend("user03", 40).items}
    ItemStore(home.item_store(DATASET)).show(["food00"])
    with open_retriever(home, DATASET) as retriever:
        assert len(retriever.recommend("user03", 40).items) == len(ITEMS)
