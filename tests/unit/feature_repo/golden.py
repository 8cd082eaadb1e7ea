"""Values of every kind of feature on a small log, as hashes: `python -m tests.unit.feature_repo.golden` stores them.

Stored tables and trained towers hold what the code computed then. A change of a value needs another FEATURES_VERSION,
so that no release is measured or served on features that it was not trained with.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs

from feature_repo.datasets.canonical import Tables
from feature_repo.encode import Encoder
from feature_repo.schema import FEATURES_VERSION, Entity, Feature, Kind, Schema, View
from feature_repo.standard_views import item_statistics_view, user_activity_view, user_history_view
from feature_repo.tables.build import feature_tables
from feature_repo.tables.join import join_as_of

PATH = Path(__file__).with_name("golden.json")
START = datetime(2024, 1, 1)
CUT = START + timedelta(days=45, hours=5)
PROFILE = (
    Feature(name="town", kind=Kind.CATEGORICAL),
    Feature(name="code", kind=Kind.ID, hashed=50),
    Feature(name="tags", kind=Kind.MULTI_VALUED, length=3),
    Feature(name="size", kind=Kind.NUMERIC),
    Feature(name="born", kind=Kind.TIMESTAMP, cycles=("week", "year")),
    Feature(name="words", kind=Kind.TEXT, length=6, ngrams=(3, 4)),
    Feature(name="face", kind=Kind.VECTOR, dim=2),
)
MOMENT = Feature(name="now", kind=Kind.MOMENT, cycles=("day", "week"))
PROFILE_TYPES = {"tags": pl.List(pl.String), "face": pl.List(pl.Float32), "born": pl.Int64, "size": pl.Float64}


def planted() -> Tables:
    """A log with late events, nulls, ties and quiet users; Python's generator is the same everywhere."""
    world = random.Random(0)
    rows = []
    for number in range(400):
        moment = START + timedelta(minutes=7 * world.randrange(60 * 24 * 8))
        late = timedelta(days=world.choice([0, 0, 0, 3]))
        user, item = f"u{world.randrange(12):02}", f"i{world.randrange(15):02}"
        rows.append((user, item, moment, moment + late, round(world.uniform(0, 9), 2), f"b{number // 3}"))
    names = ("user_id", "item_id", "timestamp", "created", "value", "basket_id")
    times = {"timestamp": pl.Datetime("us"), "created": pl.Datetime("us")}
    events = pl.DataFrame(rows, schema=names, orient="row", schema_overrides=times).sort("timestamp", "user_id")
    users, items = (_profiles(world, f"{kind}_id", kind[0], count) for kind, count in (("user", 14), ("item", 15)))
    user_profile = View(name="user_profile", entity=Entity.USER, features=(*PROFILE, MOMENT))
    views = (user_profile, user_activity_view(value=True, basket=True), user_history_view(length=5))
    stocked = tuple(replace(feature, name=f"item_{feature.name}") for feature in PROFILE)
    items = items.rename({feature.name: f"item_{feature.name}" for feature in PROFILE})
    more = (View(name="item_profile", entity=Entity.ITEM, features=stocked), item_statistics_view(value=True))
    schema = Schema(dataset="golden", seen_items_may_return=True, views=(*views, *more))
    return Tables(schema=schema, events=events, users=users, items=items, notes=())


def _profiles(world: random.Random, key: str, letter: str, count: int) -> pl.DataFrame:
    rows = [
        {
            key: f"{letter}{number:02}",
            "town": world.choice([None, "", "Köln", "Oslo"]),
            "code": f"c{world.randrange(9)}",
            "tags": world.choice([None, [], ["a"], ["b", "a", "c", "d"]]),
            "size": world.choice([None, 0.0, -3.5, 1e6]),
            "born": world.choice([None, 946_684_800_000_000, 1_704_067_200_000_000 - world.randrange(10**13)]),
            "words": world.choice([None, "", "Größe 42, blau", "हिन्दी text", "one two three four five six seven"]),
            "face": world.choice([None, [0.5, -1.25]]),
        }
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema_overrides=PROFILE_TYPES)


def hashes() -> dict[str, str]:
    """Hash of the table columns and of the encoding of each feature, by entity, kind and name."""
    tables, found = planted(), {}
    for entity, ids in ((Entity.USER, tables.users["user_id"]), (Entity.ITEM, tables.items["item_id"])):
        built = feature_tables(tables, entity, (CUT,))
        asked = pl.DataFrame({entity.key: ids}).with_columns(event_timestamp=pl.lit(CUT, pl.Datetime("us")))
        frame = join_as_of(asked, built, entity)
        features = tables.schema.features_of(entity)
        encoder = Encoder.fit(entity.key, features, frame, ids=ids, items=tables.items["item_id"])
        encoded = encoder.encode(frame)
        for view in tables.schema.views_of(entity):
            for feature in view.features:
                columns = built[view.name].select(entity.key, "event_timestamp", "created", *feature.columns)
                columns = columns.with_columns(cs.float().round(6))
                own = {name: array for name, array in encoded.items() if _is_of(name, feature, features)}
                what = f"{entity.value} {feature.kind.value} {feature.name}"
                found[f"{what}: table"] = _hash(columns.write_json())
                found[f"{what}: encoded"] = _hash(json.dumps({name: _rounded(own[name]) for name in sorted(own)}))
    return found


def _is_of(name: str, feature: Feature, features: tuple[Feature, ...]) -> bool:
    """Whether an array is that of a feature, the one with the longest name that it begins with."""
    fitting = [each.name for each in features if name == each.name or name.startswith(f"{each.name}_")]
    return bool(fitting) and max(fitting, key=len) == feature.name


def _rounded(array: Any) -> Any:
    """Values without their last bits, which differ between machines."""
    return (np.round(np.asarray(array, dtype=np.float64), 4) + 0.0).tolist()


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


if __name__ == "__main__":
    PATH.write_text(json.dumps({"features_version": FEATURES_VERSION, "hashes": hashes()}, indent=1) + "\n")
