"""One contract of the item index: in memory, in Milvus Lite, on a Milvus server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from serving.index import milvus_reader
from serving.index.base import Fields, ItemIndex, fingerprint
from serving.index.exact import ExactIndex
from serving.index.filters import quoted
from serving.index.milvus import MilvusIndex
from serving.settings import GRAPH
from tests.integration.index_world import ITEMS, QUERIES_QD, SCHEMA, VECTORS_ND, expected, settings_in, unit

TEXTS = ("🛒 cart", "a\u0001b\u007f\n\r\t", "q\"\\'", "é" * 35_000, "\u2028", "$meta", None, "\0")
NAMES = ("like", "IN", "null", "exists", "embedding", "Kind", "KIND", "class", "in", "not", "row", "self", "ﬁne", "имя",
         "field_0", "item_id_", "score", "true")  # fmt: skip
ODD = Fields(types={name: pl.String() for name in NAMES} | {"tags": pl.List(pl.String())}, filterable=frozenset(NAMES))
SERVER = pytest.param("milvus-server", marks=pytest.mark.milvus_server)


@pytest.fixture(params=["exact", "milvus-flat", "milvus-hnsw", SERVER], scope="class")
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ItemIndex]:
    if request.param == "exact":
        yield ExactIndex(Fields.of(SCHEMA))
        return
    params = None if request.param == "milvus-flat" else GRAPH
    settings = settings_in(tmp_path_factory.mktemp("home"), params)
    if request.param == "milvus-server":
        settings = replace(settings, milvus_server=server_address())
    with MilvusIndex(settings, Fields.of(SCHEMA)) as milvus:
        yield milvus
        if settings.milvus_server:
            for name in ("shop_items", *(f"shop_items_v{number}" for number in range(1, 11))):
                drop_whatever_points_there(milvus, name)


def server_address() -> str:
    if not (address := os.environ.get("GATEHOUSE_MILVUS_URI")):
        pytest.skip("no Milvus server: GATEHOUSE_MILVUS_URI is not set")
    return address


def drop_whatever_points_there(milvus: MilvusIndex, name: str) -> None:
    if name in milvus._client.list_aliases()["aliases"]:
        milvus._client.drop_alias(name)
    elif milvus._client.has_collection(name):
        milvus._client.drop_collection(name)


@contextmanager
def of_fields(index: ItemIndex, fields: Fields) -> Iterator[ItemIndex]:
    """An index of the same kind, with other fields."""
    if isinstance(index, MilvusIndex):
        with MilvusIndex(index.settings, fields) as milvus:
            yield milvus
    else:
        yield ExactIndex(fields)


@pytest.fixture
def built(index: ItemIndex) -> ItemIndex:
    index.build("shop_items_v1", ITEMS, VECTORS_ND)
    return index


class TestContract:
    def test_finds_the_nearest_items_best_first(self, built: ItemIndex) -> None:
        hits = built.search("shop_items_v1", QUERIES_QD, 10)
        assert hits.ids == expected(10)
        nearest_D = VECTORS_ND[int(hits.ids[0][0][1:])]
        assert hits.scores[0][0] == pytest.approx(nearest_D @ QUERIES_QD[0], abs=1e-5)
        assert all(np.all(np.diff(scores) <= 0) for scores in hits.scores)

    def test_rows_in_any_order_give_the_same_index(self, built: ItemIndex) -> None:
        info = built.build("shop_items_v1", ITEMS.reverse(), VECTORS_ND[::-1])
        assert (info.rows, info.dim, info.complete) == (300, 8, True)
        assert built.search("shop_items_v1", QUERIES_QD, 10).ids == expected(10)

    def test_k_beyond_the_collection_gives_all_of_it(self, built: ItemIndex) -> None:
        hits = built.search("shop_items_v1", QUERIES_QD, 1_000)
        assert hits.ids == expected(300)

    def test_all_that_is_stored_is_read_in_order_of_id(self, built: ItemIndex) -> None:
        assert built.ids("shop_items_v1") == ITEMS["item_id"].to_list()
        items, vectors_ND = built.contents("shop_items_v1")
        assert fingerprint(items) == built.info("shop_items_v1").fingerprint
        np.testing.assert_array_equal(vectors_ND, VECTORS_ND)

    @pytest.mark.parametrize("where", [None, 'department == "käse"'])
    def test_more_than_milvus_returns_at_once(
        self, built: ItemIndex, where: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted = expected(300, None if where is None else pl.col("department") == "käse")
        monkeypatch.setattr(milvus_reader, "MAX_K", 7)
        for k in (8, 50, 1_000):
            found = built.search("shop_items_v1", QUERIES_QD, k, where).ids
            assert [len(set(ids)) for ids in found] == [len(ids) for ids in found]
            if not isinstance(built, MilvusIndex) or built.settings.index != GRAPH:  # a graph misses some
                assert found == [ids[:k] for ids in wanted]

    def test_more_queries_than_a_call_takes(self, built: ItemIndex) -> None:
        many_QD = np.repeat(QUERIES_QD, 200, axis=0)
        hits = built.search("shop_items_v1", many_QD, 2)
        assert hits.ids == [ids for ids in expected(2) for _ in range(200)]

    @pytest.mark.parametrize(
        ("where", "keep"),
        [
            ('department == "fruit \\"fresh\\""', pl.col("department").eq('fruit "fresh"')),
            (r'department == "back\\slash"', pl.col("department").eq("back\\slash")),
            ('department in ["käse", "other"]', pl.col("department").eq("käse")),
            ('department != "käse"', pl.col("department").is_in(['fruit "fresh"', "back\\slash"])),
            ('department not in ["käse", "other"]', pl.col("department").is_in(['fruit "fresh"', "back\\slash"])),
            ('not (department == "käse")', pl.col("department").is_in(['fruit "fresh"', "back\\slash"])),
            ("price < -1", pl.col("price").is_in([-2.0, -3.0])),
            ("not (price < 3e0)", pl.col("price").eq(3.0)),
            ("price in [1, 2.0]", pl.col("price").is_in([1.0, 2.0])),
            ('price >= 2 and not (department == "käse" or price == 3)',
             pl.col("price").eq(2) & pl.col("department").ne("käse")),
            ("price > 100", pl.lit(False)),
        ],
    )  # fmt: skip
    def test_filters(self, built: ItemIndex, where: str, keep: pl.Expr) -> None:
        assert built.search("shop_items_v1", QUERIES_QD, 300, where).ids == expected(300, keep)
        wanted = ITEMS.filter(keep)["item_id"].to_list()
        assert sorted(built.fetch("shop_items_v1", ITEMS["item_id"].to_list(), where)) == wanted

    @pytest.mark.parametrize("where", ["hidden == 1", "title == 'x'", "item_id == 'i001'", "price == 'x' or True"])
    def test_refuses_filters_on_undeclared_fields(self, built: ItemIndex, where: str) -> None:
        with pytest.raises(ValueError, match="cannot filter"):
            built.search("shop_items_v1", QUERIES_QD, 3, where)

    def test_fields_and_values_of_any_kind_are_stored_and_filtered(self, index: ItemIndex) -> None:
        """Of a text that is too long for Milvus, the beginning is stored; no filter is that long."""
        values = {name: [TEXTS[(n + m) % len(TEXTS)] for n in range(300)] for m, name in enumerate(NAMES)}
        items = ITEMS.select("item_id").with_columns(
            *(pl.Series(name, each, pl.String) for name, each in values.items()),
            tags=pl.Series([["x" * 70_000, "\0"]] + [["y"] * 5_000] + [None] * 298, dtype=pl.List(pl.String)),
        )
        ids = items["item_id"].to_list()
        with of_fields(index, ODD) as odd:
            odd.build("shop_items_v8", items, VECTORS_ND)
            self.check(odd, values, ids)

    def check(self, index: ItemIndex, values: dict[str, list[str | None]], ids: list[str]) -> None:
        stored = index.fetch("shop_items_v8", ids)
        assert [len(stored[id_]["tags"] or ()) for id_ in ids[:3]] == [2, 4_096, 0]
        for name in NAMES:
            wanted = [text if text is None or len(text) < 99 else text[:16_383] for text in values[name]]
            assert [stored[id_][name] for id_ in ids] == wanted
            for text in TEXTS:
                if text is None or len(text) > 99:
                    continue
                for where, keep in ((f"{name} == {quoted(text)}", True), (f"not {name} in [{quoted(text)}]", False)):
                    matching = [id_ for id_, each in zip(ids, values[name], strict=True)
                                if each is not None and (each == text) is keep]  # fmt: skip
                    (found,) = index.search("shop_items_v8", QUERIES_QD[:1], 300, where).ids
                    assert sorted(found) == matching, where

    def test_ids_of_any_characters_are_read(self, index: ItemIndex) -> None:
        ids = [text for text in TEXTS if text and len(text) < 99]
        items = ITEMS[: len(ids)].with_columns(item_id=pl.Series(ids))
        index.build("shop_items_v7", items, VECTORS_ND[: len(ids)])
        assert index.fetch("shop_items_v7", ids).keys() == index.vectors("shop_items_v7", ids).keys() == set(ids)
        index.drop("shop_items_v7")

    def test_fetches_stored_fields(self, built: ItemIndex) -> None:
        rows = built.fetch("shop_items_v1", ["i003", "i005", "unknown"])
        assert rows == {
            "i003": {"department": "käse", "price": 0.0, "title": "Item 3", "tags": ["new", "3"]},
            "i005": {"department": 'fruit "fresh"', "price": None, "title": "Item 5", "tags": ["new", "5"]},
        }
        assert built.fetch("shop_items_v1", []) == {}

    def test_returns_the_vectors_of_stored_items_that_match(self, built: ItemIndex) -> None:
        ids = ITEMS["item_id"].to_list()
        found = built.vectors("shop_items_v1", ["i005", "unknown", "i003"])
        assert found.keys() == {"i003", "i005"}
        np.testing.assert_array_equal(found["i005"], VECTORS_ND[5])
        assert found["i003"].dtype == np.float32
        cheap = built.vectors("shop_items_v1", ids, "price < -1")
        assert sorted(cheap) == ITEMS.filter(pl.col("price") < -1)["item_id"].to_list()
        many = built.vectors("shop_items_v1", [*(f"other{n}" for n in range(5_000)), *ids])
        np.testing.assert_array_equal(np.stack([many[id_] for id_ in ids]), VECTORS_ND)
        assert built.vectors("shop_items_v1", []) == {}
        with pytest.raises(ValueError, match="cannot filter"):
            built.vectors("shop_items_v1", ids, "hidden == 1")

    def test_equal_scores_are_ordered_by_id(self, index: ItemIndex) -> None:
        index.build("shop_items_v2", ITEMS[:4].reverse(), np.repeat(VECTORS_ND[:1], 4, axis=0))
        assert index.search("shop_items_v2", QUERIES_QD, 4).ids[0] == ["i000", "i001", "i002", "i003"]

    def test_a_complete_collection_is_never_changed(self, built: ItemIndex) -> None:
        with pytest.raises(ValueError, match="never changed in place"):
            built.build("shop_items_v1", ITEMS, unit(300, seed=3))
        with pytest.raises(ValueError, match="never changed in place"):
            built.build("shop_items_v1", ITEMS.with_columns(price=pl.lit(1.0)), VECTORS_ND)
        assert built.search("shop_items_v1", QUERIES_QD, 10).ids == expected(10)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, 3.0])
    def test_refuses_vectors_that_are_not_unit(self, index: ItemIndex, bad: float) -> None:
        vectors_ND = VECTORS_ND.copy()
        vectors_ND[7] = bad
        with pytest.raises(ValueError, match=r"1 vectors of 300 .* 'i007'"):
            index.build("shop_items_v9", ITEMS, vectors_ND)
        assert index.info("shop_items_v9") is None

    def test_the_coordinate_of_an_item_prior_lies_beside_unit_vectors(self, index: ItemIndex) -> None:
        terms_N1 = np.random.default_rng(0).normal(size=(300, 1)).astype(np.float32)
        vectors_ND = np.concatenate([unit(300, seed=4, dim=7), terms_N1], axis=1)
        queries_QD = np.concatenate([unit(3, seed=5, dim=7), np.ones((3, 1), np.float32)], axis=1)
        index.build("shop_items_v10", ITEMS, vectors_ND)
        best_QK = np.argsort(-(queries_QD @ vectors_ND.T), axis=1)[:, :10]
        wanted = [ITEMS["item_id"].gather(best_K).to_list() for best_K in best_QK]
        assert index.search("shop_items_v10", queries_QD, 10).ids == wanted
        vectors_ND[7, -1] = np.nan
        with pytest.raises(ValueError, match="1 vectors of 300"):
            index.build("shop_items_v9", ITEMS, vectors_ND)

    def test_refuses_bad_items(self, index: ItemIndex) -> None:
        with pytest.raises(ValueError, match="i001"):
            index.build("shop_items_v9", ITEMS[[0, 1, 1]], VECTORS_ND[:3])
        with pytest.raises(ValueError, match="one vector for each"):
            index.build("shop_items_v9", ITEMS, VECTORS_ND[:3])
        with pytest.raises(ValueError, match="department"):
            index.build("shop_items_v9", ITEMS.drop("department"), VECTORS_ND)
        assert index.info("shop_items_v9") is None

    def test_refuses_bad_queries(self, built: ItemIndex) -> None:
        with pytest.raises(ValueError, match="wanted at least 1"):
            built.search("shop_items_v1", QUERIES_QD, 0)
        with pytest.raises(ValueError, match="8 dimensions"):
            built.search("shop_items_v1", unit(1, seed=0, dim=4), 3)
        with pytest.raises(ValueError, match="not finite"):
            built.search("shop_items_v1", np.full((1, 8), np.nan, np.float32), 3)
        with pytest.raises(LookupError, match="shop_items_v7"):
            built.search("shop_items_v7", QUERIES_QD, 3)

    def test_a_collection_in_use_is_not_dropped(self, built: ItemIndex) -> None:
        built.build("shop_items_v3", ITEMS, VECTORS_ND)
        built.point("shop_items", "shop_items_v3")
        assert built.target("shop_items") == "shop_items_v3"
        with pytest.raises(ValueError, match="alias shop_items"):
            built.drop("shop_items_v3")
        built.point("shop_items", "shop_items_v1")
        assert built.target("shop_items") == "shop_items_v1"
        with pytest.raises(ValueError, match="kept release"):
            built.drop("shop_items_v3", kept=["shop_items_v3"])
        built.drop("shop_items_v3")
        assert built.info("shop_items_v3") is None
        assert built.target("nothing") is None
        with pytest.raises(LookupError):
            built.point("shop_items", "shop_items_v3")
