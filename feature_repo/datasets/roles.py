"""Roles of the columns of a log: user, item, time, value, basket and rating.

A role is guessed by the name of a column, ids before names, and by its values. No
column has two roles.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import polars as pl

from feature_repo.datasets.infer_kinds import ID_NAME, as_typed, epoch_of

_ID = r"(?:pseudo)?(?:id|ids|key|no|nr|num|number|code|sk|uid|hash)"
_DESCRIPTION = re.compile(
    r"name|title|categor|type|class|desc|price|cost|age$|gender|country|city|region|state|segment|group|brand|email|"
    r"count|qty|quantity|lat|lon|zip|postal|status|date|time|duration|score|rating|language|platform|url|image|review$|"
    r"text|comment|about|channel",
    re.IGNORECASE,
)
_NAMED = re.compile(r"(name|title)$", re.IGNORECASE)
CREATED_NAME = re.compile(r"created|loaded|ingested|inserted|known|arrived", re.IGNORECASE)
_LATE_TIMES = re.compile(r"birth|born|release|publish|update|modified|expir|deliver|ship|return", re.IGNORECASE)
_NO_VALUE = re.compile(r"channel|count|unit(?!.?price)|index|rank|lat|lon", re.IGNORECASE)
_VALUES = (
    re.compile(r"amount|revenue|sales|spend|paid|total|value", re.IGNORECASE),
    re.compile(r"price", re.IGNORECASE),
    re.compile(r"watch|dwell|play.?(duration|time|count)|^plays$", re.IGNORECASE),
    re.compile(r"score", re.IGNORECASE),
)
_RATING = re.compile(r"rating$|^stars$|^overall$|^rating", re.IGNORECASE)
_BASKET = re.compile(r"(?:basket|order|session|cart|invoice|transaction|trip|visit)s?[\W_]*(?:id|no|key|number|code)?")
_QUANTITY = re.compile(r"^(?:quantity|qty|units|pieces)$", re.IGNORECASE)


@dataclass(frozen=True)
class Words:
    """Words for users or items in the names of columns."""

    main: str
    """Words that alone tell the role."""
    codes: str
    """Names of ids that hold no such word."""
    weak: str
    """Words that tell the role where no better column does."""
    first: str = ""
    """Name that is better than all others."""

    def rank(self, name: str) -> int | None:
        """Place of a name among the candidates, 0 the best; None for no candidate."""
        plain = re.sub(r"[\W_]+", "", name.lower())
        described = bool(_DESCRIPTION.search(name))
        steps = (
            plain == self.first or re.fullmatch(rf"(?:{self.main}){_ID}", plain),
            re.fullmatch(self.codes, plain),
            re.search(rf"(?:{self.main}){_ID}", plain) and not described,
            re.fullmatch(rf"(?:{self.main})s?", plain),
            re.fullmatch(rf"(?:{self.weak}){_ID}", plain),
            re.search(self.main, plain) and not described,
            re.search(self.main, plain) and _NAMED.search(name),
        )
        return next((place for place, matches in enumerate(steps) if matches), None)

    def names(self, text: str) -> bool:
        """Whether a text, such as a file name, holds one of the main words."""
        return bool(re.search(self.main, text.lower()))


USER = Words(
    main=r"user|customer|client|household|member|account|visitor|shopper|buyer|reviewer|viewer|listener|subscriber|cust",
    codes=r"msno|uid|userpseudoid|fullvisitorid|reviewerid",
    weak=r"person|player|guest|patient|student|reader|device|cookie",
)
ITEM = Words(
    main=r"item|product|movie|film|article|track|song|book|job|offer|video|asin|isbn|sku|game|recipe|anime|prod",
    # Amazon's variants of a product share one parent, which has the description.
    first="parentasin",
    codes=r"asin|isbn|isbn13|sku|ean|upc|gtin|stockcode|mid|iid|traid|vid",
    weak=r"business|location|venue|poi|restaurant|hotel|news|post|ad|content|document|doc|show|artist|art|course|"
    r"listing|style|material|variant|goods|good|beer|place|page|url|tag",
)


@dataclass(frozen=True, kw_only=True)
class File:
    """First rows of a table of the folder."""

    name: str
    """File, pattern or list, as the YAML names it."""
    spec: str | list[str]
    """The same, as a value of the YAML."""
    raw: pl.DataFrame
    """Rows with ids exactly as they are written."""
    frame: pl.DataFrame
    """Rows with words for a missing value as null, typed as far as the text allows."""
    form: dict[str, object]
    """Keys of the YAML that say how the file is read."""
    size: int
    """Bytes of all its files."""

    def candidates(self, words: Words) -> list[str]:
        """Columns that can have the role of the words, the best first.

        Columns with gaps come later.
        """
        ranked = ((words.rank(name), name) for name in self.frame.columns if self._can_be_id(name))
        found = [(self._gaps(name), place, name) for place, name in ranked if place is not None]
        found.sort(key=lambda each: (each[1] > 1, each[0], each[1]))
        return [name for _, _, name in found]

    def _gaps(self, name: str) -> bool:
        return bool(self.frame[name].null_count())

    def _can_be_id(self, name: str) -> bool:
        column = self.frame[name]
        # As text, 123.456 is an id of Google Analytics.
        fraction = self.raw[name].dtype.is_float() and bool((column.drop_nulls() % 1 != 0).any())
        nested = isinstance(column.dtype, pl.List | pl.Array | pl.Struct)
        return not fraction and not nested and not column.dtype.is_temporal() and column.null_count() < len(column)

    def ids(self) -> tuple[str | None, str | None]:
        """Column of the user and of the item; None for one that there is none of."""
        user = next(iter(self.candidates(USER)), None)
        item = next((name for name in self.candidates(ITEM) if name != user), None)
        return user, item

    def times(self) -> list[str]:
        """Columns of times, the likeliest first: with a time of day before bare dates."""
        columns = [self.frame[name] for name in self.frame.columns]
        found = [column for column in columns if column.dtype.is_temporal() or epoch_of(column)]
        return [column.name for column in sorted(found, key=_unlikely)]

    def is_log(self) -> bool:
        """Whether there are rows with a user, an item and a time."""
        return not self.frame.is_empty() and None not in self.ids() and bool(self.times())


def _unlikely(times: pl.Series) -> tuple[bool, bool]:
    bare = times.dtype == pl.Date or (times.dtype == pl.Datetime and bool((times.dt.truncate("1d") == times).all()))
    return bool(CREATED_NAME.search(times.name) or _LATE_TIMES.search(times.name)), bare


def further_roles(file: File, taken: Collection[str | None]) -> dict[str, str | None]:
    """Columns of value, basket and rating.

    Args:
        file: the log.
        taken: columns that have a role.
    """
    free = [name for name in file.frame.columns if name not in taken]
    numbers = [name for name in free if file.frame[name].dtype.is_numeric()]
    rating = next((name for name in numbers if _RATING.search(name)), None)
    amounts = [name for name in numbers if name != rating and not ID_NAME.search(name) and not _NO_VALUE.search(name)]
    value = next((name for pattern in _VALUES for name in amounts if pattern.search(name)), None)
    whole = [name for name in free if name not in (rating, value) and not file.frame[name].dtype.is_temporal()]
    basket = next((name for name in whole if _BASKET.fullmatch(name.lower())), None)
    return {"value": value, "basket": basket, "rating": rating}


def cancelled(file: File, basket: str | None) -> Iterator[tuple[str, str, int]]:
    """Column, pattern and number of the rows that take an order back.

    They are numbers of orders that start with C where others are digits, quantities
    below zero, and states such as `cancelled`.
    """
    frame = file.frame
    if basket and frame[basket].dtype == pl.String:
        orders = frame[basket].drop_nulls()
        count = int(orders.str.contains(r"^[Cc]\d+$").sum())
        if 0 < count < len(orders) and orders.str.contains(r"^[Cc]?\d+$").mean() > 0.9:  # type: ignore[operator]
            yield basket, "^[Cc]", count
    for name in frame.columns:
        column = frame[name]
        if column.dtype.is_numeric() and _QUANTITY.search(name) and (count := int((column <= 0).sum())):
            yield name, r"^\s*(-|0+(\.0*)?$)", count
        if column.dtype == pl.String and re.search(r"status|state$", name, re.IGNORECASE):
            pattern = "(?i)cancel|refund|return"
            if 0 < (count := int(column.str.contains(pattern).sum())) < len(column):
                yield name, pattern, count


def typed(frame: pl.DataFrame, missing: Collection[str]) -> pl.DataFrame:
    """Frame with null for missing words, typed as far as the text allows."""
    return frame.select(as_typed(_known(column, missing)) for column in frame)


def _known(column: pl.Series, missing: Collection[str]) -> pl.Series:
    if column.dtype == pl.Binary:
        try:
            column = column.cast(pl.String)
        except pl.exceptions.PolarsError:
            return column
    if column.dtype != pl.String:
        return column
    gone = column.str.strip_chars().is_in(list(missing))
    return pl.select(pl.when(~gone).then(column).alias(column.name)).to_series()
