"""Names of collections and aliases, without a search engine where files tell them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.settings import Settings


@dataclass(frozen=True, kw_only=True)
class StoredNames:
    """Collections of an index, and the collection by alias."""

    collections: frozenset[str]
    aliases: dict[str, str]


def stored_names(settings: Settings, aliases: Iterable[str]) -> StoredNames:
    """Read the names of all collections, and where aliases point.

    Another process may hold a Milvus Lite folder meanwhile: only its files are read.

    Args:
        settings: the home and its services.
        aliases: the aliases to look up.

    Raises:
        IndexAwayError: the Milvus server does not answer.
    """
    uri = settings.milvus_uri
    if "://" not in uri:
        return _of_files(Path(uri))
    with MilvusIndex(settings, Fields(types={})) as index:
        targets = {alias: index.target(alias) for alias in aliases}
        names = frozenset(index.names())
    return StoredNames(collections=names, aliases={alias: name for alias, name in targets.items() if name})


def _of_files(folder: Path) -> StoredNames:
    # A collection without a schema is one whose creation was killed: Milvus Lite does not see it.
    names = frozenset(path.parent.name for path in (folder / "collections").glob("*/schema.json"))
    file = folder / "aliases.json"
    return StoredNames(
        collections=names, aliases=json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    )
