"""The default dataset: its counts and blemishes.

Counts were counted independently in the published files.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from feature_repo.datasets import completejourney
from feature_repo.datasets.canonical import Tables
from feature_repo.errors import InputError


@pytest.fixture(scope="module")
def tables() -> Tables:
    return completejourney.load()


def test_counts_are_those_of_the_source(tables: Tables) -> None:
    assert tables.events.height == 1_469_307 - 4_836
    assert tables.users.height == tables.events["user_id"].n_unique() == 2_469
    assert tables.items.height == 92_331
    assert tables.events["timestamp"].max() == datetime(2018, 1, 1, 4, 1, 20)


@pytest.mark.parametrize(
    "blemish",
    [
        "17 ids missing from products.parquet, such as",
        "4,836 events dropped (0.33 %)",
        "1,668 of 2,469 households have no demographics",
        "23,839 of 92,331 items have no event",
        "30,586 of 92,331 products have no package size (33.1 %)",
        "11,226 of 1,469,307 transactions have a sales value of 0 or less: kept",
        "14 events equal another one in user, item and time: kept",
        "534 transactions on the last day, 2018-01-01",
    ],
)
def test_blemishes_are_reported(tables: Tables, blemish: str) -> None:
    assert any(blemish in note for note in tables.notes)


def test_every_product_has_a_title_to_show(tables: Tables) -> None:
    assert tables.items["title"].null_count() == 0
    unsorted = tables.items.filter(pl.col("item_id") == "26081")
    assert unsorted["product_category"].item() is None
    assert unsorted["title"].item() == "Miscellaneous, National brand"
    title = tables.schema.view("item_profile").features[-1]
    assert title.display
    assert not title.tower


def test_words_are_those_of_category_and_type(tables: Tables) -> None:
    ice = tables.items.filter(pl.col("item_id") == "25671")
    assert ice["product_type"].item() == "ICE - CRUSHED/CUBED"
    assert ice["words"].item() == "frzn ice crushed cubed"
    assert ice["title"].item() == "Ice - Crushed/Cubed, 22 LB, National brand"


def test_schema_and_tables_have_the_same_profile_columns(tables: Tables) -> None:
    assert tables.users.columns[1:] == list(tables.schema.view("user_profile").columns)
    assert tables.items.columns[1:] == list(tables.schema.view("item_profile").columns)


def test_a_folder_without_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"transactions\.parquet: no such file"):
        completejourney.load(tmp_path)
