"""Users' baskets after the cut, and the knowledge at the beginning of each.

Legend: U users, N items, Q queries of one round: the users with a basket of that
number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import ENTITY_TIME, ITEM_ID, USER_ID
from feature_repo.sessions import day_of
from feature_repo.tables.snapshots import with_known
from training.baselines import Log
from training.evaluation.holdout import Holdout


@dataclass(frozen=True, kw_only=True, eq=False)
class Round:
    """The t-th basket of every user that has so many."""

    asked: pl.DataFrame
    """user_id and event_timestamp, the beginning of the basket, in the order of the
    queries."""
    holdout: Holdout
    """Relevant are the items of the basket, seen those before its beginning."""
    log: Log
    """Past of all U users at that time, for baselines; empty for users without such a
    basket."""


def baskets_after(events: pl.DataFrame, cut: datetime, number: int) -> pl.DataFrame:
    """First baskets of each user after the cut.

    A basket has one basket_id or, if the events have none, is one day. Baskets that
    began before the cut are left out. Of baskets that begin at the same time, the one
    of the lower name is first.

    Args:
        events: canonical events.
        cut: the cut.
        number: most baskets of a user.

    Returns:
        user_id, basket, event_timestamp (of its first event) and place, its number from
            0.
    """
    found = _with_baskets(events).group_by(USER_ID, "basket").agg(pl.col("timestamp").min().alias(ENTITY_TIME))
    found = found.filter(pl.col(ENTITY_TIME) >= cut).sort(USER_ID, ENTITY_TIME, "basket")
    return found.with_columns(place=pl.int_range(pl.len()).over(USER_ID)).filter(pl.col("place") < number)


def rounds(tables: Tables, cut: datetime, number: int) -> Iterator[Round]:
    """Rounds by number of the basket, as long as any user has one.

    Known of a user at a time are the events with both times before it, of any basket.

    Args:
        tables: canonical tables.
        cut: the cut.
        number: most baskets of a user.
    """
    events, baskets = _with_baskets(with_known(tables.events)), baskets_after(tables.events, cut, number)
    coded = events.with_columns(
        user=pl.col(USER_ID).replace_strict(tables.users[USER_ID], np.arange(len(tables.users))),
        item=pl.col(ITEM_ID).replace_strict(tables.items[ITEM_ID], np.arange(len(tables.items))),
    )
    for (_,), chosen in baskets.sort("place", USER_ID).group_by("place", maintain_order=True):
        yield _round(tables, coded, chosen)


def _round(tables: Tables, events: pl.DataFrame, chosen: pl.DataFrame) -> Round:
    """Round of one basket of each user.

    Args:
        tables: canonical tables.
        events: events with known, basket, and the rows of user and item.
        chosen: baskets of the round.
    """
    taken = events.join(chosen, on=[USER_ID, "basket"], how="semi")
    known = events.join(chosen.select(USER_ID, ENTITY_TIME), on=USER_ID).filter(pl.col("known") < pl.col(ENTITY_TIME))
    before, after = ((each["user"].to_numpy(), each["item"].to_numpy()) for each in (known, taken))
    items = len(tables.items)
    holdout = Holdout.from_interactions(
        before=before, after=after, items=items, seen_items_may_return=tables.schema.seen_items_may_return
    )
    # Baselines read whole days as baskets. Counted from the end of the day of the
    # query, they are calendar days.
    end = day_of(pl.col(ENTITY_TIME)) + timedelta(days=1, microseconds=-1)
    days = known.select((end - pl.col("timestamp")).dt.total_microseconds() / 86_400e6).to_series().to_numpy()
    return Round(
        asked=tables.users[holdout.users_Q].select(USER_ID).join(chosen, on=USER_ID, maintain_order="left"),
        holdout=holdout,
        log=Log(user_rows=before[0], item_rows=before[1], days=days, users=len(tables.users), items=items),
    )


def _with_baskets(events: pl.DataFrame) -> pl.DataFrame:
    day = pl.format("day {}", day_of(pl.col("timestamp")).dt.date())
    return events.with_columns(basket=pl.coalesce("basket_id", day) if "basket_id" in events.columns else day)
