"""Joined snapshots that are read in parts: histories make their rows wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from feature_repo.encode.parts import ROWS_AT_ONCE
from feature_repo.schema import ENTITY_TIME

Frame = pl.DataFrame | pl.LazyFrame
"""Joined snapshots in memory, or in a file that is read where it is needed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshots:
    """Some rows of joined snapshots, in the order of key and time."""

    frame: pl.LazyFrame
    """All rows, with their features."""
    keys: pl.DataFrame
    """Key and event_timestamp of the chosen rows, sorted."""
    rows: np.ndarray
    """Their positions in the frame, ascending."""

    @classmethod
    def used(
        cls, frame: Frame, positives: pl.DataFrame, key: str, time: str, answered: pl.DataFrame | None = None
    ) -> Snapshots:
        """Choose the snapshots that positives and answers point at.

        Args:
            frame: joined snapshots, sorted by key and event_timestamp.
            positives: interactions.
            key: id column of both.
            time: column of the positives with the times of their snapshots.
            answered: key and event_timestamp of the snapshots of answers; None for none.

        Raises:
            ValueError: the snapshots are not sorted, or an answer has none.
        """
        asked = positives.select(key, pl.col(time).alias(ENTITY_TIME))
        asked = asked if answered is None else pl.concat([asked, answered])
        numbered = frame.lazy().select(key, ENTITY_TIME).with_row_index("row").collect()
        chosen = numbered.join(asked, on=[key, ENTITY_TIME], how="semi").sort(key, ENTITY_TIME)
        if not chosen["row"].is_sorted():
            raise ValueError(f"snapshots must be sorted by {key} and {ENTITY_TIME}: they are read in parts")
        if answered is not None and (missing := answered.join(chosen, on=[key, ENTITY_TIME], how="anti").height):
            raise ValueError(
                f"{missing:,} of {answered.height:,} snapshots of answers are not among those that were joined: join "
                "`answered` with the interactions"
            )
        return cls(frame=frame.lazy(), keys=chosen.drop("row"), rows=chosen["row"].to_numpy())

    def columns(self, names: Sequence[str]) -> pl.DataFrame:
        """Read some columns of all chosen rows."""
        return self.frame.select(names).collect()[self.rows]

    def parts(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Read some columns, a part of the rows at a time."""
        chosen = self.frame.select(names)
        for start in range(0, int(self.rows[-1]) + 1 if len(self.rows) else 0, ROWS_AT_ONCE):
            first, last = np.searchsorted(self.rows, [start, start + ROWS_AT_ONCE])
            if last > first:
                yield chosen.slice(start, ROWS_AT_ONCE).collect()[self.rows[first:last] - start]
