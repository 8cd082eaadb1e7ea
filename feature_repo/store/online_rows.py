"""Online rows of some entities as columns of Python values: no data frame is built.

A data frame of one row costs more than the read of the row, so an answer takes the rows
as they are. `frame` makes the same rows a frame for everyone who reads many of them.

Legend: B entities.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from feature_repo.schema import ENTITY_TIME, View
from feature_repo.tables.types import TIME, column_types

UNKNOWN_TIME = -(2**63)
"""Time of an entity of which nothing is known."""

Cell = tuple[str, str, Any, int]
"""Id, column, value, and time of the row in microseconds."""


@dataclass(frozen=True, kw_only=True)
class OnlineRows:
    """Newest online features of some entities."""

    ids: list[str]
    """Ids in the order of the read; an id may stand there twice."""
    times_B: np.ndarray
    """Time of the newest row of each entity: int64 microseconds UTC, in whole seconds.

    UNKNOWN_TIME where nothing is known. A row without any value is no row: an online
    store on a server keeps one in the place of a deleted user.
    """
    columns: dict[str, list[Any]]
    """Values by column of the entity's views, one per id: None, a text, a number, or a
    list of these."""

    @classmethod
    def of_cells(cls, ids: Sequence[str], names: Iterable[str], cells: Iterable[Cell]) -> OnlineRows:
        """Gather the values of a store.

        Args:
            ids: ids that were asked for.
            names: names of all columns.
            cells: values of these ids and columns, in any order; missing ones are None.
        """
        position = {id_: n for n, id_ in enumerate(dict.fromkeys(ids))}
        columns: dict[str, list[Any]] = {name: [None] * len(position) for name in names}
        times = [UNKNOWN_TIME] * len(position)
        for id_, name, value, time in cells:
            if value is not None:
                n = position[id_]
                columns[name][n] = value
                times[n] = max(times[n], time)
        rows = cls(ids=list(position), times_B=np.array(times, dtype=np.int64), columns=columns)
        return rows if len(position) == len(ids) else rows.take([position[id_] for id_ in ids])

    @property
    def known_B(self) -> np.ndarray:
        """Whether anything is known of each entity: bool."""
        known: np.ndarray = self.times_B != UNKNOWN_TIME
        return known

    def take(self, positions: Sequence[int]) -> OnlineRows:
        """Rows at some positions, in their order."""
        return OnlineRows(
            ids=[self.ids[n] for n in positions],
            times_B=self.times_B[np.asarray(positions, dtype=np.int64)],
            columns={name: [values[n] for n in positions] for name, values in self.columns.items()},
        )

    def frame(self, views: Sequence[View]) -> pl.DataFrame:
        """Frame of the rows: key, `event_timestamp` (null where unknown), and the columns.

        Args:
            views: views of the entity, whose columns these are.
        """
        types = online_types(views)
        times = pl.Series(self.times_B).replace(UNKNOWN_TIME, None).cast(TIME)
        values = {views[0].entity.key: self.ids, ENTITY_TIME: times, **self.columns}
        return pl.DataFrame({name: values[name] for name in types}, schema=types)


def online_types(views: Sequence[View]) -> dict[str, pl.DataType]:
    """Columns of online rows: key, time, and the columns of one entity's views."""
    return {views[0].entity.key: pl.String(), ENTITY_TIME: TIME, **column_types(*views)}
