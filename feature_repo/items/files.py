"""New items of a file, in the form of the dataset's item table."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from feature_repo.datasets.columns import read_feature
from feature_repo.datasets.files import read_table
from feature_repo.datasets.id_column import read_ids
from feature_repo.datasets.raw_table import RawTable
from feature_repo.errors import InputError
from feature_repo.items.item import FieldError, NewItem, item_features, parse_item
from feature_repo.schema import ITEM_ID, Schema


def read_items(path: Path, schema: Schema) -> tuple[list[NewItem], tuple[str, ...]]:
    """Read the items of a Parquet, CSV or JSON lines file, and check them.

    Args:
        path: the file. Its columns are `item_id` and the features by name; a feature
            that it lacks is unknown of all items.
        schema: features of the dataset.

    Returns:
        The items, and the columns that no feature is named after.

    Raises:
        InputError: the file cannot be read, or an item cannot be used.
    """
    frame = read_table(path)
    features = [feature for feature in item_features(schema) if feature.name in frame.columns]
    names = [ITEM_ID, *(feature.name for feature in features)]
    table = RawTable(name=path.name, frame=frame, columns={name: name for name in names})
    columns = [read_ids(table, ITEM_ID), *(read_feature(table, feature) for feature in features)]
    if (twice := columns[0].is_duplicated()).any():
        raise table.bad(ITEM_ID, "duplicate id", twice)
    items = []
    for number, row in enumerate(pl.DataFrame(columns).iter_rows(named=True), 1):
        try:
            items.append(parse_item(row, schema))
        except FieldError as error:
            raise InputError(f"{path.name}, row {number}, item {row[ITEM_ID]!r}: {error}; nothing was kept") from error
    return items, tuple(name for name in frame.columns if name not in names)
