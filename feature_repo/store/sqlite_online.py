"""Online reads straight from Feast's SQLite store, without an import of Feast.

The import takes longer than an answer. Tables, keys and values are Feast's own; a test
compares the frames of both readers.
"""

from __future__ import annotations

import importlib.util
import sqlite3
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import polars as pl

from feature_repo.schema import ENTITY_TIME, Entity, Schema, View, stored_name
from feature_repo.store.definitions import view_name
from feature_repo.store.store import Store, online_types

STRING = 2
"""Feast's number for the type of a key."""
VALUES = "feast.protos.feast.types.Value_pb2"
IDS_PER_QUERY = 10_000
WAIT_SECONDS = 60

Row = dict[str, Any]


def open_store(schema: Schema, home: Path, *, online: Mapping[str, Any] | None = None) -> Store:
    """Fastest store for the views of a home: SQLite's if it holds them, else Feast's.

    Args:
        schema: schema whose views are read.
        home: folder of the feature registry.
        online: configuration of a Feast online store; None for SQLite in `home`.
    """
    path = home / "online.db"
    wanted = {table_name(schema, view) for view in schema.views}
    if online is not None or not path.is_file() or not wanted <= _tables(path):
        return Store(schema, home, online=online)
    return SqliteStore(schema, home)


class SqliteStore(Store):
    """Feature store whose online reads need no Feast.

    Everything else imports Feast when it is used.
    """

    def read_online(self, entity: Entity, ids: Sequence[str]) -> pl.DataFrame:
        """One row per id in the given order, as of `Store.read_online`."""
        views = self.schema.views_of(entity)
        keys = {id_: _key(entity, id_) for id_ in ids}
        rows: dict[bytes, Row] = {key: {} for key in keys.values()}
        with closing(_connect(self.home / "online.db")) as connection:
            for view in views:
                for key, name, value, seconds in _stored(connection, table_name(self.schema, view), list(rows)):
                    row = rows[key]
                    # Feast stores times without a zone as this machine's clock would
                    # read them.
                    time = datetime.fromtimestamp(seconds)
                    row[ENTITY_TIME] = max(time, row.get(ENTITY_TIME, time))
                    row[name] = _python(value)
        found = [{**rows[keys[id_]], entity.key: id_} for id_ in ids]
        types = online_types(views)
        return pl.DataFrame({name: [row.get(name) for row in found] for name in types}, schema=types)

    def known(self, entity: Entity) -> list[str]:
        """Ids with online features, sorted.

        Ids that vanished from the tables since are among them: they still have an answer.
        """
        ids: set[str] = set()
        with closing(_connect(self.home / "online.db")) as connection:
            for view in self.schema.views_of(entity):
                query = f'SELECT DISTINCT entity_key FROM "{table_name(self.schema, view)}"'
                ids.update(_id(entity, key) for (key,) in connection.execute(query))
        return sorted(ids)


def table_name(schema: Schema, view: View) -> str:
    """Name of Feast's table of a view's online rows."""
    return f"{stored_name(schema.dataset)}_{view_name(schema, view)}"


def _stored(connection: sqlite3.Connection, table: str, keys: list[bytes]) -> Iterator[tuple[bytes, str, bytes, int]]:
    """Key, feature, value and event time (seconds) of the rows of some keys.

    Args:
        connection: connection to the store.
        table: name of the table.
        keys: keys to read.
    """
    for start in range(0, len(keys), IDS_PER_QUERY):
        part = keys[start : start + IDS_PER_QUERY]
        marks = ",".join("?" * len(part))
        query = f'SELECT entity_key, feature_name, value, event_ts FROM "{table}" WHERE entity_key IN ({marks})'
        yield from connection.execute(query, part)


def _key(entity: Entity, id_: str) -> bytes:
    """Key of one entity in version 3 of Feast's serialisation."""
    name, value = entity.key.encode(), id_.encode()
    sizes = struct.pack("<III", 1, STRING, len(name))
    return sizes + name + struct.pack("<II", STRING, len(value)) + value


def _id(entity: Entity, key: bytes) -> str:
    """Id of a key that `_key` makes."""
    return key[len(_key(entity, "")) :].decode()


def _python(content: bytes) -> Any:
    """Stored value: None, a number, a text or a list."""
    message = _values().Value()
    message.ParseFromString(content)
    kind = message.WhichOneof("val")
    if kind is None or kind == "null_val":
        return None
    value = getattr(message, kind)
    return list(value.val) if kind.endswith("_list_val") else value


@cache
def _values() -> ModuleType:
    """Feast's message of a value, imported from its file."""
    # An import by name would import all of Feast.
    if VALUES in sys.modules:
        return sys.modules[VALUES]
    feast = importlib.util.find_spec("feast")
    if feast is None or feast.origin is None:
        raise ImportError("Feast is not installed: pip install gatehouse with its dependencies")
    path = Path(feast.origin).parent.joinpath(*VALUES.split(".")[1:]).with_suffix(".py")
    spec = importlib.util.spec_from_file_location("feature_repo_feast_values", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: wanted Feast's message of a value")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _tables(path: Path) -> set[str]:
    with closing(_connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=WAIT_SECONDS)
