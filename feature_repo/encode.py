"""Feature values to arrays, with the vocabularies: the same code in training, evaluation, the index and serving.

An encoder is fitted on training rows and then frozen; it travels with its tower as JSON. `inputs` describes the arrays
it produces, which is all a tower needs to know to be built.

Legend: N rows, L elements kept of a list, V vocabulary size.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import polars as pl

from feature_repo.schema import ENTITY_TIME, Feature, Kind

PAD, MISSING, UNKNOWN = 0, 1, 2
"""Reserved codes: nothing here (end of a list), no value, a value that training has not seen."""
RESERVED = 3
BUCKETS = 16
HASHED_TOKENS = 4_096
MICROSECONDS_PER_DAY = 86_400_000_000


class InputKind(StrEnum):
    """What a tower does with an array."""

    CODE = "code"  # int32 [N]: embed
    BUCKET = "bucket"  # int32 [N]: embed; quantile of a number
    BAG = "bag"  # int32 [N, L]: embed and average, PAD left out
    NUMBER = "number"  # float32 [N, 2]: standardised value and whether it is missing
    VECTOR = "vector"  # float32 [N, dim]: as it is
    HISTORY = "history"  # `{name}_items` int32 [N, L], `{name}_ages`, `{name}_counts` float32 [N, L]: pool


@dataclass(frozen=True, kw_only=True)
class Input:
    """One tower input. `size`: vocabulary size V (codes, bags, histories); `width`: second axis of the array."""

    name: str
    kind: InputKind
    size: int = 0
    width: int = 1


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Standardisation of sign(x)·log(1+|x|) and the inner edges of its quantile buckets."""

    mean: float
    std: float
    edges: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """Encodes one entity's features. `key` is the entity's id column; its codes come from `vocabularies[key]`."""

    key: str
    features: tuple[Feature, ...]
    vocabularies: dict[str, tuple[str, ...]]
    scales: dict[str, Scale]

    def __post_init__(self) -> None:
        for name, values in self.vocabularies.items():
            if len(set(values)) < len(values):
                raise ValueError(f"vocabulary of {name!r}: {len(values) - len(set(values)):,} values are there twice")
        names = [each.name for each in self.inputs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"several features of {self.key!r} are encoded as {twice}; rename one of each")

    @classmethod
    def fit(
        cls,
        key: str,
        features: Sequence[Feature],
        frame: pl.DataFrame,
        *,
        ids: Iterable[str],
        items: Iterable[str] = (),
    ) -> Encoder:
        """Learn vocabularies and scales from training rows.

        frame: event_timestamp (the moment of each row) and the features' columns. ids: the vocabulary of the key.
        items: item ids that training interacts with, the vocabulary of histories.
        """
        used = tuple(feature for feature in features if feature.tower)
        vocabularies = {key: tuple(ids)}
        scales = {}
        for feature in used:
            if feature.kind in (Kind.ID, Kind.CATEGORICAL, Kind.MULTI_VALUED):
                values = frame[feature.name]
                values = values.explode() if feature.kind is Kind.MULTI_VALUED else values
                vocabularies[feature.name] = tuple(values.drop_nulls().unique().sort())
            elif feature.kind in (Kind.NUMERIC, Kind.TIMESTAMP):
                scales[feature.name] = _fit_scale(_number(frame, feature))
            elif feature.kind is Kind.HISTORY:
                vocabularies[feature.name] = tuple(items)
        return cls(key=key, features=used, vocabularies=vocabularies, scales=scales)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The arrays that `encode` produces, the id's code first."""
        described = [Input(name=self.key, kind=InputKind.CODE, size=len(self.vocabularies[self.key]) + RESERVED)]
        for feature in self.features:
            size, width = len(self.vocabularies.get(feature.name, ())) + RESERVED, feature.length or 1
            match feature.kind:
                case Kind.ID | Kind.CATEGORICAL:
                    described.append(Input(name=feature.name, kind=InputKind.CODE, size=size))
                case Kind.MULTI_VALUED:
                    described.append(Input(name=feature.name, kind=InputKind.BAG, size=size, width=width))
                case Kind.TEXT:
                    size = HASHED_TOKENS + RESERVED
                    described.append(Input(name=feature.name, kind=InputKind.BAG, size=size, width=width))
                case Kind.NUMERIC | Kind.TIMESTAMP:
                    described.append(Input(name=feature.name, kind=InputKind.NUMBER, width=2))
                    name, size = f"{feature.name}_bucket", BUCKETS + RESERVED
                    described.append(Input(name=name, kind=InputKind.BUCKET, size=size))
                case Kind.VECTOR:
                    described.append(Input(name=feature.name, kind=InputKind.VECTOR, width=feature.dim or 0))
                case Kind.HISTORY:
                    described.append(Input(name=feature.name, kind=InputKind.HISTORY, size=size, width=width))
        return tuple(described)

    def encode(self, frame: pl.DataFrame) -> dict[str, np.ndarray]:
        """Arrays for every row of frame (key, event_timestamp, the features' columns); ages are as of event_timestamp.

        A value that is not in its vocabulary becomes UNKNOWN, a null MISSING; a list that is null or short ends in PAD.
        No array holds a NaN. Raises ValueError if a column is not there, a moment is null, or a vector is not `dim`
        finite numbers.
        """
        wanted = [self.key, ENTITY_TIME, *(column for feature in self.features for column in feature.columns)]
        absent = [name for name in wanted if name not in frame.columns]
        if absent:
            raise ValueError(f"cannot encode: columns {absent} are missing; got {frame.columns}")
        if frame[ENTITY_TIME].null_count():
            raise ValueError(f"cannot encode: {ENTITY_TIME} is null in {frame[ENTITY_TIME].null_count():,} rows")
        arrays = {self.key: _codes(frame[self.key], self._lookups[self.key])}
        for feature in self.features:
            arrays |= self._encode(feature, frame)
        return arrays

    def _encode(self, feature: Feature, frame: pl.DataFrame) -> dict[str, np.ndarray]:
        name, width = feature.name, feature.length or 1
        match feature.kind:
            case Kind.ID | Kind.CATEGORICAL:
                return {name: _codes(frame[name], self._lookups[name])}
            case Kind.MULTI_VALUED:
                return {name: _padded(frame[name], width, lambda flat: _codes(flat, self._lookups[name]))}
            case Kind.TEXT:
                tokens = frame[name].fill_null("").str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]+")
                return {name: _padded(tokens, width, _hashed)}
            case Kind.NUMERIC | Kind.TIMESTAMP:
                return _scaled(name, _number(frame, feature), self.scales[name])
            case Kind.VECTOR:
                return {name: _vectors(name, frame[name], feature.dim or 0)}
            case Kind.HISTORY:
                return _history(feature, frame, self._lookups[name])

    @cached_property
    def _lookups(self) -> dict[str, pl.DataFrame]:
        """`value` and `code` of each vocabulary: a frame of a long one is too slow to build at every request."""
        return {
            name: pl.DataFrame({"value": values}, schema={"value": pl.String}).with_columns(
                code=pl.int_range(RESERVED, RESERVED + len(values), dtype=pl.Int32)
            )
            for name, values in self.vocabularies.items()
        }

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Encoder:
        raw = json.loads(text)
        return cls(
            key=raw["key"],
            features=tuple(Feature(**{**f, "kind": Kind(f["kind"])}) for f in raw["features"]),
            vocabularies={name: tuple(values) for name, values in raw["vocabularies"].items()},
            scales={n: Scale(mean=s["mean"], std=s["std"], edges=tuple(s["edges"])) for n, s in raw["scales"].items()},
        )


