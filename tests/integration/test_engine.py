"""Batches of an engine in this process: equal to `Retriever.recommend`, and each question for itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from feature_repo.errors import InputError
from feature_repo.store.online_rows import OnlineRows
from serving.engine.answerer import REASONS, Answerer
from serving.engine.facts import facts
from serving.engine.guarded_store import GuardedStore
from serving.engine.opening import open_answerer
from serving.engine.stages import Stages
from serving.guard import AwayError
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.registry import Registry
from serving.release.load import Release
from serving.release.manifest import ReleaseError
from serving.retriever import Retriever
from serving.service_settings import ServiceSettings
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
from tests.integration.users_world import random_users

WITHDRAWN = ["food07", "toys05"]


class Store(Online):
    """Online features that can go away; one user's row breaks what reads it."""

    def __init__(self) -> None:
        super().__init__(random_users(), WITHDRAWN)
        self.is_away = False

    def read_rows(self, entity: Any, ids: Sequence[str]) -> OnlineRows:
        if self.is_away:
            raise ConnectionError("refused")
        rows = super().read_rows(entity, ids)
        return replace(rows, columns={}, times_B=np.zeros_like(rows.times_B)) if "poison" in ids else rows


class World:
    def __init__(self, release: Release, index: MilvusIndex) -> None:
        self.store, self.clock = Store(), 0.0
        self.stages = Stages()
        guarded = GuardedStore(lambda: self.store, 5.0, self.stages, clock=lambda: self.clock)
        stale_after = timedelta(days=7)
        self.now = NOW + timedelta(days=1)
        self.answerer = Answerer(release, guarded, index, self.stages, stale_after=stale_after, now=self._now)
        self.retriever = Retriever(release, self.store, index)

    def _now(self) -> datetime:
        return self.now

    def ask(self, *users: str, k: int = 5, where: str | None = None, **options: Any) -> list[dict[str, Any]]:
        asked = {
            "op": "recommend",
            "k": k,
            "where": where,
            "exclude": [],
            "exclude_seen": False,
            "session": [],
            **options,
        }
        return self.answerer.answer([asked | {"user_id": user} for user in users])


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Release, MilvusIndex]]:
    root = tmp_path_factory.mktemp("engine")
    settings = fresh_home(root / "home", empty_database(root / "template"))
    seal_as(settings, register(settings, write_artifacts(root / "artifacts", schema(seen_items_may_return=False))))
    release = Release.load(settings, DATASET, 1)
    with MilvusIndex(settings, Fields.of(release.schema)) as index:
        yield release, index


@pytest.fixture
def world(opened: tuple[Release, MilvusIndex]) -> World:
    return World(*opened)


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


@pytest.mark.parametrize("where", [None, 'department == "food" and price < 9', "price > 100"])
def test_answers_are_those_of_the_retriever(world: World, where: str | None) -> None:
    users = ["user03", "nobody", "user11", "user03"]
    for user, answer in zip(users, world.ask(*users, where=where), strict=True):
        wanted = world.retriever.recommend(user, 5, where)
        items = [{"item_id": item.item_id, "score": item.score, "fields": item.fields} for item in wanted.items]
        assert (answer["user_id"], answer["items"], answer["notes"]) == (user, items, wanted.notes)
        assert (answer["version"], answer["source"]) == (1, wanted.source)


def test_excluded_items_are_replaced_by_the_next(world: World) -> None:
    (whole,) = world.ask("user03", k=10)
    left_out = ids(whole)[1:4]
    (answer,) = world.ask("user03", k=7, exclude=left_out)
    assert ids(answer) == [id_ for id_ in ids(whole) if id_ not in left_out]
    (few,) = world.ask("user03", k=3, where="price == 3", exclude=["food03", "toys03"])
    assert (ids(few), few["notes"][:1]) == ([], ("only 0 of 3 items match and are not left out",))


def test_seen_items_are_left_out_where_asked(opened: tuple[Release, MilvusIndex]) -> None:
    release, index = opened
    returning = replace(release, towers=replace(release.towers, schema=schema(seen_items_may_return=True)))
    world = World(returning, index)
    user = next(row["user_id"] for row in random_users().iter_rows(named=True) if len(row["history_items"]) > 3)
    seen = set(world.store.seen_rows([user])[0])
    (with_seen,), (without,) = world.ask(user, k=38), world.ask(user, k=38, exclude_seen=True)
    assert ids(without) == [id_ for id_ in ids(with_seen) if id_ not in seen]
    assert len(ids(without)) < len(ids(with_seen))

    def never(_: Any) -> Any:
        raise InputError("the seen items of shop are not online")

    world.store.seen_rows = never  # type: ignore[method-assign]
    (refused,) = world.ask(user, exclude_seen=True)
    assert refused["error"] == {"status": 422, "message": "the seen items of shop are not online"}
    assert world.ask(user)[0]["source"] == "two_tower"


