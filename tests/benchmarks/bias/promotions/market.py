"""Market: real households, purchases and promotions, with a planted relevance.

Legend: U households, N products, C product categories.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import yaml

DATASET = "promotions"
VALIDATION_DAYS, HOLDOUT_DAYS = 7, 14
"""Newest days of purchases; they lie behind the posted answers, which a trial then knows."""
END = datetime(2018, 1, 1)
"""End of the real purchases that are used."""
START = END - timedelta(days=VALIDATION_DAYS + HOLDOUT_DAYS)
"""Real time that is moved to a midnight after the answers are posted."""
PAST = timedelta(days=120)
"""Purchases before `START` that are used."""
WEEK = 49
"""Real week of the promotions, the last whole one before `START`."""
BASE, SCALE, PRIOR = -1.2, 1.5, 20.0
"""Mean and spread of the logit of relevance, and the weight of all households' purchases
in the share of a category."""
SLOTS = (
    ("mailer_location", "D"),  # front page
    ("display_location", "1"),  # store front
    ("mailer_location", "F"),  # back page
    ("display_location", "3"),  # front end cap
    ("mailer_location", "A"),  # interior page
    ("display_location", "5"),  # rear end cap
    ("display_location", "7"),  # in-aisle
    ("display_location", "9"),  # secondary location
)
"""Slots of an answer, by their position: a column of the promotions, and its code."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Market:
    """Households, products, purchases, promotions, and the planted relevance."""

    purchases: pl.DataFrame
    """user_id, item_id, timestamp, value; the times are moved."""
    products: pl.DataFrame
    """item_id and features, in the order of `logit_UN`."""
    users: list[str]
    """Ids of the households, in the order of `logit_UN`."""
    offers: pl.DataFrame
    """user, position, item (rows): products in each slot of the household's store."""
    logit_UN: np.ndarray
    """Logit of the true relevance of every product to every household."""

    @property
    def relevance_UN(self) -> np.ndarray:
        """Probability that each product is relevant to each household."""
        relevance_UN: np.ndarray = 1 / (1 + np.exp(-self.logit_UN))
        return relevance_UN


def read_market(data: Path, *, households: int, products: int, midnight: datetime, seed: int) -> Market:
    """Draw a market from the files of completejourney.

    Args:
        data: folder with its Parquet files.
        households: number of households, drawn from those with a store of the promotions.
        products: number of products: the ones that sell best of those in a slot.
        midnight: time to which `START` is moved.
        seed: random seed of the households.
    """
    promoted = _promoted(data)
    bought = pl.read_parquet(data / "transactions.parquet").select(
        "store_id",
        user_id=pl.col("household_id").cast(pl.String),
        item_id=pl.col("product_id").cast(pl.String),
        timestamp=pl.col("transaction_timestamp").cast(pl.Datetime("us")),
        value="sales_value",
    )
    bought = bought.filter(pl.col("timestamp").is_between(START - PAST, END, closed="left"))
    counts = bought.join(promoted.select("item_id").unique(), on="item_id", how="semi").group_by("item_id").len()
    best = counts.sort("len", "item_id", descending=[True, False]).head(products).select("item_id")
    listed = pl.read_parquet(data / "products.parquet").with_columns(item_id=pl.col("product_id").cast(pl.String))
    features = ["item_id", "department", "product_category", "brand"]
    items = listed.join(best, on="item_id", how="semi").select(features).sort("item_id").with_row_index("item")
    stores = _stores(bought, promoted).sample(households, seed=seed, shuffle=True).sort("user_id")
    stores = stores.with_row_index("user")
    kept = bought.join(stores, on="user_id", how="semi").join(items, on="item_id", how="semi")
    offers = promoted.join(items.select("item_id", "item"), on="item_id").join(stores, on="store_id")
    return Market(
        purchases=kept.select(
            "user_id", "item_id", pl.col("timestamp") + (midnight - START), pl.col("value")
        ).sort("timestamp", "user_id", "item_id"),
        products=items.drop("item"),
        users=stores["user_id"].to_list(),
        offers=offers.select("user", "position", "item").sort("user", "position", "item"),
        logit_UN=_planted(kept.filter(pl.col("timestamp") < START), stores, items),
    )  # fmt: skip


def write_market(market: Market, folder: Path, until: datetime) -> None:
    """Write the market as a dataset of its own, with its `gatehouse.yaml`.

    Args:
        market: the market.
        folder: folder of the dataset; what it holds is replaced.
        until: time before which purchases are known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    market.purchases.filter(pl.col("timestamp") < until).write_parquet(folder / "purchases.parquet")
    market.products.write_parquet(folder / "products.parquet")
    kinds = {name: {"kind": "categorical"} for name in market.products.columns if name != "item_id"}
    config = {
        "dataset": DATASET,
        "seen_items_may_return": True,
        "holdout": f"{HOLDOUT_DAYS}d",
        "validation": f"{VALIDATION_DAYS}d",
        "events": {
            "file": "purchases.parquet",
            "user": "user_id",
            "item": "item_id",
            "timestamp": "timestamp",
            "value": "value",
        },
        "items": {"file": "products.parquet", "id": "item_id", "features": kinds},
    }
    (folder / "gatehouse.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def _promoted(data: Path) -> pl.DataFrame:
    """store_id, item_id and position of the week's promotions."""
    week = pl.scan_parquet(data / "promotions.parquet").filter(pl.col("week") == WEEK).collect()
    found = [
        week.filter(pl.col(column) == code).select(
            "store_id", item_id=pl.col("product_id").cast(pl.String), position=pl.lit(position)
        )
        for position, (column, code) in enumerate(SLOTS, 1)
    ]
    return pl.concat(found).unique().sort("store_id", "position", "item_id")


def _stores(bought: pl.DataFrame, promoted: pl.DataFrame) -> pl.DataFrame:
    """Store of each household in which it bought most, where that store has promotions."""
    counts = bought.group_by("user_id", "store_id").len()
    own = counts.sort("len", "store_id", descending=[True, False]).unique("user_id", keep="first")
    return own.join(promoted.select("store_id").unique(), on="store_id", how="semi").select("user_id", "store_id").sort(
        "user_id"
    )  # fmt: skip


def _planted(bought: pl.DataFrame, stores: pl.DataFrame, items: pl.DataFrame) -> np.ndarray:
    """Logit of relevance: how much more the household buys the category, and how many buy the product."""
    rows = bought.join(stores.select("user_id", "user"), on="user_id").join(items, on="item_id")
    category_N = items["product_category"].fill_null("").rank("dense").to_numpy().astype(int) - 1
    count_UN = np.zeros((stores.height, items.height))
    np.add.at(count_UN, (rows["user"].to_numpy(), rows["item"].to_numpy()), 1)
    count_UC = count_UN @ np.eye(category_N.max() + 1)[category_N]
    share_C = (count_UC.sum(axis=0) + 1) / (count_UC.sum() + count_UC.shape[1])
    own_UC = (count_UC + PRIOR * share_C) / (count_UC.sum(axis=1, keepdims=True) + PRIOR)
    taste_UN = np.log(own_UC / share_C)[:, category_N]
    appeal_N = np.log1p((count_UN > 0).sum(axis=0))
    return BASE + SCALE * (_standard(taste_UN) + _standard(appeal_N)) / np.sqrt(2)


def _standard(values: np.ndarray) -> np.ndarray:
    standard: np.ndarray = (values - values.mean()) / values.std()
    return standard