def _codes(values: pl.Series, vocabulary: pl.DataFrame) -> np.ndarray:
    """int32 [N]: position in the vocabulary + RESERVED, MISSING for null, UNKNOWN for what is not in it."""
    asked = values.to_frame("value")
    codes = asked.join(vocabulary, on="value", how="left", maintain_order="left")["code"].fill_null(UNKNOWN)
    return codes.set(values.is_null(), MISSING).to_numpy(writable=True)


def _hashed(tokens: pl.Series) -> np.ndarray:
    """int32 [N]: hashing trick. The hash is keyed and the same on every platform and version."""
    from pandas.util import hash_array

    hashed = hash_array(tokens.to_numpy().astype(object), hash_key="gatehouse0123456", categorize=True)
    return (hashed % HASHED_TOKENS).astype(np.int32) + RESERVED


def _padded(
    lists: pl.Series, width: int, encode: Callable[[pl.Series], np.ndarray], dtype: type = np.int32
) -> np.ndarray:
    """[N, width]: the first elements of each list, encoded flat, zero (PAD) after the last; a null list is empty."""
    kept = lists.list.head(width)
    lengths = kept.list.len().fill_null(0).to_numpy()
    padded: np.ndarray = np.zeros((len(lists), width), dtype)
    if lengths.any():
        padded[np.arange(width) < lengths[:, None]] = encode(kept.filter(pl.Series(lengths > 0)).explode())
    return padded


