"""Feature tables of the newest data of a shop, as a run leaves them in a home."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from feature_repo.schema import Entity, Feature, Kind, Schema, View
from feature_repo.whole_file import write_text
from orchestration.asset_values import Features, Source

END = datetime(2024, 3, 31)
USERS, ITEMS = 2_000, 500
SCHEMA = Schema(
    dataset="shop",
    seen_items_may_return=True,
    views=(
        View(
            name="user_profile",
            entity=Entity.USER,
            features=(Feature(name="age", kind=Kind.NUMERIC), Feature(name="town", kind=Kind.CATEGORICAL)),
        ),
        View(name="user_activity", entity=Entity.USER, features=(Feature(name="last", kind=Kind.TIMESTAMP),)),
        View(name="item_profile", entity=Entity.ITEM, features=(Feature(name="price", kind=Kind.NUMERIC),)),
    ),
)
_TIME = pl.Datetime("us")


def shop(**changes: Any) -> dict[str, Any]:
    """Values of each feature of the newest data, but for `changes`."""
    rng = np.random.default_rng(1)
    values: dict[str, Any] = {
        "age": rng.normal(40, 9, USERS),
        "town": ["bath", "york"] * (USERS // 2),
        "price": rng.uniform(1, 9, ITEMS),
    }
    return values | changes


def write_newest(root: Path, values: Path, features: Mapping[str, Any], end: datetime = END) -> Source:
    """Write the tables of a run, and the value that names them.

    The tables hold older rows, and newer ones that were not known yet, all of them with other values.

    Args:
        root: folder of the run's data.
        values: folder of the values of the runs.
        features: values of the newest rows by feature.
        end: end of the data.
    """
    source = Source(
        dataset="shop", folder=root / "source", sha256="", as_of=end, validation_start=end, cut=end - timedelta(days=14)
    )
    source.folder.mkdir(parents=True)
    values.mkdir(parents=True, exist_ok=True)
    write_text(source.folder / "schema.json", SCHEMA.to_json())
    for entity, count in ((Entity.USER, USERS), (Entity.ITEM, ITEMS)):
        ids = pl.DataFrame({entity.key: [f"{entity.value}{n}" for n in range(count)]})
        ids.write_parquet(source.folder / f"{entity.value}s.parquet")
        for view in SCHEMA.views:
            if view.entity is entity:
                own = {each.name: pl.Series(features.get(each.name, _last(end))) for each in view.features}
                _write(root / "features" / entity.value / f"{view.name}.parquet", ids.with_columns(**own), end)
    write_text(
        values / "user_features.json", Features(source=source, folder=root / "features" / "user").model_dump_json()
    )
    return source


def _last(end: datetime) -> list[int]:
    """Minutes before the end, in microseconds."""
    seconds = int((end - datetime(1970, 1, 1)).total_seconds())
    return [(seconds - 60 * n) * 1_000_000 for n in range(USERS)]


def _write(path: Path, newest: pl.DataFrame, end: datetime) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wrong = newest.with_columns(pl.exclude("user_id", "item_id").shuffle(0).first())

    def at(rows: pl.DataFrame, event: datetime, created: datetime) -> pl.DataFrame:
        return rows.with_columns(event_timestamp=pl.lit(event, _TIME), created=pl.lit(created, _TIME))

    day = timedelta(days=1)
    rows = [at(wrong, end - 9 * day, end - 9 * day), at(newest, end, end), at(wrong, end, end - day)]
    pl.concat([*rows, at(wrong, end, end + day), at(wrong, end + day, end)]).write_parquet(path)
