"""Feature tables in parts: some entities at a time.

Memory then hardly grows with the log. Every feature of an entity is computed from its
own events, so the parts, one after the other, are the tables of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise, repeat

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.progress import track
from feature_repo.schema import ENTITY_TIME, USER_ID, Entity
from feature_repo.tables.build import LogSpan, feature_tables
from feature_repo.tables.snapshots import answer_snapshots, week_of

EVENTS_AT_ONCE = 150_000
"""Events of a part, but for an entity that has more by itself."""


def feature_parts(
    tables: Tables,
    entity: Entity,
    moments: Sequence[datetime] = (),
    *,
    since: datetime | None = None,
    events_at_once: int = EVENTS_AT_ONCE,
) -> Iterator[dict[str, pl.DataFrame]]:
    """Compute `feature_tables` in parts.

    Args:
        tables: canonical tables.
        entity: entity whose views are computed.
        moments: further times at which every user has a row.
        since: time since which an event of a user snapshot became known, but for those at `moments`, and items have
            the snapshots that such events and `moments` meet; None for all snapshots.
        events_at_once: events of a part, about.

    Yields:
        The tables of the next entities, in the order of their ids.

    Raises:
        ValueError: a view that nothing here computes.
    """
    log = LogSpan.of(tables.events)
    week = None if since is None or entity is Entity.USER else _first_week(tables.events, moments, since)
    if since is not None:
        tables = replace(tables, impressions=None)  # an update learns from none
    for part in _parts(tables, entity, events_at_once):
        found = feature_tables(part, entity, moments, since=since, log=log)
        yield found if week is None else {name: _read_from(table, entity.key, week) for name, table in found.items()}


def latest_parts(tables: Tables, moment: datetime, *, log: LogSpan | None = None) -> Iterator[dict[str, pl.DataFrame]]:
    """Compute the user tables of one moment in parts: a row of each user.

    Args:
        tables: canonical tables.
        moment: time of the rows.
        log: span of the whole log where `tables` are a part; default: of their events.

    Yields:
        The tables of the next users, in the order of their ids.

    Raises:
        ValueError: a view that nothing here computes.
    """
    log = log or LogSpan.of(tables.events)
    for part in _parts(replace(tables, impressions=None), Entity.USER, EVENTS_AT_ONCE):
        snapshots = part.users.select(USER_ID, pl.lit(moment, pl.Datetime("us")).alias(ENTITY_TIME))
        yield feature_tables(part, Entity.USER, snapshots=snapshots, log=log)


def _first_week(events: pl.DataFrame, moments: Sequence[datetime], since: datetime) -> pl.Expr:
    """Week of the oldest of some moments and of the events that became known since a time."""
    new = events.filter(pl.max_horizontal("timestamp", "created") >= since)["timestamp"]
    return week_of(pl.lit(min([*moments, *new.sort().head(1)]), pl.Datetime("us")))


def _read_from(table: pl.DataFrame, key: str, moment: pl.Expr) -> pl.DataFrame:
    """Rows that a point-in-time join from a moment on can find: of each key the last one by then, and all later ones.

    Args:
        table: feature table.
        key: its key.
        moment: earliest time of a join.
    """
    # Left out when they are computed: sums over other snapshots would differ in their last bits.
    time = pl.col(ENTITY_TIME)
    return table.filter((time >= time.filter(time <= moment).max().over(key)).fill_null(True))


def _parts(tables: Tables, entity: Entity, events_at_once: int) -> Iterator[Tables]:
    """Some entities at a time with all their events, in the order of their ids.

    Args:
        tables: canonical tables.
        entity: the entity.
        events_at_once: events of a part, about.
    """
    key = entity.key
    entities = tables.users if entity is Entity.USER else tables.items
    # Each answer of a user is a snapshot, and costs what an event costs.
    shown, granularity = tables.impressions if entity is Entity.USER else None, tables.schema.snapshots
    asked = [tables.events.select(key), *([] if shown is None else [answer_snapshots(shown, granularity).select(key)])]
    numbered = entities.select(key, block=_blocks(entities, pl.concat(asked), key, events_at_once))
    blocks = int(numbered["block"].max() or 0) + 1  # type: ignore[arg-type]
    events = _divided(tables.events, numbered, blocks)
    impressions = repeat(None) if shown is None else _divided(shown, numbered, blocks)
    for number in track(range(blocks), "parts"):
        chosen = entities.filter(numbered["block"] == number)
        part = replace(tables, events=next(events), impressions=next(impressions))
        yield replace(part, users=chosen) if entity is Entity.USER else replace(part, items=chosen)


def _divided(rows: pl.DataFrame, numbered: pl.DataFrame, blocks: int) -> Iterator[pl.DataFrame]:
    """Rows of each block of entities, in their order.

    Args:
        rows: events or impressions.
        numbered: each entity and its block.
        blocks: number of blocks.
    """
    key = numbered.columns[0]
    block = rows.select(key).join(numbered, on=key, how="left", maintain_order="left")["block"].to_numpy()
    order = np.argsort(block, kind="stable")  # rows of a block keep their order
    ends = np.searchsorted(block[order], np.arange(blocks + 1))
    yield from (rows[order[start:end]] for start, end in pairwise(ends))


def _blocks(entities: pl.DataFrame, events: pl.DataFrame, key: str, events_at_once: int) -> pl.Series:
    """Block of each entity, UInt32 from 0, ascending.

    Args:
        entities: users or items.
        events: events, and answers of users.
        key: id column of both.
        events_at_once: events after which the next block begins.
    """
    counts = entities.select(key).join(events.group_by(key).len("events"), on=key, how="left", maintain_order="left")
    # An entity without events has rows too.
    total = (counts["events"].fill_null(0) + 1).cum_sum()
    return (total // events_at_once).rle_id().alias("block")
