"""Recommendations of a release with a reranker, against a brute-force reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.sparse import lil_array

from orchestration.served_search import served_search
from serving.index.base import Fields
from serving.index.exact import ExactIndex
from serving.index.milvus import MilvusIndex
from serving.model.bundle import ModelBundle
from serving.registry import Registry
from serving.release.load import Release
from serving.release.promotion import promote
from serving.retriever import Retriever
from tests.integration.release_world import (
    DATASET,
    ITEMS,
    Online,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)
from tests.integration.users_world import random_users

CANDIDATES = 7


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Release, MilvusIndex]]:
    """A promoted release with a scorer of candidates, and its index."""
    root = tmp_path_factory.mktemp("candidates")
    settings = fresh_home(root / "home", empty_database(root / "template"))
    folder = write_artifacts(root / "artifacts", schema(), candidates=CANDIDATES)
    seal_as(settings, register(settings, folder))
    promote(settings, DATASET, 1)
    release = Release.load(settings, DATASET)
    assert "rescorer.json" in [path.name for path in Registry(settings, DATASET).download(1).iterdir()]
    with MilvusIndex(settings, Fields.of(release.schema)) as milvus:
        yield release, milvus


@pytest.fixture(scope="module", params=["seen items may return", "seen items never return"])
def release(
    request: pytest.FixtureRequest, served: tuple[Release, MilvusIndex], tmp_path_factory: pytest.TempPathFactory
) -> Release:
    whole, _ = served
    if request.param == "seen items may return":
        return whole
    kind = schema(seen_items_may_return=False, repeats=True)
    folder = write_artifacts(tmp_path_factory.mktemp("other") / "artifacts", kind, candidates=CANDIDATES)
    return replace(whole, towers=ModelBundle.from_folder(folder))


def reference(release: Release, users: pl.DataFrame, allowed: list[str], k: int) -> list[list[tuple[str, float]]]:
    """Every user's list in Python: the best by their new scores, then what lies behind."""
    vectors = dict(zip(ITEMS["item_id"], release.embed_items(ITEMS), strict=True))
    lists = []
    for user_D, row in zip(release.embed_users(users), users.iter_rows(named=True), strict=True):
        plain = {id_: float(vectors[id_] @ user_D) for id_ in allowed}
        if not release.schema.seen_items_may_return:
            plain = {id_: score for id_, score in plain.items() if id_ not in row["history_items"]}
        by_index = sorted(plain, key=lambda id_: (-plain[id_], id_))
        anew = {id_: plain[id_] + 0.5 * np.sin(40 * plain[id_]) for id_ in by_index[:CANDIDATES]}
        first = sorted(anew.items(), key=lambda each: (-each[1], each[0]))
        lists.append((first + [(id_, plain[id_]) for id_ in by_index[CANDIDATES:]])[:k])
    return lists


@pytest.mark.parametrize(
    ("where", "keep"),
    [
        (None, pl.lit(True)),
        ('department == "toys" and price < 9', (pl.col("department") == "toys") & (pl.col("price") < 9)),
        ("price > 100", pl.lit(False)),
    ],
)
@pytest.mark.parametrize("k", [1, 5, 12, 1_000])
def test_lists_are_those_of_a_sort_of_all_scores(release: Release, k: int, where: str | None, keep: pl.Expr) -> None:
    index = ExactIndex(Fields.of(release.schema))
    info = index.build("shop_items_v1", ITEMS, release.embed_items(ITEMS))
    manifest = replace(release.manifest, item_count=info.rows, items_fingerprint=info.fingerprint)
    users = random_users()
    retriever = Retriever(replace(release, manifest=manifest), Online(users), index)
    rows = retriever.recommend_all(users["user_id"].to_list(), k, where)
    wanted = reference(release, users, ITEMS.filter(keep)["item_id"].to_list(), k)
    for user, list_ in zip(users["user_id"], wanted, strict=True):
        got = rows.filter(user_id=user)
        assert got["item_id"].to_list() == [id_ for id_, _ in list_]
        assert got["rank"].to_list() == list(range(1, len(list_) + 1))
        assert got["score"].to_list() == pytest.approx([score for _, score in list_], abs=1e-5)


@pytest.mark.parametrize("k", [5, 12])
def test_a_version_is_judged_by_the_scores_that_it_serves(release: Release, k: int) -> None:
    """Under the masks of the views too: what a mask forbids is no candidate."""
    users = random_users(300)
    user_QD, item_ND = release.embed_users(users), release.embed_items(ITEMS)
    make = served_search(release.towers, users, user_QD, ITEMS["item_id"], item_ND)
    corpus = np.arange(len(ITEMS)) % 5 > 0
    for mask in (None, corpus):
        allowed = ITEMS.filter(pl.Series(corpus) if mask is not None else pl.lit(True))["item_id"].to_list()
        lists = make(corpus=mask)(np.arange(len(users)), k)
        if release.schema.seen_items_may_return:
            for ids_K, wanted in zip(lists, reference(release, users, allowed, k), strict=True):
                assert ITEMS["item_id"].gather(ids_K).to_list() == [id_ for id_, _ in wanted]
    if not release.schema.seen_items_may_return:
        seen = users["history_items"].list.eval(
            pl.element().replace_strict(ITEMS["item_id"], np.arange(40), default=-1)
        )
        exclude = lil_array((300, 40), dtype=np.int8)
        for row, items in enumerate(seen.to_list()):
            exclude[row, [item for item in items if item >= 0]] = 1
        lists = make(exclude=exclude.tocsr())(np.arange(300), k)
        for ids_K, wanted in zip(lists, reference(release, users, ITEMS["item_id"].to_list(), k), strict=True):
            assert ITEMS["item_id"].gather(ids_K).to_list() == [id_ for id_, _ in wanted]


def test_a_promoted_release_reranks_candidates_of_milvus(served: tuple[Release, MilvusIndex]) -> None:
    release, milvus = served
    users = random_users(3)
    retriever = Retriever(release, Online(users), milvus)
    for user, wanted in zip(users["user_id"], reference(release, users, ITEMS["item_id"].to_list(), 12), strict=True):
        answer = retriever.recommend(user, 12)
        assert [(each.item_id, pytest.approx(each.score, abs=1e-5)) for each in answer.items] == wanted
        assert retriever.recommend(user, 5).items == answer.items[:5]
