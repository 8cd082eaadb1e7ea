"""Description of an encoder's output: all that a tower needs to know to be built.

Legend: N rows, L elements kept of a list, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from feature_repo.feature import Feature, Kind

PAD, MISSING, UNKNOWN = 0, 1, 2
"""Reserved codes: end of a list, no value, a value that training has not seen."""
RESERVED = 3
"""Number of reserved codes."""
BUCKETS = 16
"""Quantile buckets of a number."""
HASHED_TOKENS = 4_096
"""Buckets of hashed tokens."""


class InputKind(StrEnum):
    """Use that a tower makes of an array."""

    CODE = "code"  # int32 [N]: embed
    BUCKET = "bucket"  # int32 [N]: embed; quantile of a number
    BAG = "bag"  # int32 [N, L]: embed and average, PAD left out
    NUMBER = "number"  # float32 [N, 2]: standardised value and whether it is missing
    VECTOR = "vector"  # float32 [N, dim]: as it is
    HISTORY = "history"  # `{name}_items` int32 [N, L], `{name}_ages`, `{name}_counts` float32 [N, L]: pool
    # Not of an encoder: frozen vectors of existing codes, which training adds.
    BEHAVIOUR = "behaviour"  # of the item codes `{name}` int32 [N]
    HISTORY_BEHAVIOUR = "history_behaviour"  # of the item codes `{name}_items` int32 [N, L]: average


@dataclass(frozen=True, kw_only=True)
class Input:
    """Description of one tower input."""

    name: str
    """Name of the array, for histories the prefix of its arrays."""
    feature: str = ""
    """Name of the feature, where the array has another."""
    kind: InputKind
    """Use of the array."""
    size: int = 0
    """Vocabulary size V, of codes, bags and histories."""
    width: int = 1
    """Second axis of the array."""
    own: int | None = None
    """Codes below it have a vector of their own, the others share that of UNKNOWN; None
    if all have one."""


def derived(feature: Feature, what: str, features: Collection[str]) -> str:
    """Name of a further array of a feature: `price_bucket`.

    Args:
        feature: the feature.
        what: `bucket` or `cycles`.
        features: names of all features; an array that would be named as one of them
            gets underscores behind its name.
    """
    name = f"{feature.name}_{what}"
    while name in features:
        name += "_"
    return name


def describe(feature: Feature, known: int, features: Collection[str]) -> Iterator[Input]:
    """Inputs of a feature.

    Args:
        feature: the feature.
        known: size of its vocabulary, 0 without one.
        features: names of all features of the entity.
    """
    name, length = feature.name, feature.length or 1
    size = (feature.hashed or known) + RESERVED
    match feature.kind:
        case Kind.ID | Kind.CATEGORICAL:
            yield Input(name=name, kind=InputKind.CODE, size=size)
        case Kind.MULTI_VALUED:
            yield Input(name=name, kind=InputKind.BAG, size=size, width=length)
        case Kind.TEXT if feature.encoder:
            yield Input(name=name, kind=InputKind.VECTOR, width=feature.dim or 0)
        case Kind.TEXT:
            yield Input(name=name, kind=InputKind.BAG, size=HASHED_TOKENS + RESERVED, width=length)
        case Kind.NUMERIC | Kind.TIMESTAMP:
            yield Input(name=name, kind=InputKind.NUMBER, width=2)
            bucket = derived(feature, "bucket", features)
            yield Input(name=bucket, feature=name, kind=InputKind.BUCKET, size=BUCKETS + RESERVED)
        case Kind.VECTOR:
            yield Input(name=name, kind=InputKind.VECTOR, width=feature.dim or 0)
        case Kind.HISTORY:
            yield Input(name=name, kind=InputKind.HISTORY, size=size, width=length)
    if feature.cycles:
        cycles = derived(feature, "cycles", features)
        yield Input(name=cycles, feature=name, kind=InputKind.VECTOR, width=2 * len(feature.cycles))
