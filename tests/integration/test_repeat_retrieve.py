"""Recommendations of a release with a repeat head, against a brute-force reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import polars as pl
import pytest

from orchestration.served_search import served_search
from serving.index.base import Fields
from serving.index.exact import ExactIndex
from serving.index.milvus import MilvusIndex
from serving.model.bundle import ModelBundle
from serving.pt2 import UnsafeArchiveError
from serving.registry import Registry
from serving.release.index_proof import prove
from serving.release.load import Release
from serving.release.manifest import ReleaseError, read
from serving.release.promotion import promote
from serving.request import Request
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
from tests.integration.users_world import DAY, random_users
from training.retrieval.exact import exact_search

LENGTH = 4


@dataclass(frozen=True, kw_only=True)
class World:
    settings: Settings
    release: Release
    milvus: MilvusIndex


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("repeats")
    settings = fresh_home(root / "home", empty_database(root / "template"))
    seal_as(settings, register(settings, write_artifacts(root / "artifacts", schema(repeats=True))))
    promote(settings, DATASET, 1)
    release = Release.load(settings, DATASET)
    with MilvusIndex(settings, Fields.of(release.schema)) as milvus:
        yield World(settings=settings, release=release, milvus=milvus)


def vectors_of(release: Release) -> dict[str, np.ndarray]:
    """Embeddings by item id, with those of two items that no tower knows."""
    vectors = dict(zip(ITEMS["item_id"], release.embed_items(ITEMS), strict=True))
    return vectors | {"gone1": vectors["toys18"], "gone2": vectors["toys19"]}


def reference(user: pl.DataFrame, user_D: np.ndarray, vectors: dict[str, np.ndarray], items: pl.DataFrame, k: int):  # type: ignore[no-untyped-def]
    """Every item's score in Python: the inner product, with count, age and decayed count for those of the history that
    are known."""
    scores = {id_: float(vectors[id_] @ user_D) for id_ in items["item_id"]}
    history = user.select("history_items", "history_times", "history_counts", "history_decayed").row(0)
    for id_, time, count, moment in list(zip(*history, strict=True))[:LENGTH] if history[0] else []:
        if id_ in scores and id_ in set(ITEMS["item_id"]):
            days = (NOW - datetime(1970, 1, 1) - timedelta(microseconds=time)) / timedelta(days=1)
            half_lives = (moment - (NOW - datetime(1970, 1, 1)) / timedelta(microseconds=1)) / (30 * DAY)
            scores[id_] += 0.3 * np.log1p(count) - 0.2 * np.log1p(days) + 0.1 * np.log(2) * half_lives
    return sorted(scores.items(), key=lambda each: (-each[1], each[0]))[:k]


def same(rows: pl.DataFrame, wanted: list[tuple[str, float]]) -> None:
    assert rows["item_id"].to_list() == [id_ for id_, _ in wanted]
    assert rows["rank"].to_list() == list(range(1, len(wanted) + 1))
    assert rows["score"].to_list() == pytest.approx([score for _, score in wanted], abs=1e-5)


@pytest.mark.parametrize(
    ("where", "keep"),
    [
        (None, pl.lit(True)),
        ('department == "toys" and price < 9', (pl.col("department") == "toys") & (pl.col("price") < 9)),
        ("price > 100", pl.lit(False)),
    ],
)
@pytest.mark.parametrize("k", [1, 7, 1_000])
def test_lists_are_those_of_a_sort_of_all_scores(world: World, k: int, where: str | None, keep: pl.Expr) -> None:
    """In an index without some items that the towers know, and with some that they do not."""
    new = ITEMS.tail(2).with_columns(item_id=pl.Series(["gone1", "gone2"]))
    items = pl.concat([ITEMS.filter(~pl.col("item_id").is_in(["food01", "toys07", "toys19"])), new])
    index = ExactIndex(Fields.of(world.release.schema))
    info = index.build("shop_items_v1", items, world.release.embed_items(items))
    proof, count = prove(index, "shop_items_v1"), info.rows
    manifest = replace(world.release.manifest, item_count=count, items_fingerprint=info.fingerprint, index_proof=proof)
    users = random_users()
    retriever = Retriever(replace(world.release, manifest=manifest), Online(users), index)
    rows = retriever.recommend_all(users["user_id"].to_list(), k, where)
    assert rows.select("user_id", "item_id").is_duplicated().sum() == 0
    vectors = vectors_of(world.release)
    for user, user_D in zip(users.iter_slices(1), world.release.embed_users(users), strict=True):
        same(rows.filter(user_id=user["user_id"][0]), reference(user, user_D, vectors, items.filter(keep), k))


def test_a_session_is_answered_as_the_history_that_it_becomes(world: World) -> None:
    """Of a known user, whose other features stay, and of a user of whom nothing is stored."""
    retriever = Retriever(world.release, Online(), world.milvus)
    met = ("toys09", "nothing", "food03")
    known, new, unknown, plain = retriever.answer(
        [Request(user_id=user, k=40, session=session, at=NOW) for user, session in (("anna", met), ("new", met))]
        + [Request(user_id=user, k=40, at=NOW) for user in ("new", "anna")]
    )
    now = (NOW - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    anna = USERS.head(1).to_dicts()[0]
    food03 = anna["history_decayed"][1]
    after = {
        "history_items": ["food03", "toys09", "food00"],
        "history_times": [now - 1, now - 2, anna["history_times"][0]],
        "history_counts": [2, 1, 9],
        "history_decayed": [
            now - 1 + 30 * DAY * np.log2(1 + 2 ** ((food03 - now) / (30 * DAY))),
            now - 2,
            anna["history_decayed"][0],
        ],
    }
    made_up = {name: values[:2] for name, values in after.items()} | {"history_counts": [1, 1]}
    made_up["history_decayed"] = [now - 1, now - 2]
    vectors = vectors_of(world.release)
    for answer, user in ((known, anna | after), (new, anna | {"user_id": "new", "liked": None} | made_up)):
        row = pl.DataFrame([user], schema=USERS.schema, strict=False)
        wanted = reference(row, world.release.embed_users(row)[0], vectors, ITEMS, 40)
        assert [item.item_id for item in answer.items] == [id_ for id_, _ in wanted]
        assert [item.score for item in answer.items] == pytest.approx([score for _, score in wanted], abs=1e-5)
        assert answer.notes == ("1 items of the session are not in the release, such as 'nothing'",)
    assert (known.source, new.source, unknown.source) == ("two_tower", "two_tower", "popular")
    (nothing,) = retriever.answer([Request(user_id="new", k=40, session=("nothing",), at=NOW)])
    assert (nothing.source, len(nothing.notes)) == ("popular", 3)  # of no item of the session it knows anything
    assert [item.item_id for item in plain.items] != [item.item_id for item in known.items]


def test_items_of_a_session_are_left_out_where_seen_items_do_not_return(world: World) -> None:
    retriever = Retriever(world.release, Online(), world.milvus)
    (answer,) = retriever.answer([Request(user_id="new", k=40, session=("toys09",), exclude_seen=True, at=NOW)])
    assert {item.item_id for item in answer.items} == {*ITEMS["item_id"]} - {"toys09"}


def test_a_version_is_judged_by_the_scores_that_it_serves(world: World) -> None:
    users, vectors = random_users(300), vectors_of(world.release)
    user_QD, item_ND = world.release.embed_users(users), world.release.embed_items(ITEMS)
    search = served_search(world.release.towers, users, user_QD, ITEMS["item_id"], item_ND)()
    for ids_K, user, user_D in zip(search(np.arange(len(users)), 9), users.iter_slices(1), user_QD, strict=True):
        wanted = [id_ for id_, _ in reference(user, user_D, vectors, ITEMS, 9)]
        assert ITEMS["item_id"].gather(ids_K).to_list() == wanted
    towers = replace(world.release.towers, schema=schema(seen_items_may_return=False, repeats=True))
    plain = served_search(towers, users, user_QD, ITEMS["item_id"], item_ND)()
    assert (plain(np.arange(300), 9) == exact_search(user_QD, item_ND)()(np.arange(300), 9)).all()


def test_a_promoted_release_serves_its_repeats_from_milvus(world: World) -> None:
    assert "rescorer.pt2" in read(Registry(world.settings, DATASET), 1).files
    retriever = Retriever(world.release, Online(), world.milvus)
    vectors = vectors_of(world.release)
    for user, user_D in zip(USERS.iter_slices(1), world.release.embed_users(USERS), strict=True):
        answer = retriever.recommend(user["user_id"][0], 10)
        wanted = reference(user, user_D, vectors, ITEMS, 10)
        assert [(each.item_id, pytest.approx(each.score, abs=1e-5)) for each in answer.items] == wanted
    anna = [each.item_id for each in retriever.recommend("anna", 40).items]
    assert anna.index("food00") == 0
    assert anna.index("food03") > 15  # taken once, long ago: its term is negative
    assert sorted(anna) == sorted(ITEMS["item_id"])
    answer = retriever.recommend("nobody", 2)
    assert (answer.source, [each.item_id for each in answer.items]) == ("popular", ["toys05", "food01"])


def test_where_seen_items_never_return_the_rescorer_rests(world: World) -> None:
    towers = replace(world.release.towers, schema=schema(seen_items_may_return=False, repeats=True))
    retriever = Retriever(replace(world.release, towers=towers), Online(), world.milvus)
    plain = Retriever(replace(world.release, towers=replace(towers, rescorer=None)), Online(), world.milvus)
    assert retriever.recommend("anna", 40) == plain.recommend("anna", 40)
    assert "food00" not in [each.item_id for each in retriever.recommend("anna", 40).items]


def test_a_version_from_before_there_were_candidates_is_served_as_ever(world: World, tmp_path: Path) -> None:
    folder = write_artifacts(tmp_path / "artifacts", schema(repeats=True))
    (folder / "rescorer.json").unlink()
    old = Retriever(replace(world.release, towers=ModelBundle.from_folder(folder)), Online(), world.milvus)
    assert old.recommend("anna", 40) == Retriever(world.release, Online(), world.milvus).recommend("anna", 40)


def test_a_version_without_a_rescorer_is_served_as_ever(tmp_path: Path) -> None:
    towers = ModelBundle.from_folder(write_artifacts(tmp_path / "artifacts", schema()))
    assert towers.rescorer is None


def test_a_changed_or_unsafe_rescorer_is_not_loaded(world: World, tmp_path: Path) -> None:
    folder = write_artifacts(tmp_path / "artifacts", schema(repeats=True))
    with ZipFile(folder / "rescorer.pt2", "a") as archive:
        archive.writestr("rescorer/data/code.pkl", b"cos\nsystem\n.")
    with pytest.raises(UnsafeArchiveError, match=r"rescorer\.pt2"):
        ModelBundle.from_folder(folder)
    stored = Registry(world.settings, DATASET).download(1) / "rescorer.pt2"
    before = stored.read_bytes()
    stored.write_bytes(before + b" ")
    try:
        with pytest.raises(ReleaseError, match=r"changed: rescorer\.pt2"):
            Release.load(world.settings, DATASET)
    finally:
        stored.write_bytes(before)
