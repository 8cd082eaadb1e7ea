"""Tiny example shop with taste groups that retrieval must find.

It is generated, and a seed determines it.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables, canonicalise
from feature_repo.datasets.raw_table import RawTable
from feature_repo.errors import InputError
from feature_repo.schema import Entity, Feature, Kind, Schema, View
from feature_repo.standard_views import item_statistics_view, user_activity_view, user_history_view

USERS, ITEMS, DAYS, BASKETS = 200, 300, 90, 4_000
START = datetime(2024, 1, 1)
GROUPS = np.array(["tea", "bread", "garden", "music", "sport", "toys"])
"""Taste groups. An item's group is its category. A user buys mostly in one group, which
the `style` of most users names."""
_TAGS = np.array(["new", "gift", "organic", "local", "sale"])
_COLOURS = np.array(["red", "green", "blue", "white", "black", "yellow"])

SCHEMA = Schema(
    dataset="tiny",
    seen_items_may_return=True,
    views=(
        View(
            name="user_profile",
            entity=Entity.USER,
            features=(
                Feature(name="style", kind=Kind.CATEGORICAL, description="the taste group, known for most users"),
                Feature(name="age", kind=Kind.NUMERIC, minimum=18, maximum=90),
            ),
        ),
        user_activity_view(value=True, basket=True),
        user_history_view(),
        View(
            name="item_profile",
            entity=Entity.ITEM,
            features=(
                Feature(name="category", kind=Kind.CATEGORICAL, max_null_share=0, filterable=True),
                Feature(name="tags", kind=Kind.MULTI_VALUED, length=8),
                Feature(name="list_price", kind=Kind.NUMERIC, minimum=0),
                Feature(name="released", kind=Kind.TIMESTAMP),
                Feature(name="title", kind=Kind.TEXT, length=8, max_null_share=0, display=True),
                Feature(name="picture", kind=Kind.VECTOR, dim=4),
            ),
        ),
        item_statistics_view(value=True),
    ),
)


def load(data: Path | None = None, as_of: datetime | None = None) -> Tables:
    """Shop of seed 0."""
    if data is not None:
        raise InputError(f"dataset 'tiny' is generated and reads no folder; leave out --data {data}")
    return generate(seed=0, as_of=as_of)


def generate(seed: int, as_of: datetime | None = None) -> Tables:
    """Shop of 200 users, 300 items in six taste groups, and about 8,000 events.

    They fall on 90 days, in baskets of two.
    """
    frames = _frames(seed)
    tables = {
        name: RawTable(name=f"{name}.csv", frame=frame, columns={column: column for column in frame.columns})
        for name, frame in frames.items()
    }
    return canonicalise(SCHEMA, events=tables["events"], users=tables["users"], items=tables["items"], as_of=as_of)


def write(folder: Path, seed: int) -> None:
    """Write the shop as a user would bring it: events.csv, users.csv, items.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in _frames(seed).items():
        lists = [column for column, dtype in frame.schema.items() if dtype == pl.List]
        texts = [pl.col(column).cast(pl.List(pl.String)).list.join("|") for column in lists]
        frame.with_columns(texts).write_csv(folder / f"{name}.csv")


def _frames(seed: int) -> dict[str, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    group_of_user = rng.integers(len(GROUPS), size=USERS)
    group_of_item = np.arange(ITEMS) % len(GROUPS)
    prices = rng.gamma(3.0, 4.0, size=ITEMS).round(2) + 0.5
    return {
        "events": _events(rng, group_of_user, prices),
        "users": _users(rng, group_of_user),
        "items": _items(rng, group_of_item, prices),
    }


def _users(rng: np.random.Generator, group_of_user: np.ndarray) -> pl.DataFrame:
    style = pl.Series(GROUPS[group_of_user])
    told = pl.Series(rng.random(USERS) < 0.7)
    return pl.DataFrame(
        {"user_id": _names("u", np.arange(USERS)), "style": style, "age": rng.integers(18, 80, size=USERS)}
    ).with_columns(pl.when(told).then("style").alias("style"))


def _items(rng: np.random.Generator, group_of_item: np.ndarray, prices: np.ndarray) -> pl.DataFrame:
    category, colour = GROUPS[group_of_item], _COLOURS[rng.integers(len(_COLOURS), size=ITEMS)]
    tagged = rng.random((ITEMS, len(_TAGS))) < 0.35
    centres = rng.normal(size=(len(GROUPS), 4))
    pictures = centres[group_of_item] + 0.3 * rng.normal(size=(ITEMS, 4))
    age = rng.integers(30, 1_000, size=ITEMS).astype("timedelta64[D]")
    columns = {tag: pl.Series(tagged[:, place]) for place, tag in enumerate(_TAGS)}
    return pl.DataFrame({"item_id": _names("i", np.arange(ITEMS)), "category": category, "colour": colour}).select(
        "item_id",
        "category",
        tags=pl.concat_list(pl.when(columns[tag]).then(pl.lit(tag)) for tag in _TAGS).list.drop_nulls(),
        list_price=pl.Series(prices),
        released=pl.Series(np.datetime64(START, "us") - age),
        title=pl.format("{} {} no. {}", pl.col("colour").str.to_titlecase(), "category", "item_id"),
        picture=pl.Series(pictures.astype(np.float32).round(4)).cast(pl.List(pl.Float32)),
    )


def _events(rng: np.random.Generator, group_of_user: np.ndarray, prices: np.ndarray) -> pl.DataFrame:
    """Baskets of two items: favourites, popular items of the group, and strays.

    Args:
        rng: source of randomness.
        group_of_user: taste group of each user.
        prices: price of each item.
    """
    per_group = ITEMS // len(GROUPS)
    popularity = 1.0 / np.arange(1, per_group + 1) ** 0.7
    popularity /= popularity.sum()
    favourites = rng.choice(per_group, size=(USERS, 4), p=popularity)

    user = np.repeat(rng.integers(USERS, size=BASKETS), 2)
    rank = np.where(
        rng.random(user.size) < 0.4,
        favourites[user, rng.integers(4, size=user.size)],
        rng.choice(per_group, size=user.size, p=popularity),
    )
    strays = rng.random(user.size) < 0.1
    group = np.where(strays, rng.integers(len(GROUPS), size=user.size), group_of_user[user])
    # Items are dealt to groups in turn, see `_frames`.
    item = rank * len(GROUPS) + group
    seconds = np.repeat(rng.integers(DAYS * 86_400, size=BASKETS), 2)
    delay = np.where(rng.random(user.size) < 0.05, rng.integers(60, 86_400, size=user.size), 0)
    events = pl.DataFrame(
        {
            "user_id": _names("u", user),
            "item_id": _names("i", item),
            "timestamp": _moments(seconds),
            "created": _moments(seconds + delay),
            "value": (prices[item] * rng.choice([0.8, 1.0], p=[0.2, 0.8], size=user.size)).round(2),
            "basket_id": _names("b", np.arange(user.size) // 2),
        }
    )
    return events.unique(["user_id", "item_id", "timestamp"], keep="first", maintain_order=True)


def _moments(seconds: np.ndarray) -> pl.Series:
    return pl.Series(np.datetime64(START, "us") + seconds.astype("timedelta64[s]"))


def _names(prefix: str, numbers: np.ndarray) -> pl.Series:
    return pl.Series(numbers).to_frame("n").select(pl.format(prefix + "{}", "n")).to_series()