def test_a_filter_that_cannot_be_read_is_the_answer_to_that_question_alone(world: World) -> None:
    asked = {"op": "recommend", "k": 2, "exclude": [], "exclude_seen": False, "session": [], "user_id": "user03"}
    good, bad, unknown = world.answerer.answer([asked | {"where": each} for each in (None, "price <", "colour == 1")])
    assert len(good["items"]) == 2
    assert (bad["error"]["status"], bad["error"]["position"]) == (422, 8)
    assert "the filterable fields are department, price" in unknown["error"]["message"]


def test_a_user_whose_row_breaks_something_fails_alone(world: World) -> None:
    first, broken, last = world.ask("user03", "poison", "user11")
    assert broken["error"]["status"] == 500
    assert "ColumnNotFound" not in str(broken)
    assert [first, last] == world.ask("user03", "user11")


def test_without_the_store_popular_items_answer_and_filters_hold(world: World) -> None:
    before = world.ask("user03")
    world.store.is_away = True
    answer, other = world.ask("user03", "user11", where='department == "food"')
    assert (answer["source"], ids(answer)) == ("popular", ["food01"])
    assert other["flags"] == {"degraded": "the online store does not answer (ConnectionError): popular items"}
    assert world.ask("user03", session=["food02"])[0]["flags"]["degraded"].endswith("answered from the session alone")
    assert ids(world.ask("user03", exclude=["food01"])[0]) == ["toys00"]  # the withdrawn stay away
    world.store.is_away = False
    world.clock += 60
    assert world.ask("user03") == before


def test_without_the_search_popular_items_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise AwayError("Milvus does not answer (MilvusException)")

    monkeypatch.setattr(type(world.answerer.corpus.searcher), "search", away)
    similar = {"op": "similar", "item_id": "food06", "k": 3, "where": None, "exclude": []}
    (refused,) = world.answerer.answer([similar])
    for session in ([], ["food02"]):
        (answer,) = world.ask("user03", session=session)
        assert (answer["source"], ids(answer)) == ("popular", ["food01", "toys00"])
        assert answer["flags"] == {"degraded": "Milvus does not answer (MilvusException): popular items"}
    assert refused["error"] == {"status": 503, "message": "Milvus does not answer (MilvusException)"}


def test_the_control_is_popular_items_for_everybody_without_what_was_seen(world: World) -> None:
    users = random_users().filter(~pl.col("history_items").list.contains("food01"))["user_id"].to_list()
    known, unknown = world.ask(users[0], "nobody", op="popular", k=2)
    assert (known["source"], known["flags"], known["notes"]) == ("popular", {}, ())
    assert ids(known) == ids(unknown) == ["food01", "toys00"]
    (filtered,) = world.ask(users[0], op="popular", where='department == "toys"')
    assert ids(filtered) == ["toys00"]
    seen = random_users().filter(pl.col("history_items").list.contains("food01"))["user_id"][0]
    assert ids(world.ask(seen, op="popular", k=4)[0]) == ["toys00"]
    assert ids(world.ask(users[0], op="popular", session=["food01"])[0]) == ["toys00"]
    world.store.seen_rows = lambda ids: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    assert world.ask("user03", op="popular")[0]["error"]["status"] == 500


def test_old_features_and_unknown_users_are_flagged(world: World) -> None:
    known, unknown = world.ask("user03", "nobody")
    assert (known["flags"], list(unknown["flags"])) == ({}, ["unknown"])
    world.now = NOW + timedelta(days=7, seconds=1)
    known, unknown = world.ask("user03", "nobody")
    reason = "the features stand for 2024-03-01 00:00, wanted at most 7 days ago"
    assert (known["flags"], list(unknown["flags"])) == ({"stale": reason}, ["unknown"])
    assert known["features_as_of"] == NOW.isoformat()


