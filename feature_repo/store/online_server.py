"""Online stores on a server: settings that Gatehouse needs, address, and errors."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from feature_repo.errors import InputError, OnlineStoreError
from feature_repo.schema import Schema
from feature_repo.store.definitions import table_name

REDIS_DEFAULTS = {"socket_connect_timeout": "2", "socket_timeout": "10", "retry": "null"}
"""Parameters of a Redis connection that are set unless the configuration names them.

redis-py has no time limit of its own, and repeats a failed call for ten seconds.
"""
POSTGRES_NAME_BYTES = 63
"""Longest name of a table; Postgres cuts longer ones without an error."""
_ERRORS = {
    "redis": ("redis.exceptions", "RedisError"),
    "postgres": ("psycopg", "Error"),
    "sqlite": ("sqlite3", "DatabaseError"),
}
"""Module and base class of the errors of a client, by type of store."""


_CLIENTS = {"redis": "redis", "postgres": "psycopg"}
"""Module of the client by type of store; Feast does not name it in its own error."""


def check_client(online: Mapping[str, Any]) -> None:
    """Raise InputError if the client of a store is not installed."""
    kind = online["type"]
    if kind in _CLIENTS and importlib.util.find_spec(_CLIENTS[kind]) is None:
        raise InputError(f"the client of an online store of type {kind!r} is missing: pip install 'gatehouse[{kind}]'")


def completed(online: Mapping[str, Any]) -> dict[str, Any]:
    """Complete the configuration of a Feast online store.

    Args:
        online: configuration as given.
    """
    if online["type"] != "redis":
        return dict(online)
    given = str(online.get("connection_string", "localhost:6379"))
    named = {part.partition("=")[0] for part in given.split(",")}
    more = [f"{name}={value}" for name, value in REDIS_DEFAULTS.items() if name not in named]
    # Feast's Redis would drop a corrected row, whose time is that of the row it
    # corrects. That no row is older than the one it replaces is seen to by the load.
    return {**online, "connection_string": ",".join([given, *more]), "skip_dedup": True}


def check_names(online: Mapping[str, Any], schema: Schema) -> None:
    """Refuse a schema whose tables would share a name in the store.

    Args:
        online: configuration of the store.
        schema: the schema.

    Raises:
        InputError: a name is longer than Postgres keeps.
    """
    if online["type"] == "postgres":
        names = [table_name(schema, view) for view in schema.views]
        longest = max(names, key=lambda name: len(name.encode()), default="")
        if len(longest.encode()) > POSTGRES_NAME_BYTES:
            raise InputError(
                f"online table {longest!r} has {len(longest.encode())} bytes, and Postgres keeps"
                f" {POSTGRES_NAME_BYTES}: give the dataset a shorter name"
            )


def address(online: Mapping[str, Any]) -> str:
    """Address of an online store for messages, without a password."""
    if "connection_string" in online:
        parts = str(online["connection_string"]).split(",")
        where = ",".join(part for part in parts if "=" not in part)
    elif "host" in online:
        where = f"{online['host']}:{online.get('port', 5432)}/{online.get('database', '')}"
    else:
        where = str(online.get("path", "")) or "as configured"
    return f"online store {online['type']} at {where}"


def servers(online: Mapping[str, Any]) -> list[str]:
    """Addresses of the servers of an online store, as `tcp://host:port`; none for types that are not known here."""
    if online["type"] == "redis":
        parts = str(online.get("connection_string", "localhost:6379")).split(",")
        return [f"tcp://{part}" for part in parts if "=" not in part]
    if online["type"] == "postgres":
        return [f"tcp://{online.get('host', 'localhost')}:{online.get('port', 5432)}"]
    return []


def errors_of(online: Mapping[str, Any]) -> tuple[type[Exception], ...]:
    """Errors by which the client of a store says that it cannot reach it."""
    if online["type"] not in _ERRORS:
        return (OSError,)
    module, name = _ERRORS[online["type"]]
    return (OSError, getattr(importlib.import_module(module), name))


@contextmanager
def reached(online: Mapping[str, Any]) -> Iterator[None]:
    """Name the address in the errors of a store's client inside this context.

    Args:
        online: configuration of the store.

    Raises:
        OnlineStoreError: the client cannot reach the store, or not in time.
    """
    try:
        yield
    except errors_of(online) as error:
        why = str(error).partition("\n")[0] or "no answer in time"
        raise OnlineStoreError(
            f"{address(online)}: {why}; start it, or name another one (GATEHOUSE_ONLINE_STORE)"
        ) from error