def _number(frame: pl.DataFrame, feature: Feature) -> np.ndarray:
    """float64 [N]: the value, or for a timestamp its age in days at the row's moment; NaN where missing."""
    values = frame[feature.name].cast(pl.Float64)
    if feature.kind is Kind.TIMESTAMP:
        values = (frame[ENTITY_TIME].dt.epoch("us") - values) / MICROSECONDS_PER_DAY
    return values.fill_null(float("nan")).to_numpy()


def _signed_log(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.log1p(np.abs(values))


def _fit_scale(values: np.ndarray) -> Scale:
    logs = _signed_log(values[np.isfinite(values)])
    if not len(logs):
        return Scale(mean=0.0, std=1.0, edges=())
    edges = np.unique(np.quantile(logs, np.linspace(0, 1, BUCKETS + 1)[1:-1]))
    std = float(logs.std()) if np.ptp(logs) else 1.0  # of a constant, the computed one is noise
    return Scale(mean=float(logs.mean()), std=std, edges=tuple(edges.tolist()))


def _scaled(name: str, values: np.ndarray, scale: Scale) -> dict[str, np.ndarray]:
    missing, logs = np.isnan(values), _signed_log(values)
    standard = np.where(missing, 0.0, np.clip((logs - scale.mean) / scale.std, -5.0, 5.0))
    bucket = np.where(missing, MISSING, RESERVED + np.searchsorted(np.array(scale.edges), logs, side="right"))
    return {
        name: np.stack([standard, missing], axis=1).astype(np.float32),
        f"{name}_bucket": bucket.astype(np.int32),
    }


def _vectors(name: str, values: pl.Series, dim: int) -> np.ndarray:
    """float32 [N, dim]; a missing vector is zero."""
    lengths = values.drop_nulls().list.len().unique().sort().to_list()
    if lengths not in ([], [dim]):
        raise ValueError(f"vector feature {name!r}: got lengths {lengths[:3]}, wanted {dim}")
    vectors = _padded(values, dim, lambda flat: flat.to_numpy(), np.float32)
    if not np.isfinite(vectors).all():
        raise ValueError(f"vector feature {name!r}: {(~np.isfinite(vectors)).any(axis=1).sum():,} rows are not finite")
    return vectors


def _history(feature: Feature, frame: pl.DataFrame, vocabulary: pl.DataFrame) -> dict[str, np.ndarray]:
    name, width = feature.name, feature.length or 1
    now = frame[ENTITY_TIME].dt.epoch("us").to_numpy()[:, None]
    items = _padded(frame[f"{name}_items"], width, lambda flat: _codes(flat, vocabulary))
    times = _padded(frame[f"{name}_times"], width, lambda flat: flat.to_numpy(), np.int64)
    counts = _padded(frame[f"{name}_counts"], width, lambda flat: flat.to_numpy(), np.float32)
    days = np.maximum(now - times, 0) / MICROSECONDS_PER_DAY  # a moment read back in whole seconds may lie before
    ages = np.where(items == PAD, 0.0, np.log1p(days))
    return {f"{name}_items": items, f"{name}_ages": ages.astype(np.float32), f"{name}_counts": np.log1p(counts)}