def test_the_features_of_a_user_with_a_new_event_are_not_old(world: World) -> None:
    world.now = NOW + timedelta(days=8)
    pushed = pl.when(pl.col("user_id") == "user03").then(pl.lit(NOW + timedelta(days=2))).otherwise("event_timestamp")
    world.store._users = world.store._users.with_columns(event_timestamp=pushed.cast(pl.Datetime("us")))
    fresh, quiet = world.ask("user03", "user11")
    assert (fresh["flags"], list(quiet["flags"])) == ({}, ["stale"])
    world.now = NOW + timedelta(days=10)
    assert "the features stand for 2024-03-03 00:00," in world.ask("user03")[0]["flags"]["stale"]


def test_similar_items_are_the_nearest_without_itself_and_the_withdrawn(world: World) -> None:
    asked = {"op": "similar", "item_id": "food06", "k": 3, "where": None, "exclude": ["food05"]}
    filtered, plain, missing = world.answerer.answer(
        [asked | {"where": 'department == "toys"'}, asked, asked | {"item_id": "gone"}]
    )
    assert ids(plain) == ["food08", "food04", "food09"]
    assert [item["score"] for item in plain["items"]] == sorted((i["score"] for i in plain["items"]), reverse=True)
    assert {item["fields"]["department"] for item in filtered["items"]} == {"toys"}
    assert missing["error"] == {"status": 404, "message": "the release has no item 'gone'"}


def test_reasons_are_the_nearest_items_of_the_history_with_the_session(world: World) -> None:
    users = {row["user_id"]: row for row in random_users().iter_rows(named=True)}
    user = next(id_ for id_, row in users.items() if row["history_items"])
    session, items = ["food01", "toys03"], ["food02", "toys03", "gone"]
    vectors = dict(zip(ITEMS["item_id"], world.answerer.release.embed_items(ITEMS), strict=True))
    for who, stored in ((user, users[user]["history_items"]), ("nobody", [])):
        (told,) = world.ask(who, op="explain", session=session, item_ids=items)
        history = [past["item_id"] for past in told["history"]]
        assert history == [*reversed(session), *(id_ for id_ in stored if id_ not in session)][:4]
        assert told["history"][0]["fields"]["department"] == "toys"
        assert list(told["reasons"]) == items[:2]
        for item_id, reasons in told["reasons"].items():
            cosines = {id_: float(vectors[id_] @ vectors[item_id]) for id_ in history if id_ in vectors}
            wanted = sorted((id_ for id_ in cosines if id_ != item_id), key=lambda id_: -cosines[id_])[:REASONS]
            assert [near["item_id"] for near in reasons] == wanted
            assert [near["cosine"] for near in reasons] == pytest.approx([cosines[id_] for id_ in wanted], abs=1e-3)
    assert world.ask("nobody", op="explain", item_ids=items)[0]["history"] == []
    world.store.is_away = True
    assert world.ask(user, op="explain", item_ids=items)[0]["error"]["status"] == 503


def test_known_users_are_found_by_a_part_of_their_id(world: World) -> None:
    (found,) = world.ask("", op="users", text="1", k=3)
    assert found["user_ids"] == ["user01", "user10", "user11"]
    assert world.ask("", op="users", text="user0", k=2)[0]["user_ids"] == ["user00", "user01"]


def test_facts_hold_the_popular_items_that_may_be_answered(world: World) -> None:
    told = facts(world.answerer)
    assert [(item["item_id"], item["score"]) for item in told["popular"]] == [("food01", 7.0), ("toys00", 1.0)]
    assert (told["version"], told["items"], told["verdict"]) == (1, 40, "passed")
    assert told["override"] is None
    fields = [(field["name"], field["display"], field["filterable"]) for field in told["fields"]]
    assert fields == [("department", True, True), ("price", False, True)]


def test_facts_have_the_reason_of_an_override(opened: tuple[Release, MilvusIndex]) -> None:
    release, index = opened
    overridden = World(replace(release, override="<b>why</b>"), index)
    assert facts(overridden.answerer)["override"] == "<b>why</b>"


def test_a_version_that_did_not_pass_is_refused(opened: tuple[Release, MilvusIndex]) -> None:
    settings = opened[1].settings
    failed = register(settings, Registry(settings, DATASET).download(1), input_key="another")
    seal_as(settings, failed, "failed")
    with (
        pytest.raises(ReleaseError, match=f"version {failed} does not serve: its verdict is failed"),
        open_answerer(settings, ServiceSettings(), DATASET, failed, Stages()),
    ):
        pass
