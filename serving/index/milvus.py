"""The item index in Milvus, or in Milvus Lite where no server is configured.

Milvus Lite accepts NaN vectors, wrong metrics and limits above the maximum, and it drops collections that an alias
points at: everything is checked here. One process at a time can open its folder, so a command closes the index when it
ends.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable

import numpy as np
import polars as pl

from feature_repo.progress import track
from feature_repo.schema import ITEM_ID
from serving.index.base import CollectionInfo, checked, fingerprint
from serving.index.collection_schema import VECTOR, collection_schema
from serving.index.exact import in_place, refuse_drop
from serving.index.milvus_connection import quiet
from serving.index.milvus_reader import FINGERPRINT, ROWS, MilvusReader
from serving.index.stored_fields import NAMES, filled, numbered

ROWS_AT_ONCE = 5_000
SAMPLE = 256


class MilvusIndex(MilvusReader):
    """An `ItemIndex` in Milvus.

    Use it as a context manager.
    """

    def build(self, name: str, items: pl.DataFrame, vectors_ND: np.ndarray) -> CollectionInfo:
        items, vectors_ND = checked(items, vectors_ND, self.fields)
        wanted = CollectionInfo(
            name=name, rows=len(items), dim=vectors_ND.shape[1], fingerprint=fingerprint(items), complete=True
        )
        stored = self.info(name)
        if stored and stored.complete:
            if stored != wanted or not self._holds(name, items, vectors_ND):
                raise ValueError(in_place(name))
            return stored
        # An incomplete collection is what a killed build left behind.
        if stored:
            self.drop(name)
        self._forget_killed_creation(name)
        columns = filled(items.rename(numbered(self.fields.types)))
        self._create(wanted, columns.columns)
        for start in track(range(0, len(items), ROWS_AT_ONCE), f"inserts of {ROWS_AT_ONCE:,} items"):
            rows = columns[start : start + ROWS_AT_ONCE].to_dicts()  # Milvus takes rows
            batch_ND = vectors_ND[start : start + ROWS_AT_ONCE]
            self._client.insert(name, [{**row, VECTOR: vector} for row, vector in zip(rows, batch_ND, strict=True)])
        self._client.flush(name)
        built = self.info(name)
        # Counted after the flush: an insert that Milvus dropped raises nothing.
        if built != wanted:
            raise RuntimeError(f"{name} holds {built.rows if built else 0:,} of {len(items):,} items; build it again")
        return wanted

    def _forget_killed_creation(self, name: str) -> None:
        """Remove the folder of a collection that Milvus Lite was killed while creating: it would refuse the name."""
        folder = self.settings.milvus_folder / "collections" / name
        if self.settings.milvus_server is None and folder.is_dir() and not (folder / "schema.json").exists():
            shutil.rmtree(folder)

    def _create(self, info: CollectionInfo, columns: Collection[str]) -> None:
        index, params = self._client.prepare_index_params(), self.settings.index
        index.add_index(VECTOR, index_type=params.index_type, metric_type="IP", params=dict(params.build))
        schema = collection_schema(self.fields, info.dim, columns)
        names = json.dumps(list(self.fields.types), ensure_ascii=False)
        declared = {ROWS: str(info.rows), FINGERPRINT: info.fingerprint, NAMES: names}
        with quiet("grpc._server"):  # Milvus Lite logs a call that it does not implement and that nothing needs
            self._client.create_collection(info.name, schema=schema, index_params=index, properties=declared)
        self._loaded.add(info.name)  # with an index, Milvus loads it at once

    def _holds(self, name: str, items: pl.DataFrame, vectors_ND: np.ndarray) -> bool:
        """Compare a sample of the stored vectors with the given vectors."""
        rows = np.unique(np.linspace(0, len(items) - 1, SAMPLE).astype(int))
        ids = items[ITEM_ID][rows].to_list()
        stored = self.vectors(name, ids)
        return stored.keys() == set(ids) and np.allclose([stored[id_] for id_ in ids], vectors_ND[rows], atol=1e-3)

    def drop(self, name: str, *, kept: Iterable[str] = ()) -> None:
        if self._client.has_collection(name):
            refuse_drop(name, self._client.list_aliases(name)["aliases"], kept)
            self._client.drop_collection(name)
            self._opened.pop(name, None)

    def point(self, alias: str, name: str) -> None:
        self._open(name)
        former = self.target(alias)
        # `alter_alias` fails on an alias that does not exist yet.
        if former is None:
            self._client.create_alias(name, alias)
        else:
            self._client.alter_alias(name, alias)
            self._loaded.add(former)  # by whoever served from it

    def target(self, alias: str) -> str | None:
        if alias not in self._client.list_aliases()["aliases"]:
            return None
        return self._client.describe_alias(alias)["collection_name"]
