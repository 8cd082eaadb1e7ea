"""Profile of one column, without a loop over its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from feature_repo.schema import Kind

QUANTILES = {"least": 0.0, "5 %": 0.05, "25 %": 0.25, "half": 0.5, "75 %": 0.75, "95 %": 0.95, "most": 1.0}
"""Shares of the quantiles, by their names."""
COMMONEST = 100
"""Commonest values that are kept, for the page and for the next run."""
FORMS = 5
"""Commonest forms of ids that are kept."""
SAMPLE = 512
"""Smallest hashes of ids that are kept: the share of known ids is known to about 2 %."""
LONGEST = 200
"""Characters of a value that are kept."""

Quantiles = Mapping[str, float | str]


@dataclass(frozen=True, kw_only=True)
class Column:
    """Profile of a column."""

    kind: str
    """Kind, as the schema names it."""
    rows: int
    """Rows of the table."""
    missing: int
    """Rows without a value."""
    distinct: int | None = None
    """Number of distinct values; None where nobody asks, as for vectors."""
    what: str = ""
    """Noun for what the quantiles are of, where that is not the value."""
    quantiles: Quantiles = field(default_factory=dict)
    """Quantiles by name; times are ISO text."""
    commonest: Mapping[str, int] = field(default_factory=dict)
    """Rows by value, commonest first; of ids, by form: `u99` are letter and two digits."""
    sample: tuple[str, ...] = ()
    """Smallest hashes of ids."""

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Column:
        """Read a column of a profile's JSON."""
        return cls(**{**raw, "sample": tuple(raw["sample"])})

    @property
    def missing_share(self) -> float:
        """Share of rows without a value."""
        return self.missing / max(self.rows, 1)


def profile_column(column: pl.Series, kind: Kind) -> Column:
    """Profile a column of a canonical table.

    Args:
        column: the column, in the storage type of its kind.
        kind: its kind.
    """
    base = Column(kind=kind.value, rows=len(column), missing=column.null_count())
    values = column.drop_nulls()
    match kind:
        case Kind.NUMERIC:
            return replace(base, distinct=values.n_unique(), quantiles=quantiles_of(values))
        case Kind.TIMESTAMP:
            times = values.cast(pl.Datetime("us"))
            return replace(base, distinct=times.n_unique(), quantiles=_times(times))
        case Kind.ID:
            ids = values.unique()
            return replace(base, distinct=len(ids), commonest=_counts(_forms(ids), FORMS), sample=_sample(ids))
        case Kind.CATEGORICAL:
            return replace(base, distinct=values.n_unique(), commonest=_counts(values, COMMONEST))
        case Kind.MULTI_VALUED:
            single, lengths = values.explode().drop_nulls(), quantiles_of(values.list.len())
            counts = _counts(single, COMMONEST)
            return replace(base, distinct=single.n_unique(), what="values", quantiles=lengths, commonest=counts)
        case Kind.TEXT:
            lengths = quantiles_of(values.str.len_chars())
            counts = _counts(values, FORMS)
            return replace(base, distinct=values.n_unique(), what="characters", quantiles=lengths, commonest=counts)
        case Kind.VECTOR:
            return replace(base, what="mean of a vector", quantiles=quantiles_of(values.list.mean()))
    raise ValueError(f"no table has a column of kind {kind}")


def quantiles_of(values: pl.Series) -> dict[str, float]:
    """Quantiles of numbers; none of none."""
    if values.is_empty():
        return {}
    return {name: float(values.quantile(share, "nearest") or 0.0) for name, share in QUANTILES.items()}


def _times(times: pl.Series) -> dict[str, str]:
    if times.is_empty():
        return {}
    ordered = times.sort()
    places = {name: round(share * (len(ordered) - 1)) for name, share in QUANTILES.items()}
    # Years beyond Python's are possible in a file, and are text all the same.
    return {name: ordered.slice(place, 1).dt.to_string("iso").item() for name, place in places.items()}


def _counts(values: pl.Series, number: int) -> dict[str, int]:
    counts = values.alias("value").value_counts(name="rows")
    common = counts.sort(["rows", "value"], descending=[True, False]).head(number)
    short = common.group_by(pl.col("value").cast(pl.String).str.slice(0, LONGEST), maintain_order=True)
    return dict(short.agg(pl.col("rows").sum()).rows())


def _forms(ids: pl.Series) -> pl.Series:
    forms = ids.str.slice(0, 40)
    for pattern, sign in ((r"\p{Nd}", "9"), (r"\p{Lu}", "A"), (r"[^\p{Lu}\P{L}]", "a")):
        forms = forms.str.replace_all(pattern, sign)
    return forms


def _sample(ids: pl.Series) -> tuple[str, ...]:
    from pandas.util import hash_array  # its hashes are the same in every process and release

    hashes = np.sort(hash_array(ids.to_numpy().astype(object)))[:SAMPLE]
    return tuple(f"{each:016x}" for each in hashes.tolist())
