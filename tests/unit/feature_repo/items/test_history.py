"""New items as training data, and from files: one list, in which each item stands once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo.datasets import tiny
from feature_repo.errors import InputError
from feature_repo.items.files import read_items
from feature_repo.items.history import with_new_items
from feature_repo.items.item import NewItem
from feature_repo.items.store import StoredItem
from feature_repo.schema import Schema
from tests.unit.feature_repo.events.events_world import NOW
from tests.unit.feature_repo.items.items_world import item

FILES = tiny.generate(seed=0)


def stored(*items: NewItem) -> list[StoredItem]:
    return [
        StoredItem(sequence=n, arrived=NOW + timedelta(hours=n), item=each) for n, each in enumerate(items, start=1)
    ]


def test_items_that_the_files_lack_are_added_in_their_form() -> None:
    found = with_new_items(FILES, stored(item("n1"), item("i10", title="other"), item("a")), NOW + timedelta(days=1))
    added = found.items.filter(~pl.col("item_id").is_in(FILES.items["item_id"].implode()))
    assert added.rows(named=True) == [{"item_id": id_, **item().fields} for id_ in ("a", "n1")]
    kept = found.items.filter(pl.col("item_id").is_in(FILES.items["item_id"].implode()))
    assert kept.equals(FILES.items)
    assert found.items["item_id"].is_sorted()
    assert found.notes[-1] == "new items: 2 added; 1 that the files list left as they are there"
    # the files list them by now: nothing is doubled
    assert with_new_items(found, stored(item("n1"), item("a")), NOW + timedelta(days=1)).items.equals(found.items)


def test_items_of_later_are_left_out() -> None:
    found = with_new_items(FILES, stored(item("n1"), item("n2")), NOW + timedelta(hours=1))
    assert set(found.items["item_id"]) - set(FILES.items["item_id"]) == {"n1"}
    assert with_new_items(FILES, stored(item("n1")), NOW) is FILES


def test_items_of_another_schema_are_read_under_that_of_the_run() -> None:
    view = tiny.SCHEMA.view("item_profile")
    strict = tuple(replace(each, minimum=5) if each.name == "list_price" else each for each in view.features[:3])
    schema = Schema(dataset="tiny", seen_items_may_return=True, views=(replace(view, features=strict),))
    tables = replace(FILES, schema=schema, items=FILES.items.select("item_id", "category", "tags", "list_price"))
    found = with_new_items(tables, stored(item("n1"), item("n2", list_price=1)), NOW + timedelta(days=1))
    assert set(found.items["item_id"]) - set(FILES.items["item_id"]) == {"n1"}
    assert "1 left out, such as 'n2': field 'list_price' is 1.0; wanted a number of at least 5" in found.notes[-1]


def test_a_file_in_the_form_of_the_item_table_is_read(tmp_path: Path) -> None:
    rows = FILES.items.head(3)
    rows.write_parquet(tmp_path / "items.parquet")
    rows.with_columns(pl.from_epoch("released", "us").dt.strftime("%Y-%m-%dT%H:%M:%S")).with_columns(
        pl.col("tags").list.join("|"), pl.col("picture").cast(pl.List(pl.String)).list.join("|"), colour=pl.lit("red")
    ).write_csv(tmp_path / "items.csv")
    for name, unused in (("items.parquet", ()), ("items.csv", ("colour",))):
        if name == "items.parquet":
            frame = rows.with_columns(pl.from_epoch("released", "us"))
            frame.write_parquet(tmp_path / name)
        found, others = read_items(tmp_path / name, tiny.SCHEMA)
        assert [{"item_id": each.item_id, **each.fields} for each in found] == rows.rows(named=True)
        assert others == unused


def test_an_item_of_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text('{"item_id": "n1", "category": "tea", "title": "a"}\n{"item_id": "n2", "category": "tea"}\n')
    with pytest.raises(InputError, match="row 2, item 'n2': field 'title' is missing; it is never null; nothing was"):
        read_items(path, tiny.SCHEMA)
    path.write_text('{"item_id": "n1"}\n{"item_id": "n1"}\n')
    with pytest.raises(InputError, match="duplicate id"):
        read_items(path, tiny.SCHEMA)
