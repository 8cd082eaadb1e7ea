"""Expectations of a feature table, derived from its view.

Great Expectations works on pandas, where null and NaN are one and lists are slow. So
lists become their lengths, and numbers that are not finite become columns of their own.
Such derived columns are named `column (what)`. Great Expectations takes `Kind` and `KIND`
for one column, so the second is handed over as `KIND (2)`. The module is imported only to validate
a table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pandas as pd
import polars as pl
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation

from feature_repo.schema import CREATED_TIME, ENTITY_TIME, Feature, Kind, View
from feature_repo.tables.types import table_types

MOMENT = f"{ENTITY_TIME} (microseconds)"
_EARLIEST = int(datetime(1800, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_LATEST = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_FINITE = "is finite: no NaN, no infinity"
_UNIT_FLOOR = 10**13
"""116 days in microseconds: today's seconds and milliseconds lie so near 1970."""

Check = tuple[pl.Expr, list[Expectation]]
"""Column made from the table, and its expectations."""


def structure(view: View, types: pl.Schema) -> tuple[pd.DataFrame, list[Expectation]]:
    """Types of a table as a table of one row, and their expectations."""
    wanted, handed = table_types(view), handed_names(view)
    found = pl.DataFrame({handed[name]: [str(types.get(name, "missing"))] for name in wanted})
    return found.to_pandas(), [
        gxe.ExpectColumnValuesToBeInSet(column=handed[name], value_set=[str(dtype)], description=f"has type {dtype}")
        for name, dtype in wanted.items()
    ]


def values(view: View, frame: pl.LazyFrame) -> tuple[pd.DataFrame, list[Expectation]]:
    """Table as pandas can hold it, and the expectations of its values."""
    checks, handed = [*_row_checks(view)], handed_names(view)
    for feature in view.features:
        checks += _feature_checks(feature, handed, dated=not view.name.endswith("_profile"))
    columns = [column for column, _ in checks]
    # In streams, lists are gone as soon as they are lengths.
    table = frame.rename(handed).select(columns).collect(engine="streaming")
    return table.to_pandas(), [expectation for _, several in checks for expectation in several]


def handed_names(view: View) -> dict[str, str]:
    """Columns of a table as Great Expectations gets them, which differ without case."""
    seen: Counter[str] = Counter()
    names = {}
    for name in table_types(view):
        seen[name.casefold()] += 1
        number = seen[name.casefold()]
        names[name] = name if number == 1 else f"{name} ({number})"
    return names


def _row_checks(view: View) -> Iterator[Check]:
    """Expectations of rows: at least one, key and times, unique, not known early."""
    key = view.entity.key
    rows = gxe.ExpectTableRowCountToBeBetween(min_value=1, description="has at least one row")
    unique = gxe.ExpectCompoundColumnsToBeUnique(
        column_list=[key, ENTITY_TIME], description=f"is unique in {key} and {ENTITY_TIME}"
    )
    known = gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=CREATED_TIME,
        column_B=ENTITY_TIME,
        or_equal=True,
        ignore_row_if="either_value_is_missing",
        description=f"is not before {ENTITY_TIME}",
    )
    yield pl.col(key), [rows, unique, *_present(key, 0)]
    yield pl.col(ENTITY_TIME), _present(ENTITY_TIME, 0)
    yield pl.col(CREATED_TIME), [*_present(CREATED_TIME, 0), known]
    yield pl.col(ENTITY_TIME).dt.epoch("us").alias(MOMENT), []


