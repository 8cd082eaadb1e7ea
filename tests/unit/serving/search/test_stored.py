"""The file of a searcher: it comes back the same, and no other is loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load as unpack
from safetensors.numpy import save as pack

from serving.search import Kind, MemorySearcher
from serving.search.stored import FILE, SearcherError, from_bytes, load, save, to_bytes
from tests.unit.serving.search.search_world import FIELDS, ITEMS, QUERIES_QD, VECTORS_ND, items_of

FILTER = "department == 'käse' and price < 2 and listed > 1e9"


@pytest.fixture(params=list(Kind), scope="module")
def searcher(request: pytest.FixtureRequest) -> MemorySearcher:
    return MemorySearcher.build(items_of(ITEMS), VECTORS_ND, FIELDS, kind=request.param)


def test_a_stored_searcher_comes_back_the_same(searcher: MemorySearcher, tmp_path: Path) -> None:
    sha256 = save(searcher, tmp_path)
    assert sha256 == hashlib.sha256((tmp_path / FILE).read_bytes()).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    loaded = load(tmp_path, sha256=sha256, rows=ITEMS)
    assert loaded.ids == searcher.ids
    np.testing.assert_array_equal(loaded.item_ND, VECTORS_ND)
    assert (loaded.graph is None) == (searcher.graph is None)
    mask_N = searcher.fields.matching(FILTER)
    assert 0 < mask_N.sum() < ITEMS
    np.testing.assert_array_equal(loaded.fields.matching(FILTER), mask_N)
    for allowed_N in (None, mask_N):
        for found, expected in zip(
            loaded.search(QUERIES_QD, 20, allowed_N), searcher.search(QUERIES_QD, 20, allowed_N), strict=True
        ):
            np.testing.assert_array_equal(found, expected)


def test_the_same_contents_give_the_same_bytes(searcher: MemorySearcher) -> None:
    kind = Kind.FLAT if searcher.graph is None else Kind.HNSW
    again = MemorySearcher.build(items_of(ITEMS), VECTORS_ND.copy(), FIELDS, kind=kind)
    assert to_bytes(again) == to_bytes(searcher) == to_bytes(from_bytes(to_bytes(searcher)))


@pytest.mark.parametrize("at", [0, 100, -1])
def test_a_changed_file_is_refused(searcher: MemorySearcher, tmp_path: Path, at: int) -> None:
    sha256 = save(searcher, tmp_path)
    content = bytearray((tmp_path / FILE).read_bytes())
    content[at] ^= 1
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(SearcherError, match="has the hash"):
        load(tmp_path, sha256=sha256, rows=ITEMS)


def test_another_number_of_items_is_refused(searcher: MemorySearcher, tmp_path: Path) -> None:
    sha256 = save(searcher, tmp_path)
    with pytest.raises(SearcherError, match="holds 3,000 items, wanted 2,999"):
        load(tmp_path, sha256=sha256, rows=ITEMS - 1)


def test_another_format_is_refused(searcher: MemorySearcher) -> None:
    arrays = unpack(to_bytes(searcher))
    header = json.loads(arrays["header"].tobytes()) | {"format": 9}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with pytest.raises(SearcherError, match="format 9, this Gatehouse reads 1"):
        from_bytes(pack(arrays))


def test_a_graph_of_other_vectors_is_refused() -> None:
    graph = MemorySearcher.build(items_of(50), VECTORS_ND[:50], FIELDS, kind=Kind.HNSW).graph
    other = MemorySearcher.build(items_of(40), VECTORS_ND[:40], FIELDS)
    with pytest.raises(ValueError, match="a graph of 50 x 16"):
        MemorySearcher(other.ids, other.item_ND, other.fields, graph)
    with pytest.raises(ValueError, match="wanted as many"):
        MemorySearcher(other.ids[1:], other.item_ND, other.fields)


def test_a_dataset_without_filterable_fields_is_stored(tmp_path: Path) -> None:
    from serving.index.base import Fields

    searcher = MemorySearcher.build(items_of(10), VECTORS_ND[:10], Fields(types={"title": pl.String()}))
    loaded = load(tmp_path, sha256=save(searcher, tmp_path), rows=10)
    assert loaded.fields.columns == {}
