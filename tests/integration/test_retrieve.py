"""From a user id to recommendations, through a promoted release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from feature_repo.schema import Entity
from feature_repo.store.online_rows import OnlineRows
from feature_repo.utc import microseconds
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.release.load import Release
from serving.release.manifest import ReleaseError, collection_name
from serving.release.promotion import promote
from serving.retriever import Retriever
from serving.settings import Settings
from tests.integration.release_world import (
    DATASET,
    ITEMS,
    NOW,
    USERS,
    Online,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)


def released(root: Path, *, seen_items_may_return: bool) -> Settings:
    settings = fresh_home(root / "home", empty_database(root / "template"))
    folder = write_artifacts(root / "artifacts", schema(seen_items_may_return=seen_items_may_return))
    seal_as(settings, register(settings, folder))
    promote(settings, DATASET, 1)
    return settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return released(tmp_path_factory.mktemp("films"), seen_items_may_return=False)


@pytest.fixture(scope="module")
def index(settings: Settings) -> Iterator[MilvusIndex]:
    with MilvusIndex(settings, Fields.of(schema())) as index:
        yield index


@pytest.fixture(scope="module")
def films(settings: Settings, index: MilvusIndex) -> Retriever:
    """A dataset whose seen items do not return."""
    return Retriever(Release.load(settings, DATASET), Online(), index)


@pytest.fixture(scope="module")
def groceries(films: Retriever, index: MilvusIndex) -> Retriever:
    """The same, but seen items may return."""
    towers = replace(films.release.towers, schema=schema(seen_items_may_return=True))
    return Retriever(replace(films.release, towers=towers), films._store, index)


def ids(retriever: Retriever, user: str, k: int, where: str | None = None) -> list[str]:
    return [item.item_id for item in retriever.recommend(user, k, where).items]


def test_users_get_the_nearest_items_of_their_taste_first(groceries: Retriever) -> None:
    answer = groceries.recommend("bert", 20)
    assert (answer.source, answer.version) == ("two_tower", 1)
    assert answer.notes == (f"answered as of {NOW:%Y-%m-%d}, the time of the newest features",)
    assert {item.fields["department"] for item in answer.items} == {"toys"}
    vectors_ND = groceries.release.embed_items(ITEMS)
    user_D = groceries.release.embed_users(USERS.filter(user_id="bert"))[0]
    best = ITEMS.with_columns(score=pl.Series(vectors_ND @ user_D)).top_k(20, by="score")
    assert [item.item_id for item in answer.items] == best["item_id"].to_list()
    assert [item.score for item in answer.items] == pytest.approx(best["score"].to_list(), abs=1e-5)


def test_seen_items_return_only_where_they_may(groceries: Retriever, films: Retriever) -> None:
    with_seen, without = ids(groceries, "anna", 10), ids(films, "anna", 10)
    assert {"food00", "food03"} <= set(ids(groceries, "anna", 40))
    assert not {"food00", "food03"} & set(ids(films, "anna", 40))
    assert len(without) == len(with_seen) == 10
    assert without == [id_ for id_ in ids(groceries, "anna", 12) if id_ not in ("food00", "food03")][:10]


def test_everything_seen_stays_out_not_only_the_history(films: Retriever, index: MilvusIndex) -> None:
    """The history that a tower reads is cut at its last items; a user may have seen nearly all there is."""
    seen = [f"{department}{n:02}" for department in ("food", "toys") for n in range(19)]
    online = Online()
    online.seen_rows = lambda ids: [seen if id_ == "anna" else [] for id_ in ids]  # type: ignore[method-assign]
    retriever = Retriever(films.release, online, index)
    assert ids(retriever, "anna", 40) == ["food19", "toys19"]
    assert len(ids(retriever, "bert", 40)) == 40


def test_withdrawn_items_are_not_answered(films: Retriever, index: MilvusIndex) -> None:
    withdrawn = ["food01", "toys05", "toys00"]
    retriever = Retriever(films.release, Online(withdrawn=withdrawn), index)
    for user in ("anna", "bert", "nobody"):
        assert not set(withdrawn) & set(ids(retriever, user, 40))
        assert ids(retriever, user, 3) == [id_ for id_ in ids(films, user, 40) if id_ not in withdrawn][:3]
    rows = retriever.recommend_all(["anna", "nobody"], 40)
    assert not set(withdrawn) & set(rows["item_id"])


def test_unknown_users_get_popular_items_that_are_still_there(films: Retriever) -> None:
    answer = films.recommend("nobody", 2)
    assert answer.source == "popular"
    assert [(item.item_id, item.score) for item in answer.items] == [("toys05", 9.0), ("food01", 7.0)]
    assert answer.items[0].fields == {"department": "toys", "price": 5.0}
    assert "nothing is known" in answer.notes[0]
    assert ids(films, "nobody", 2, 'department == "food"') == ["food01"]
    nothing = films.recommend("nobody", 2, "price > 100")
    assert (nothing.source, nothing.items) == ("popular", ())


def test_filters_hold(films: Retriever) -> None:
    answer = films.recommend("anna", 5, 'department == "toys" and price >= 17')
    assert sorted(item.item_id for item in answer.items) == ["toys17", "toys18", "toys19"]
    assert "only 3 of 5" in answer.notes[0]
    with pytest.raises(ValueError, match="filterable fields are department, price"):
        films.recommend("anna", 5, "liked == 'x'")


def test_k_beyond_the_corpus_gives_all_and_says_so(groceries: Retriever) -> None:
    answer = groceries.recommend("bert", 100_000)
    assert sorted(item.item_id for item in answer.items) == ITEMS["item_id"].to_list()
    assert "the corpus has 40" in answer.notes[0]
    with pytest.raises(ValueError, match="at least 1"):
        groceries.recommend("bert", 0)


def test_a_batch_answers_like_single_requests(films: Retriever) -> None:
    users = [f"new{n}" for n in range(300)] + ["anna", "bert", "anna", "carl"]
    rows = films.recommend_all(users, 3)
    assert rows["user_id"].unique(maintain_order=True).to_list() == [*users[:300], "anna", "bert", "carl"]
    for user in ("anna", "bert", "carl", "new7"):
        own = rows.filter(user_id=user)
        assert own["item_id"].to_list() == ids(films, user, 3)
        assert own["rank"].to_list() == [1, 2, 3][: len(own)]
    assert set(rows["version"]) == {1}
    assert rows.filter(user_id="new7")["source"].unique().to_list() == ["popular"]
    assert films.recommend_all([], 3).is_empty()


def test_only_the_judged_collection_is_searched(films: Retriever, index: MilvusIndex) -> None:
    other = replace(films.release.manifest, collection=collection_name(DATASET, 2))
    with pytest.raises(ReleaseError, match="holds nothing"):
        Retriever(replace(films.release, manifest=other), films._store, index)
    other = replace(films.release.manifest, items_fingerprint="0" * 64)
    with pytest.raises(ReleaseError, match="other content"):
        Retriever(replace(films.release, manifest=other), films._store, index)


def test_a_request_at_another_time_reads_the_same_features_with_other_ages(
    groceries: Retriever, index: MilvusIndex
) -> None:
    """The tower of the world sees no age, so its encoder is watched."""
    asked: list[int] = []
    retriever = Retriever(groceries.release, Online(), index)
    encode = retriever._lists._encoder.encode

    def watched(columns: Mapping[str, Sequence[Any]], times_B: np.ndarray) -> dict[str, np.ndarray]:
        asked.extend(times_B.tolist())
        return encode(columns, times_B)

    retriever._lists._encoder.encode = watched  # type: ignore[method-assign]
    at = NOW + timedelta(days=3)
    retriever.recommend("anna", 2, at=at)
    retriever.recommend_all(["anna", "bert"], 2, at=at)
    retriever.recommend("anna", 2)
    assert asked == [microseconds(at)] * 3 + [microseconds(NOW)]
    with pytest.raises(ValueError, match="newer than the request"):
        retriever.recommend("anna", 2, at=NOW - timedelta(seconds=1))


def test_the_moment_of_a_request_does_not_depend_on_who_else_is_in_the_batch(
    groceries: Retriever, index: MilvusIndex
) -> None:
    """Of a log that has stopped, a user who has just clicked is answered as of now, all others as of its end."""
    clicked = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    asked: list[int] = []
    online = Online()
    read_rows = online.read_rows

    def with_click(entity: Entity, ids: Sequence[str]) -> OnlineRows:
        rows = read_rows(entity, ids)
        times = [
            microseconds(clicked) if id_ == "anna" else time for id_, time in zip(rows.ids, rows.times_B, strict=True)
        ]
        return replace(rows, times_B=np.array(times))

    online.read_rows = with_click  # type: ignore[method-assign]
    retriever = Retriever(groceries.release, online, index)
    encode = retriever._lists._encoder.encode

    def watched(columns: Mapping[str, Sequence[Any]], times_B: np.ndarray) -> dict[str, np.ndarray]:
        asked.extend(times_B.tolist())
        return encode(columns, times_B)

    retriever._lists._encoder.encode = watched  # type: ignore[method-assign]
    retriever.recommend_all(["anna", "bert"], 2)
    assert asked[0] >= microseconds(clicked)
    assert asked[1] == microseconds(NOW)
