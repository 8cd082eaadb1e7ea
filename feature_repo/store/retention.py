"""Online views of schemas that no kept release has."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from feature_repo.schema import stored_name
from feature_repo.store.registry_database import RegistryDatabase
from feature_repo.store.serving_state import seen_schema, withdrawn_schema
from feature_repo.store.sqlite_load import forget_loads
from feature_repo.store.sqlite_rows import connect
from feature_repo.store.store import Store


def other_schemas(dataset: str, kept: Collection[str], home: Path, *, registry: str | None = None) -> list[str]:
    """Digests of the registered schemas of a dataset that are not kept, sorted.

    Args:
        dataset: the dataset.
        kept: digests of the schemas that are kept.
        home: folder of the feature registry.
        registry: address of the registry's database; None for SQLite in `home`.
    """
    database = RegistryDatabase(home, registry)
    names = _names(database.file, dataset) if database.file else _names_of_server(database, dataset, home)
    always = {schema(dataset).digest for schema in (seen_schema, withdrawn_schema)}
    found = {match.group(1) for name in names if (match := re.search(r"_([0-9a-f]{8})$", name))}
    return sorted(found - set(kept) - always)


def _names(path: Path, dataset: str) -> list[str]:
    """Names of the views of a dataset in SQLite, without an import of Feast."""
    if not path.exists():
        return []
    query = "SELECT feature_view_name FROM feature_views WHERE project_id = ?"
    with closing(connect(path)) as connection:
        try:
            return [name for (name,) in connection.execute(query, [stored_name(dataset)])]
        except sqlite3.OperationalError:  # a registry that nothing was applied to
            return []


def _names_of_server(database: RegistryDatabase, dataset: str, home: Path) -> list[str]:
    store = Store(seen_schema(dataset), home, registry=database.server)
    return [each.name for each in store._feast.list_feature_views()]


def drop_other_schemas(
    dataset: str,
    digests: Collection[str],
    home: Path,
    *,
    online: Mapping[str, Any] | None = None,
    registry: str | None = None,
) -> None:
    """Delete the views and services of some schemas, with their online rows.

    Args:
        dataset: the dataset.
        digests: digests of the schemas.
        home: folder of the feature registry.
        online: configuration of a Feast online store; None for SQLite in `home`.
        registry: address of the registry's database; None for SQLite in `home`.
    """
    if not digests:
        return
    store = Store(seen_schema(dataset), home, online=online, registry=registry)
    feast = store._feast
    ends = tuple(f"_{digest}" for digest in digests)
    registered: list[Any] = [*feast.list_feature_services(), *feast.list_feature_views()]
    gone = [each for each in registered if each.name.endswith(ends)]
    feast.apply([], objects_to_delete=gone, partial=False)
    if store._ids.sqlite:
        forget_loads(store._ids.sqlite, [f"{store.project}_{each.name}" for each in gone])
