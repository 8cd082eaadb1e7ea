"""Keys and rows of Feast's direct online reads."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from feature_repo.schema import Entity
from feature_repo.store.feast_values import plain
from feature_repo.store.online_rows import Cell

if TYPE_CHECKING:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey


def entity_keys(entity: Entity, ids: Iterable[str]) -> list[EntityKey]:
    """Feast's keys of some entities."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    return [EntityKey(join_keys=[entity.key], entity_values=[Value(string_val=id_)]) for id_ in ids]


def plain_cells(ids: Sequence[str], rows: Sequence[tuple[datetime | None, Mapping[str, Any] | None]]) -> Iterator[Cell]:
    """Values of one view as an online store returns them, one row per id.

    Args:
        ids: ids that were read.
        rows: time and values of each; a store has no time, or time 0, for a missing row.
    """
    for id_, (time, values) in zip(ids, rows, strict=True):
        if time is not None and values is not None:
            # Stores keep different fractions of a second; all keep the second. A time
            # without a zone is UTC.
            micros = calendar.timegm(time.utctimetuple()) * 1_000_000
            for name, value in values.items():
                yield id_, name, plain(value), micros
