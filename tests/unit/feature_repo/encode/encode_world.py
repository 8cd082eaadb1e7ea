"""Feature of every kind, and random frames of them, for tests of encoders."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from feature_repo.encode import Encoder
from feature_repo.schema import Feature, Kind

PAD, MISSING, UNKNOWN, FIRST = 0, 1, 2, 3
NOW = datetime(2024, 3, 1, 12)
DAY = timedelta(days=1)
FEATURES = (
    Feature(name="brand", kind=Kind.CATEGORICAL),
    Feature(name="shop", kind=Kind.ID),
    Feature(name="tags", kind=Kind.MULTI_VALUED, length=3),
    Feature(name="price", kind=Kind.NUMERIC),
    Feature(name="released", kind=Kind.TIMESTAMP),
    Feature(name="title", kind=Kind.TEXT, length=4),
    Feature(name="face", kind=Kind.VECTOR, dim=2),
    Feature(name="history", kind=Kind.HISTORY, length=3),
    Feature(name="colour", kind=Kind.CATEGORICAL, tower=False),
    Feature(name="sku", kind=Kind.CATEGORICAL, hashed=50),
    Feature(name="labels", kind=Kind.MULTI_VALUED, length=3, hashed=20),
    Feature(name="stock", kind=Kind.NUMERIC, scale="linear"),
    Feature(name="opened", kind=Kind.TIMESTAMP, cycles=("year", "day")),
    Feature(name="blurb", kind=Kind.TEXT, length=12, ngrams=(3, 4)),
    Feature(name="now", kind=Kind.MOMENT, cycles=("day", "week", "year")),
)
TYPES = {
    "item_id": pl.String(),
    "event_timestamp": pl.Datetime("us"),
    "brand": pl.String(),
    "shop": pl.String(),
    "tags": pl.List(pl.String()),
    "price": pl.Float64(),
    "released": pl.Int64(),
    "title": pl.String(),
    "face": pl.List(pl.Float32()),
    "history_items": pl.List(pl.String()),
    "history_times": pl.List(pl.Int64()),
    "history_decayed": pl.List(pl.Int64()),
    "history_counts": pl.List(pl.Int64()),
    "sku": pl.String(),
    "labels": pl.List(pl.String()),
    "stock": pl.Float64(),
    "opened": pl.Int64(),
    "blurb": pl.String(),
}
IDS, ITEMS = ("i1", "i2", "i3"), ("i1", "i2", "i3", "i4")


def microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def frame_of(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{"event_timestamp": NOW} | row for row in rows], schema=TYPES)


def random_frame(seed: int, rows: int = 60) -> pl.DataFrame:
    """Every kind of value that a store can return, nulls and extremes among them."""
    dice = random.Random(seed)

    def maybe(value: Any) -> Any:
        return None if dice.random() < 0.2 else value

    def row() -> dict[str, Any]:
        bought = dice.sample(["i1", "i2", "i4", "i9", "i8"], dice.randrange(6))
        ages = sorted(dice.choices([-1, 0, 1, 40, 900], k=len(bought)))
        there = dice.random() < 0.8
        return {
            "item_id": dice.choice(["i1", "i2", "i7", None]),
            "event_timestamp": NOW - dice.randrange(20) * DAY / 4,
            "brand": maybe(dice.choice("abcde")),
            "shop": maybe(dice.choice(["s1", "s2", ""])),
            "tags": maybe([maybe(dice.choice("xyzw")) for _ in range(dice.randrange(6))]),
            "price": maybe(dice.choice([0.0, -3.5, 2.0, 1e-9, 1e300, -1e300, math.inf, math.nan])),
            "released": maybe(microseconds(NOW - dice.choice([-500, 0, 3, 9_000]) * DAY)),
            "title": maybe(dice.choice(["", "Red tea", "TEA, green!", "a b c d e f", "Æther 東京 7"])),
            "face": maybe([dice.gauss(0, 1), 0.0]),
            "history_items": bought if there else None,
            "history_times": [microseconds(NOW - age * DAY) for age in ages] if there else None,
            "history_counts": [dice.randrange(1, 9) for _ in bought] if there else None,
            "history_decayed": [microseconds(NOW - (age - 9) * DAY) for age in ages] if there else None,
            "sku": maybe(dice.choice(["", "a-1", "é", "zz"])),
            "labels": maybe([maybe(dice.choice("xyzw")) for _ in range(dice.randrange(6))]),
            "stock": maybe(dice.choice([0.0, -3.5, 7.0, 1e-9, 1e300, -1e300, math.inf, math.nan])),
            "opened": maybe(dice.choice([microseconds(NOW - 9 * DAY), 0, -1, -(10**16), 2**63 - 1, -(2**63)])),
            "blurb": maybe(dice.choice(["", "!", "Steamed tea", "a b", "東京 tearoom"])),
        }

    return frame_of(*(row() for _ in range(rows)))


def fitted(frame: pl.DataFrame | None = None, features: tuple[Feature, ...] = FEATURES) -> Encoder:
    return Encoder.fit("item_id", features, random_frame(0) if frame is None else frame, ids=IDS, items=ITEMS)


def only(kind: Kind) -> tuple[Feature, ...]:
    return tuple(feature for feature in FEATURES if feature.kind is kind and feature.tower)


def assert_equal(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def siphash(key: bytes, data: bytes) -> int:
    """SipHash-2-4 (Aumasson and Bernstein, 2012), written from the paper."""
    mask = 2**64 - 1
    k0, k1 = (int.from_bytes(key[start : start + 8], "little") for start in (0, 8))
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rotate(value: int, bits: int) -> int:
        return ((value << bits) | (value >> (64 - bits))) & mask

    def rounds(number: int) -> None:
        for _ in range(number):
            for a, b, bits in ((0, 1, 13), (2, 3, 16)):
                v[a] = (v[a] + v[b]) & mask
                v[b] = rotate(v[b], bits) ^ v[a]
            v[0] = rotate(v[0], 32)
            for a, b, bits in ((2, 1, 17), (0, 3, 21)):
                v[a] = (v[a] + v[b]) & mask
                v[b] = rotate(v[b], bits) ^ v[a]
            v[2] = rotate(v[2], 32)

    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) % 256])
    for start in range(0, len(padded), 8):
        word = int.from_bytes(padded[start : start + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def code_of(token: str) -> int:
    """Hash with the finaliser of SplitMix64, as in pandas.

    [Steele, Lea and Flood, 2014]
    """
    mixed, mask = siphash(b"gatehouse0123456", token.encode()), 2**64 - 1
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & mask
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & mask
    return FIRST + (mixed ^ mixed >> 31) % 4096