def _feature_checks(feature: Feature, handed: Mapping[str, str], *, dated: bool) -> Iterator[Check]:
    """Expectations of one feature.

    Args:
        feature: the feature.
        handed: `handed_names` of its view.
        dated: whether its times must not lie after the row's.
    """
    name = handed.get(feature.name, feature.name)
    column, present = pl.col(name), _present(name, feature.max_null_share)
    match feature.kind:
        case Kind.ID | Kind.CATEGORICAL | Kind.TEXT:
            yield column, present
        case Kind.NUMERIC:
            yield column.fill_nan(None), [*present, *_declared_limits(feature, name)]
            yield _none(f"{name} (not finite)", pl.when(~column.is_finite()).then(column), _FINITE)
        case Kind.TIMESTAMP:
            range_ = _between(name, _EARLIEST, _LATEST, "lies between 1800 and 2200 in microseconds")
            unit = f"{name} (unit)"
            yield column, [*present, range_, *([_not_after(name)] if dated else [])]
            yield _none(unit, pl.when(column.abs().max() < _UNIT_FLOOR).then(column), "is in microseconds, not seconds")
        case Kind.MULTI_VALUED:
            yield from _list_checks(name, feature, 0, feature.length)
        case Kind.VECTOR:
            yield from _list_checks(name, feature, feature.dim, feature.dim)
            finite = pl.element().is_finite()
            offending = column.list.eval(pl.element().filter(~finite)).list.first()
            yield _none(f"{name} (not finite)", offending, _FINITE)
        case Kind.HISTORY:
            first, *others = parts = [handed[part] for part in feature.columns]
            for part in parts:
                yield from _list_checks(part, feature, 0, feature.length)
            for part in others:
                yield _aligned(part, first)
            times = handed[f"{feature.name}_times"]
            newest = f"{times} (newest)"
            yield pl.col(times).list.max().alias(newest), [_not_after(newest)] if dated else []


def _list_checks(name: str, feature: Feature, least: int | None, most: int | None) -> Iterator[Check]:
    """Expectations of a list column: length, presence, no nulls inside.

    Args:
        name: the column.
        feature: its feature.
        least: least length.
        most: largest length.
    """
    # The online store cannot hold a null inside a list.
    column, length, nulls = pl.col(name), f"{name} (length)", f"{name} (nulls)"
    wanted = f"has {most} elements" if least == most else f"has at most {most} elements"
    yield (
        column.list.len().cast(pl.Int64).alias(length),
        [*_present(length, feature.max_null_share), _between(length, least, most, wanted)],
    )
    inside = column.list.len().cast(pl.Int64) - column.list.drop_nulls().list.len().cast(pl.Int64)
    yield inside.alias(nulls), [_between(nulls, 0, 0, "has no nulls inside its lists")]


def _aligned(name: str, other: str) -> Check:
    equal = gxe.ExpectColumnPairValuesToBeEqual(
        column_A=f"{name} (length)",
        column_B=f"{other} (length)",
        ignore_row_if="both_values_are_missing",
        description=f"is as long as {other}",
    )
    return pl.lit(True).alias(f"{name} (aligned)"), [equal]


def _none(name: str, offending: pl.Expr, text: str) -> Check:
    """Derived column that holds the bad values, expected to be empty.

    Args:
        name: name of the column.
        offending: bad values, null for all others.
        text: expectation in words.
    """
    return offending.cast(pl.String).alias(name), [gxe.ExpectColumnValuesToBeNull(column=name, description=text)]


def _not_after(name: str) -> Expectation:
    return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=MOMENT,
        column_B=name,
        or_equal=True,
        ignore_row_if="either_value_is_missing",
        description=f"is not after {ENTITY_TIME}",
    )


def _present(name: str, max_null_share: float) -> list[Expectation]:
    if max_null_share >= 1:
        return []
    text = "is never null" if max_null_share == 0 else f"is null in at most {max_null_share:.1%} of the rows"
    mostly = round(1 - max_null_share, 9)
    return [gxe.ExpectColumnValuesToNotBeNull(column=name, mostly=mostly, description=text)]


def _declared_limits(feature: Feature, name: str) -> list[Expectation]:
    if feature.minimum is None and feature.maximum is None:
        return []
    least = "" if feature.minimum is None else f"at least {feature.minimum:g}"
    most = "" if feature.maximum is None else f"at most {feature.maximum:g}"
    text = f"is {' and '.join(filter(None, (least, most)))}"
    return [_between(name, feature.minimum, feature.maximum, text)]


def _between(name: str, least: float | None, most: float | None, text: str) -> Expectation:
    return gxe.ExpectColumnValuesToBeBetween(column=name, min_value=least, max_value=most, description=text)
