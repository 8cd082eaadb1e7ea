"""Explicit ratings: the threshold from which an interaction is a positive."""

from __future__ import annotations

import polars as pl

from feature_repo.datasets.columns import read_numbers
from feature_repo.datasets.raw_table import RawTable
from feature_repo.errors import InputError

RATING = "rating"
"""Canonical name of the column, which decides the positives and is then dropped."""
_LISTED = 12
"""Most distinct ratings whose distribution lists each; of more, quantiles."""


def keep_positives(table: RawTable, positive_from: float | None) -> tuple[RawTable, list[str]]:
    """Keep the rated interactions that are positives.

    Args:
        table: raw events; without a column `rating` they stay unchanged.
        positive_from: lowest rating of a positive.

    Returns:
        The table without lower ratings, and a note on their number.

    Raises:
        InputError: a threshold without ratings, ratings without a threshold, null
            ratings, or no positive at all.
    """
    if RATING not in table.columns:
        if positive_from is not None:
            raise InputError(f"{table.name}: positive_from is {positive_from:g}, but no rating column is named")
        return table, []
    ratings = read_numbers(table, RATING)
    if ratings.null_count():
        raise table.bad(RATING, "null rating; leave these rows out, or rate them", ratings.is_null())
    column, found = table.columns[RATING], distribution(ratings)
    if positive_from is None:
        raise InputError(
            f"{table.name}, column {column!r}: ratings without a threshold: a low one would count as a positive. Found "
            f"{found}. Write positive_from: {likely_threshold(ratings):g} (in Python, positive_from=...) to keep that "
            "rating and higher ones, or leave rating out to count every row"
        )
    positive = ratings >= positive_from
    if not positive.any():
        raise InputError(f"{table.name}, column {column!r}: no rating is {positive_from:g} or higher; found {found}")
    low = int((~positive).sum())
    share = f"{low:,} of {len(ratings):,} ratings ({low / len(ratings):.0%})"
    note = f"{table.name}, column {column!r}: {share} are below {positive_from:g}: no positives, dropped"
    return table.without(~positive, f"{column!r} below {positive_from:g}: no positives"), [note] if low else []


def distribution(ratings: pl.Series) -> str:
    """Share of each rating as text, or quantiles of many."""
    if ratings.n_unique() > _LISTED:
        shown = {share: ratings.quantile(share, "nearest") for share in (0.0, 0.25, 0.5, 0.75, 1.0)}
        return "quantiles " + ", ".join(f"{share:.0%}: {value:g}" for share, value in shown.items())
    counts = ratings.alias(RATING).value_counts(sort=False).sort(RATING)
    return ", ".join(f"{value:g}: {count:,} ({count / len(ratings):.0%})" for value, count in counts.iter_rows())


def likely_threshold(ratings: pl.Series) -> float:
    """Lowest rating of at least four fifths of the highest: 4 of 5, 8 of 10."""
    highest = float(ratings.max() or 0)  # type: ignore[arg-type]
    return float(ratings.filter(ratings >= 0.8 * highest).min() or highest)  # type: ignore[arg-type]
