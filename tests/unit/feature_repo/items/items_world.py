"""New items of the tiny shop."""

from __future__ import annotations

from typing import Any

from feature_repo.datasets.tiny import SCHEMA
from feature_repo.items.item import NewItem, parse_item

RAW: dict[str, Any] = {
    "item_id": "n1",
    "category": "tea",
    "tags": ["gift", "new"],
    "list_price": 7,
    "released": "2024-03-01T12:00:00+02:00",
    "title": "Green tea no. n1",
    "picture": [0.1, -0.2, 0.3, 4],
}
"""Item as a client sends it."""


def item(item_id: str = "n1", **changes: Any) -> NewItem:
    """Item with other fields."""
    return parse_item(RAW | {"item_id": item_id} | changes, SCHEMA)
