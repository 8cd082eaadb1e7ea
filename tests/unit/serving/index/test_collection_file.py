"""The file of a collection: it comes back the same, and no other is loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from safetensors.numpy import load as unpack
from safetensors.numpy import save as pack

from serving.index.base import CollectionInfo
from serving.index.collection_file import (
    FILE,
    CollectionFileError,
    StoredCollection,
    from_bytes,
    load,
    save,
    to_bytes,
)
from serving.search.half_precision import graph_bytes
from tests.unit.serving.search.search_world import VECTORS_ND, items_of

ROWS = 300


def stored(has_graph: bool) -> StoredCollection:
    vectors_ND = VECTORS_ND[:ROWS].copy()
    return StoredCollection(
        info=CollectionInfo(name="shop_items_v1", rows=ROWS, dim=vectors_ND.shape[1], fingerprint="f", complete=True),
        items=items_of(ROWS).with_columns(tags=pl.Series([["new", str(n)] if n % 2 else None for n in range(ROWS)])),
        vectors_ND=vectors_ND,
        graph=graph_bytes(vectors_ND) if has_graph else None,
    )


@pytest.fixture(params=[False, True], ids=["scan", "graph"], scope="module")
def collection(request: pytest.FixtureRequest) -> StoredCollection:
    return stored(request.param)


def test_a_stored_collection_comes_back_the_same(collection: StoredCollection, tmp_path: Path) -> None:
    sha256 = save(collection, tmp_path)
    assert sha256 == hashlib.sha256((tmp_path / FILE).read_bytes()).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    loaded = load(tmp_path / FILE, sha256=sha256, rows=ROWS)
    assert loaded.info == collection.info
    assert_frame_equal(loaded.items, collection.items)
    np.testing.assert_array_equal(loaded.vectors_ND, collection.vectors_ND)
    assert loaded.vectors_ND.dtype == np.float32
    if collection.graph is None:
        assert loaded.graph is None
    else:
        np.testing.assert_array_equal(loaded.graph, collection.graph)


def test_the_same_contents_give_the_same_bytes(collection: StoredCollection) -> None:
    assert to_bytes(stored(collection.graph is not None)) == to_bytes(collection)
    assert to_bytes(from_bytes(to_bytes(collection))) == to_bytes(collection)


@pytest.mark.parametrize("at", [0, 100, -1])
def test_a_changed_file_is_refused(collection: StoredCollection, tmp_path: Path, at: int) -> None:
    sha256 = save(collection, tmp_path)
    content = bytearray((tmp_path / FILE).read_bytes())
    content[at] ^= 1
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(CollectionFileError, match="has the hash"):
        load(tmp_path / FILE, sha256=sha256, rows=ROWS)


def test_another_number_of_items_is_refused(collection: StoredCollection, tmp_path: Path) -> None:
    sha256 = save(collection, tmp_path)
    with pytest.raises(CollectionFileError, match="holds 300 items, wanted 299"):
        load(tmp_path / FILE, sha256=sha256, rows=ROWS - 1)


def test_another_format_is_refused(collection: StoredCollection) -> None:
    arrays = unpack(to_bytes(collection))
    header = json.loads(arrays["header"].tobytes()) | {"format": 9}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with pytest.raises(CollectionFileError, match="format 9, this Gatehouse reads 1"):
        from_bytes(pack(arrays))
