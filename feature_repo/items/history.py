"""The item store as training data: one list of its items and of those of the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.items.item import FieldError, NewItem, item_features, parse_item
from feature_repo.items.store import StoredItem
from feature_repo.schema import ITEM_ID


def with_new_items(tables: Tables, stored: Sequence[StoredItem], until: datetime) -> Tables:
    """Add the items of a store that the files do not list.

    An item that both have is the one of the files: it is listed once, as there.

    Args:
        tables: canonical tables of the files.
        stored: all items of the store.
        until: time up to which items of the store are taken.

    Returns:
        The tables with the items. Items that the schema does not allow any more are left
            out and noted.
    """
    listed = set(tables.items[ITEM_ID])
    new: list[NewItem] = []
    refused: list[str] = []
    known = 0
    names = {feature.name for feature in item_features(tables.schema)}
    for each in (each for each in stored if each.arrived <= until):
        if each.item.item_id in listed:
            known += 1
            continue
        fields = {name: value for name, value in each.item.fields.items() if name in names}
        try:
            new.append(parse_item({ITEM_ID: each.item.item_id, **fields}, tables.schema))
        except FieldError as error:
            refused.append(f"{each.item.item_id!r}: {error}")
    if not (new or refused or known):
        return tables
    rows = [{ITEM_ID: item.item_id, **item.fields} for item in new]
    added = pl.DataFrame(rows, schema=tables.items.schema)
    note = f"new items: {len(new):,} added; {known:,} that the files list left as they are there"
    odd = f"; {len(refused):,} left out, such as {refused[0]}" if refused else ""
    return replace(tables, items=pl.concat([tables.items, added]).sort(ITEM_ID), notes=(*tables.notes, note + odd))
