"""Point-in-time feature tables: one for each view of the schema.

A snapshot is (key, moment). Its features are computed from the events *known before*
the moment: those with max(timestamp, created) < moment, so that a late arrival counts
from its arrival. The row has event_timestamp = created = moment, so that a
point-in-time join at the moment finds exactly it.

Each event is counted once, not once for each snapshot. It enters at the first snapshot
after it became known, and leaves at the first whose window has passed it. Running sums
along each key then count the events inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.progress import track
from feature_repo.schema import CREATED_TIME, ENTITY_TIME, Entity, View
from feature_repo.tables.snapshots import WINDOWS, item_snapshots, seen_events, user_snapshots, week_of, with_known
from feature_repo.tables.user_history import user_history


@dataclass(frozen=True, kw_only=True)
class LogSpan:
    """Times between which a whole log lies."""

    first: datetime
    """Time of the oldest event."""
    last: datetime
    """Time at which the newest knowledge came."""

    @classmethod
    def of(cls, events: pl.DataFrame) -> LogSpan:
        """Find the span of a log."""
        known = pl.max_horizontal("timestamp", "created")
        first, last = events.select(pl.col("timestamp").min(), known.max().alias("known")).row(0)
        return cls(first=first, last=last)


def feature_tables(
    tables: Tables,
    entity: Entity,
    moments: Sequence[datetime] = (),
    *,
    snapshots: pl.DataFrame | None = None,
    since: datetime | None = None,
    log: LogSpan | None = None,
) -> dict[str, pl.DataFrame]:
    """Tables of an entity's views: key, event_timestamp, created, value columns.

    User views have a row at the snapshot of each interaction and of each answer of the
    impressions, as the schema declares them, and, for every user, at each of `moments`.
    Item statistics have a row at each weekly snapshot at which a value may differ from the
    row before. Profiles have one row per entity, true from before the first snapshot.

    Args:
        tables: canonical tables, or a part of them: some entities with all their events.
        entity: users or items.
        moments: times at which every user has a row.
        snapshots: distinct keys and event_timestamps, sorted by both, to compute
            instead.
        since: time since which an event of a user snapshot became known, but for those at `moments`; None for all
            snapshots.
        log: span of the whole log where `tables` are a part; default: of their events.

    Returns:
        Tables by view.

    Raises:
        ValueError: a view that this module cannot compute.
    """
    log, events = log or LogSpan.of(tables.events), with_known(tables.events)
    if snapshots is None and entity is Entity.USER:
        given = events, tables.users, moments, tables.schema.snapshots, since, tables.impressions
        snapshots = user_snapshots(*given)
    elif snapshots is None:
        snapshots = item_snapshots(events, (*moments, log.last))
    seen = seen_events(events, snapshots, entity)
    build: dict[str, Callable[[View], pl.DataFrame]] = {
        "user_profile": lambda view: profile(tables.users, view, log),
        "user_activity": lambda view: user_activity(seen, snapshots),
        "user_history": lambda view: user_history(seen, snapshots, view.features[0]),
        "item_profile": lambda view: profile(tables.items, view, log),
        "item_statistics": lambda view: item_statistics(seen, snapshots),
    }
    views = tables.schema.views_of(entity)
    unknown = [view.name for view in views if view.name not in build]
    if unknown:
        raise ValueError(f"nothing computes the views {unknown}; feature_repo/tables/build.py has {sorted(build)}")
    return {view.name: _as_declared(build[view.name](view), view) for view in track(views, "views")}


def profile(entities: pl.DataFrame, view: View, log: LogSpan) -> pl.DataFrame:
    """Static features of users or items, true from before the first snapshot.

    Args:
        entities: canonical users or items.
        view: the profile.
        log: span of the whole log.
    """
    start = week_of(pl.lit(log.first, pl.Datetime("us")))
    return entities.select(view.entity.key, start.alias(ENTITY_TIME), *view.columns)


def user_activity(seen: pl.DataFrame, snapshots: pl.DataFrame) -> pl.DataFrame:
    """Counts, spend, recency and basket size of each user snapshot."""
    sums = _sums(seen, snapshots, Entity.USER.key)
    first, last = _first_and_last(seen, snapshots, Entity.USER.key)
    table = snapshots.with_columns(last_event=last, first_event=first, **_counts(sums, "events"))
    if "value" in seen.columns:
        table = table.with_columns(spend_28d=sums["28d"]["value"].round(4), spend_all=sums["all"]["value"].round(4))
    if "basket_id" in seen.columns:
        table = table.with_columns(basket_size=_basket_size(seen, snapshots))
    return table


def item_statistics(seen: pl.DataFrame, snapshots: pl.DataFrame) -> pl.DataFrame:
    """Popularity, price and first sale of each weekly item snapshot."""
    sums = _sums(seen, snapshots, Entity.ITEM.key)
    first, _ = _first_and_last(seen, snapshots, Entity.ITEM.key)
    table = snapshots.with_columns(first_sale=first, **_counts(sums, "popularity"))
    if "value" in seen.columns:
        price = sums["28d"].select(pl.when(pl.col("valued") > 0).then(pl.col("value") / pl.col("valued")))
        table = table.with_columns(price_28d=price.to_series())
    return table


def _counts(sums: dict[str, pl.DataFrame], name: str) -> dict[str, pl.Series]:
    return {f"{name}_{span}": inside["events"] for span, inside in sums.items()}


def _sums(seen: pl.DataFrame, snapshots: pl.DataFrame, key: str) -> dict[str, pl.DataFrame]:
    """Sums of each snapshot by span (all, 7d, 28d).

    `events` are the events inside, `value` the sum of their values, `valued` the number
    of events with a value.

    Args:
        seen: `seen_events` of the snapshots.
        snapshots: keys and times.
        key: id column.
    """
    amounts = {"events": pl.len().cast(pl.Float64)}
    if "value" in seen.columns:
        amounts |= {"value": pl.col("value").sum(), "valued": pl.col("value").count().cast(pl.Float64)}
    entered = _running(seen, snapshots, key, "enter", amounts)
    # Inside a window is what entered less what left: sums of values have the noise of a
    # difference.
    left = {span: _running(seen, snapshots, key, f"leave_{span}", amounts) for span in WINDOWS}
    return {"all": entered} | {span: entered - gone for span, gone in left.items()}


def _running(
    seen: pl.DataFrame, snapshots: pl.DataFrame, key: str, row: str, amounts: dict[str, pl.Expr]
) -> pl.DataFrame:
    """Amounts of each snapshot over its key's events up to that snapshot.

    Args:
        seen: `seen_events` of the snapshots.
        snapshots: keys and times.
        key: id column.
        row: column of the snapshot that counts: `enter` or a `leave`.
        amounts: aggregations by name.
    """
    return (
        snapshots.select(key)
        .with_row_index(row)
        .join(seen.drop_nulls(row).group_by(row).agg(**amounts), on=row, how="left", maintain_order="left")
        .select(pl.col(*amounts).fill_null(0.0).cum_sum().over(key))
    )


def _basket_size(seen: pl.DataFrame, snapshots: pl.DataFrame) -> pl.Series:
    """Mean known events per basket of each snapshot; null without a basket."""
    key, amounts = Entity.USER.key, {"number": pl.len().cast(pl.Float64)}
    inside = seen.drop_nulls("basket_id")
    baskets = inside.group_by(key, "basket_id").agg(pl.col("enter").min())
    events, known = (_running(each, snapshots, key, "enter", amounts)["number"] for each in (inside, baskets))
    return pl.select(pl.when(known > 0).then(events / known)).to_series()


def _first_and_last(seen: pl.DataFrame, snapshots: pl.DataFrame, key: str) -> tuple[pl.Series, pl.Series]:
    """Times of the first and last event known before each snapshot.

    They are in microseconds, null without an event.

    Args:
        seen: `seen_events` of the snapshots.
        snapshots: keys and times.
        key: id column.
    """
    time = pl.col("timestamp").cast(pl.Int64)
    times = seen.group_by(row="enter").agg(first=time.min(), last=time.max())
    found = (
        snapshots.select(key)
        .with_row_index("row")
        .join(times, on="row", how="left", maintain_order="left")
        .select(
            pl.col("first").cum_min().forward_fill().over(key),
            pl.col("last").cum_max().forward_fill().over(key),
        )
    )
    return found["first"], found["last"]


def _as_declared(table: pl.DataFrame, view: View) -> pl.DataFrame:
    """Declared columns in order, with both times."""
    if CREATED_TIME not in table.columns:
        table = table.with_columns(pl.col(ENTITY_TIME).alias(CREATED_TIME))
    return table.select(view.entity.key, ENTITY_TIME, CREATED_TIME, *view.columns)
