"""Online reads straight from Feast's SQLite store, without an import of Feast.

The import takes longer than an answer. Tables, keys and values are Feast's own; a test
compares the frames of both readers.
"""

from __future__ import annotations

import importlib.util
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl

from feature_repo.schema import ENTITY_TIME, Entity, Kind, Schema
from feature_repo.store.connection import unknown_if_empty
from feature_repo.store.definitions import table_name
from feature_repo.store.sqlite_rows import connect, key_of, tables_in
from feature_repo.store.store import Store, online_types

VALUES = "feast.protos.feast.types.Value_pb2"
IDS_PER_QUERY = 10_000

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
    if online is not None or not path.is_file() or not wanted <= tables_in(path):
        return Store(schema, home, online=online)
    return SqliteStore(schema, home)


class SqliteStore(Store):
    """Feature store whose online reads need no Feast.

    Everything else imports Feast when it is used.
    """

    def read_online(self, entity: Entity, ids: Sequence[str]) -> pl.DataFrame:
        """One row per id in the given order, as of `Store.read_online`."""
        views = self.schema.views_of(entity)
        keys = {id_: key_of(entity, id_) for id_ in ids}
        rows: dict[bytes, Row] = {key: {} for key in keys.values()}
        with closing(connect(self.home / "online.db")) as connection:
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
        return unknown_if_empty(pl.DataFrame({name: [row.get(name) for row in found] for name in types}, schema=types))

    def loaded_until(self, entity: Entity) -> datetime | None:
        """Time of the newest online row of an entity, in whole seconds; None without any.

        A load that changed nothing leaves it as it was.
        """
        # Histories are wide, and change in no load that leaves the activity as it was.
        views = [view for view in self.schema.views_of(entity) if view.features[0].kind is not Kind.HISTORY]
        with closing(connect(self.home / "online.db")) as connection:
            tables = [table_name(self.schema, view) for view in views or self.schema.views_of(entity)]
            found = [connection.execute(f'SELECT MAX(event_ts) FROM "{table}"').fetchone()[0] for table in tables]
        return max((datetime.fromtimestamp(seconds) for seconds in found if seconds is not None), default=None)


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
