"""Description of an encoder's output: all that a tower needs to know to be built.

Legend: N rows, L elements kept of a list, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from feature_repo.feature import Feature, Kind

PAD, MISSING, UNKNOWN = 0, 1, 2
"""Reserved codes: nothing here (end of a list), no value, a value that training has not seen."""
RESERVED = 3
BUCKETS = 16
HASHED_TOKENS = 4_096


class InputKind(StrEnum):
    """Use that a tower makes of an array."""

    CODE = "code"  # int32 [N]: embed
    BUCKET = "bucket"  # int32 [N]: embed; quantile of a number
    BAG = "bag"  # int32 [N, L]: embed and average, PAD left out
    NUMBER = "number"  # float32 [N, 2]: standardised value and whether it is missing
    VECTOR = "vector"  # float32 [N, dim]: as it is
    HISTORY = "history"  # `{name}_items` int32 [N, L], `{name}_ages`, `{name}_counts` float32 [N, L]: pool
    # Not of an encoder: frozen vectors that training adds, for codes that are there already.
    BEHAVIOUR = "behaviour"  # of the item codes `{name}` int32 [N]
    HISTORY_BEHAVIOUR = "history_behaviour"  # of the item codes `{name}_items` int32 [N, L]: average


@dataclass(frozen=True, kw_only=True)
class Input:
    """One tower input. `size`: vocabulary size V (codes, bags, histories); `width`: second axis of the array. `own`:
    codes below it have a vector of their own, those from it on share that of UNKNOWN; None where all have one."""

    name: str
    kind: InputKind
    size: int = 0
    width: int = 1
    own: int | None = None


def describe(feature: Feature, known: int) -> Iterator[Input]:
    """The arrays that a feature is encoded as. known: values in its vocabulary, if it has one."""
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
            yield Input(name=f"{name}_bucket", kind=InputKind.BUCKET, size=BUCKETS + RESERVED)
        case Kind.VECTOR:
            yield Input(name=name, kind=InputKind.VECTOR, width=feature.dim or 0)
        case Kind.HISTORY:
            yield Input(name=name, kind=InputKind.HISTORY, size=size, width=length)
    if feature.cycles:
        yield Input(name=f"{name}_cycles", kind=InputKind.VECTOR, width=2 * len(feature.cycles))
