"""Declaration of a feature: kind, options, columns; no third-party import."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Literal


class Kind(StrEnum):
    """Meaning of a value; it decides storage type, encoding and tower input."""

    ID = "id"
    CATEGORICAL = "categorical"
    MULTI_VALUED = "multi_valued"
    NUMERIC = "numeric"
    TIMESTAMP = "timestamp"
    MOMENT = "moment"
    TEXT = "text"
    VECTOR = "vector"
    HISTORY = "history"


class Column(StrEnum):
    """Storage type of a column, offline (Parquet) and online (Feast)."""

    STRING = "string"
    INT = "int64"
    FLOAT = "float64"
    STRINGS = "list[string]"
    INTS = "list[int64]"
    FLOATS = "list[float32]"


_COLUMN_OF = {
    Kind.ID: Column.STRING,
    Kind.CATEGORICAL: Column.STRING,
    Kind.MULTI_VALUED: Column.STRINGS,
    Kind.NUMERIC: Column.FLOAT,
    Kind.TIMESTAMP: Column.INT,
    Kind.TEXT: Column.STRING,
    Kind.VECTOR: Column.FLOATS,
}
CODED = (Kind.ID, Kind.CATEGORICAL, Kind.MULTI_VALUED)
"""Kinds whose values become codes, by a vocabulary or by hashing."""
CYCLES = ("day", "week", "year")
"""Cycles of a time that can be encoded."""
_KINDS_OF_OPTION: dict[str, tuple[Kind, ...]] = {
    "hashed": CODED,
    "min_count": CODED,
    "scale": (Kind.NUMERIC,),
    "cycles": (Kind.TIMESTAMP, Kind.MOMENT),
    "ngrams": (Kind.TEXT,),
    "encoder": (Kind.TEXT,),
    "half_life_days": (Kind.HISTORY,),
}


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Declaration of one feature: its meaning, its limits and its encoding."""

    name: str
    """Name, an identifier."""
    kind: Kind
    """Meaning of its values."""
    description: str = ""
    """Description for people."""
    minimum: float | None = None
    """Least value, an expectation; None for any."""
    maximum: float | None = None
    """Largest value, an expectation; None for any."""
    max_null_share: float = 1.0
    """Largest share of nulls, an expectation."""
    length: int | None = None
    """Elements kept of a text (tokens), a multi-valued feature (values) or a history
    (items)."""
    dim: int | None = None
    """Width of a vector."""
    tower: bool = True
    """Whether the towers read the feature; False for a title that is only displayed."""
    filterable: bool = False
    """Whether the index stores the item feature for filters."""
    display: bool = False
    """Whether the index stores the item feature for display."""
    hashed: int | None = None
    """Buckets of an id, categorical or multi-valued feature that is hashed, for values
    too many to list. A new value shares a trained bucket. None for a vocabulary."""
    min_count: int = 1
    """Users or items below which a value of the same kinds has the code of unknown
    values, so that a value new after training meets a trained default."""
    scale: Literal["log", "linear"] = "log"
    """Scale of a number: "log" for sign(x)·log(1+|x|), "linear" for x."""
    cycles: tuple[str, ...] = ()
    """Cycles ("day", "week", "year") on which a timestamp or moment is encoded, in UTC,
    beside its age. A moment is the time of the query: it has no column, and needs
    cycles."""
    ngrams: tuple[int, int] | None = None
    """Shortest and longest character n-grams of a text's words, which are hashed after
    the words; `length` counts both. None for words alone."""
    encoder: str | None = None
    """Path of a sentence encoder that makes `dim` numbers of a text; see
    `encode.sentences`."""
    half_life_days: float = 30.0
    """Days after which an interaction counts half in a history's decayed counts."""

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"feature name {self.name!r}: wanted letters, digits and underscores")
        if (self.kind is Kind.VECTOR or self.encoder) and (self.dim or 0) < 1:
            what = "text feature with an encoder," if self.encoder else "vector feature"
            raise ValueError(f"{what} {self.name!r} needs its width: dim=..., got {self.dim}")
        bounded = self.kind in (Kind.HISTORY, Kind.TEXT, Kind.MULTI_VALUED)
        if bounded and (self.length or 0) < 1:
            raise ValueError(f"{self.kind} feature {self.name!r} needs length=..., elements kept; got {self.length}")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"{self.name!r}: minimum {self.minimum} is above maximum {self.maximum}")
        if not 0 <= self.max_null_share <= 1:
            raise ValueError(f"{self.name!r}: max_null_share {self.max_null_share}, wanted 0 to 1")
        if self.filterable and self.kind not in (Kind.CATEGORICAL, Kind.NUMERIC):
            raise ValueError(f"{self.name!r}: only categorical and numeric features can be filtered on")
        self._check_encoding()

    def _check_encoding(self) -> None:
        """Raise ValueError for an encoding option that does not fit the kind."""
        for option, kinds in _KINDS_OF_OPTION.items():
            value = getattr(self, option)
            if value != _DEFAULTS[option] and self.kind not in kinds:
                raise ValueError(
                    f"{self.name!r}: {option}={value!r} on a {self.kind} feature; only {', '.join(kinds)} have it"
                )
        if self.hashed is not None and (self.hashed < 1 or self.min_count > 1):
            raise ValueError(
                f"{self.name!r}: hashed={self.hashed} with min_count={self.min_count}; wanted at least one bucket, and "
                "no min_count, because hashing has no vocabulary"
            )
        if self.min_count < 1:
            raise ValueError(f"{self.name!r}: min_count {self.min_count}, wanted at least 1")
        if self.half_life_days <= 0:
            raise ValueError(f"{self.name!r}: half_life_days {self.half_life_days}, wanted more than 0")
        if self.scale not in ("log", "linear"):
            raise ValueError(f"{self.name!r}: scale {self.scale!r}, wanted log or linear")
        if any(cycle not in CYCLES or self.cycles.count(cycle) > 1 for cycle in self.cycles):
            raise ValueError(f"{self.name!r}: cycles {self.cycles}, wanted some of {', '.join(CYCLES)}, each once")
        if self.kind is Kind.MOMENT and (not self.cycles or self.display):
            raise ValueError(f"moment feature {self.name!r} needs cycles=(...) and stores nothing to display")
        if self.ngrams is not None and (
            [type(size) for size in self.ngrams] != [int, int] or not 1 <= self.ngrams[0] <= self.ngrams[1]
        ):
            raise ValueError(f"{self.name!r}: ngrams {self.ngrams}, wanted two whole numbers (shortest, longest)")

    @property
    def columns(self) -> dict[str, Column]:
        """Stored columns: one; none for a moment; four aligned lists for a history."""
        if self.kind is Kind.HISTORY:
            return {
                f"{self.name}_items": Column.STRINGS,
                f"{self.name}_times": Column.INTS,
                f"{self.name}_counts": Column.INTS,
                f"{self.name}_decayed": Column.INTS,
            }
        return {} if self.kind is Kind.MOMENT else {self.name: _COLUMN_OF[self.kind]}

    def to_dict(self) -> dict[str, Any]:
        """Fields as in JSON, without encoding options that have their default."""
        # The digest of a schema names its Feast views, and must change only if the
        # schema does: a new option with its default leaves it unchanged.
        return {name: value for name, value in asdict(self).items() if value != _DEFAULTS.get(name, ...)}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Feature:
        """Feature of the fields of `to_dict`, with lists for tuples as in JSON."""
        values: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in raw.items()}
        return cls(**(values | {"kind": Kind(raw["kind"])}))


_DEFAULTS = {each.name: each.default for each in fields(Feature) if each.name in _KINDS_OF_OPTION}
