"""Feast's SQLite online store as tables: names, keys, and deleted rows."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from feature_repo.schema import Entity

STRING = 2
"""Feast's number for the type of a key."""
WAIT_SECONDS = 60
SETTLE = "PRAGMA wal_checkpoint(TRUNCATE)"
ANY_TIME = 2**62
"""Stored time after all others."""
LOADS = "gatehouse_loads"
"""Table of the moments that the others were loaded for; Feast does not know it."""
PUSHED = "gatehouse_pushed"
"""Table of the moments that single entities were pushed for; nor does it know this."""


def connect(path: Path, mode: str = "ro") -> sqlite3.Connection:
    """Open a database that exists; `mode` is ro to read, rw to write."""
    return sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=WAIT_SECONDS)


@contextmanager
def written(path: Path, *, settle: bool = False) -> Iterator[sqlite3.Connection]:
    """Connection to write over; what it wrote is committed at the end of this context.

    Readers go on with the former rows meanwhile. With SQLite's own journal they would
    wait, for seconds of a large load.

    Args:
        path: the database.
        settle: whether to move all changes into the database file at the end, so that
            no byte of a deleted row is left beside it.
    """
    with closing(connect(path, "rw")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        with connection:
            yield connection
        if settle:
            connection.execute(SETTLE)


def settle(path: Path) -> None:
    """Move all changes into the database file, so that its time and size tell of them."""
    with closing(connect(path, "rw")) as connection:
        connection.execute(SETTLE)


def number_of_writes(path: Path) -> bytes:
    """Count of the writes to a database, which SQLite keeps in the file's head."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        return file.read(28)[24:]


def key_of(entity: Entity, id_: str) -> bytes:
    """Key of one entity in version 3 of Feast's serialisation."""
    name, value = entity.key.encode(), id_.encode()
    sizes = struct.pack("<III", 1, STRING, len(name))
    return sizes + name + struct.pack("<II", STRING, len(value)) + value


def id_of(entity: Entity, key: bytes) -> str:
    """Id of a key that `key_of` makes."""
    return key[len(key_of(entity, "")) :].decode()


def tables_in(path: Path, *, own: bool = False) -> set[str]:
    """Names of Feast's tables in a database; `own` for those of this package too."""
    with closing(connect(path)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return names if own else names - {LOADS, PUSHED}


def ids_in(path: Path, table: str, entity: Entity) -> set[str]:
    """Ids with a row in a table."""
    with closing(connect(path)) as connection:
        rows = connection.execute(f'SELECT DISTINCT entity_key FROM "{table}"')
        return {id_of(entity, key) for (key,) in rows}


def delete_ids(path: Path, tables: Collection[str], entity: Entity, ids: Collection[str]) -> None:
    """Delete entities from several tables in one transaction.

    Args:
        path: the database.
        tables: names of the tables.
        entity: the entity.
        ids: ids to delete.
    """
    with written(path, settle=True) as connection:
        delete_keys(connection, tables, entity, ids)


def delete_keys(
    connection: sqlite3.Connection,
    tables: Collection[str],
    entity: Entity,
    ids: Collection[str],
    *,
    newest: int = ANY_TIME,
) -> None:
    """Delete entities from several tables within a transaction.

    Args:
        connection: connection that is open for writing.
        tables: names of the tables.
        entity: the entity.
        ids: ids to delete.
        newest: stored time of the newest row that is deleted; notes of pushes have none.
    """
    # Overwritten with zeros: a person who asked to be deleted leaves no bytes.
    connection.execute("PRAGMA secure_delete = ON")
    keys = [(key_of(entity, id_),) if newest == ANY_TIME else (key_of(entity, id_), newest) for id_ in ids]
    condition = "entity_key = ?" if newest == ANY_TIME else "entity_key = ? AND event_ts <= ?"
    for table in tables:
        connection.executemany(f"DELETE FROM {quoted(table)} WHERE {condition}", keys)


def quoted(table: str) -> str:
    """Name of a table as SQL writes it."""
    return f'"{table}"'
