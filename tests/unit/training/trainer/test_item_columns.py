"""Columns of items, against a search of the columns, from batch to batch."""

from __future__ import annotations

import torch

from training.trainer.item_columns import ItemColumns

ITEMS = 20


def test_columns_are_those_of_the_last_batch() -> None:
    """Items have one column, two or none; those of the batch before have none."""
    generator = torch.Generator().manual_seed(0)
    columns, item_P = ItemColumns(ITEMS, torch.device("cpu")), torch.arange(ITEMS)
    for _ in range(9):
        own, drawn = (torch.randperm(ITEMS, generator=generator)[:number] for number in (7, 5))
        item_C = torch.cat([own, drawn])
        columns.move(item_C)
        pairs = columns.pairs(item_P + 100, item_P)
        wanted = {(int(item) + 100, column) for column, item in enumerate(item_C)}
        found = list(zip(pairs.row_H.tolist(), pairs.column_H.tolist(), strict=True))
        assert set(found) == wanted and len(found) == len(wanted)
