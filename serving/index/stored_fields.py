"""Names of fields inside Milvus.

A field may have any name: a keyword of Milvus, letters that are not ASCII, or that of the
vectors. So Milvus knows the fields by numbers, and a property of the collection lists
their names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

NAMES = "gatehouse.fields"
"""Property of a collection: names of its fields in order, as a JSON list."""


def numbered(names: Iterable[str]) -> dict[str, str]:
    """Name inside Milvus of each field of a new collection."""
    return {name: f"field_{number}" for number, name in enumerate(names)}


def stored_names(names: Iterable[str], properties: Mapping[str, str]) -> dict[str, str]:
    """Name inside Milvus of each field of a stored collection.

    Args:
        names: fields that are read.
        properties: properties of the collection; those of former releases list no
            names, and store each field under its own.

    Raises:
        ValueError: the collection lacks a field.
    """
    if NAMES not in properties:
        return {name: name for name in names}
    stored = numbered(json.loads(properties[NAMES]))
    if missing := [name for name in names if name not in stored]:
        raise ValueError(f"the collection lacks the fields {missing}; it has {list(stored)}")
    return {name: stored[name] for name in names}
