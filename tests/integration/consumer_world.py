"""A planted world whose last day goes through the event log: tables before it, features online, and its events."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from feature_repo.datasets.canonical import Tables, default_as_of
from feature_repo.events.base import Base
from feature_repo.events.consumer import Consumer
from feature_repo.events.event import Event, EventKind
from feature_repo.events.frames import read_frame
from feature_repo.events.history import with_log
from feature_repo.events.log import EventLog
from feature_repo.schema import ENTITY_TIME, USER_ID, Entity
from feature_repo.store.feast_push import open_pusher
from feature_repo.store.push import Pusher
from feature_repo.store.serving_state import seen_schema, write_seen
from feature_repo.store.sqlite_online import open_store
from feature_repo.store.store import Store
from feature_repo.tables.build import feature_tables
from feature_repo.tables.join import join_as_of
from feature_repo.tables.parts import latest_parts
from tests.integration.store_world import write
from tests.worlds import START, taste_groups

WHOLE = taste_groups(users=40, items=24, days=40, per_day=40)
CUT = START + timedelta(days=39)
DAY = WHOLE.events.filter(pl.col("timestamp") >= CUT)


@dataclass(frozen=True, kw_only=True)
class World:
    """Tables of all days, those before the last day, and a home that was loaded with these."""

    whole: Tables
    base: Base
    home: Path
    configured: Mapping[str, Any] | None = None
    """Online store on a server; None for SQLite in the home."""

    @property
    def online(self) -> Path:
        return self.home / "online.db"

    @property
    def pusher(self) -> Pusher:
        return open_pusher(self.base.tables.schema.dataset, self.home, self.configured)

    def copy(self, home: Path) -> World:
        """The same with an online store of its own."""
        home.mkdir()
        shutil.copy(self.online, home / "online.db")
        return replace(self, home=home)

    def consumer(self, log: EventLog) -> Consumer:
        return Consumer(log, self.base, self.pusher, schemas=[self.base.tables.schema])


def before(tables: Tables, moment: datetime) -> Tables:
    return replace(tables, events=tables.events.filter(pl.col("timestamp") < moment))


def load(
    tables: Tables, as_of: datetime, home: Path, folder: Path, configured: Mapping[str, Any] | None = None
) -> None:
    """Load the features and the seen items of tables, as a run does."""
    parts = list(latest_parts(tables, as_of))
    stored = {name: pl.concat([part[name] for part in parts]) for name in parts[0]}
    write_seen(tables.events, tables.users[USER_ID], as_of, write(folder, stored))
    for schema in (tables.schema, seen_schema(tables.schema.dataset)):
        store = Store(schema, home, online=configured)
        store.apply(folder, (Entity.USER,))
        store.load_online(Entity.USER, as_of)


def make_world(whole: Tables, cut: datetime, folder: Path, configured: Mapping[str, Any] | None = None) -> World:
    tables = before(whole, cut)
    as_of = default_as_of(tables)
    load(tables, as_of, folder / "home", folder / "tables", configured)
    base = Base(key="b", tables=tables, as_of=as_of, folder=folder / "tables")
    return World(whole=whole, base=base, home=folder / "home", configured=configured)


def replay(log: EventLog, events: pl.DataFrame) -> None:
    """Append events at their recorded times; those of one time arrive together."""
    for _, rows in events.sort("created", maintain_order=True).group_by("created", maintain_order=True):
        log.append([_purchase(number, row) for number, row in enumerate(rows.iter_rows(named=True))])


def _purchase(number: int, row: dict[str, Any]) -> Event:
    return Event(
        event_id=f"{row['created']} {number}",
        kind=EventKind.PURCHASE,
        user_id=row["user_id"],
        item_id=row["item_id"],
        time=row["timestamp"],
        arrived=row["created"],
        value=row["value"],
        basket_id=row["basket_id"],
    )


def moments_of(world: World, log: EventLog) -> pl.DataFrame:
    """Moment that the features of each user stand for once all of the log is online."""
    newest = dict.fromkeys(world.base.tables.users[USER_ID].to_list(), world.base.as_of)
    items = set(world.base.tables.items["item_id"])
    for each in log.read(0, 10**6):
        if each.event.kind != EventKind.IMPRESSION and each.event.item_id in items:
            at = max(each.event.arrived, world.base.as_of) + timedelta(microseconds=1)
            newest[each.event.user_id] = at
    rows = sorted(newest.items())
    return pl.DataFrame(rows, schema={USER_ID: pl.String, ENTITY_TIME: pl.Datetime("us")}, orient="row")


def joined(tables: Tables, asked: pl.DataFrame, days: int = 40) -> pl.DataFrame:
    """Point-in-time join of tables that a run would make of the whole history, with snapshots of its last days."""
    recent = tables.events.filter(pl.col("timestamp") > pl.col("timestamp").max() - timedelta(days=days))
    snapshots = recent.select(USER_ID, pl.col("timestamp").dt.truncate("1d").alias(ENTITY_TIME))
    snapshots = pl.concat([asked, snapshots]).unique().sort(USER_ID, ENTITY_TIME)
    return join_as_of(asked, feature_tables(tables, Entity.USER, snapshots=snapshots), Entity.USER)


def online_rows(world: World, users: Sequence[str]) -> pl.DataFrame:
    return open_store(world.base.tables.schema, world.home, online=world.configured).read_online(Entity.USER, users)


def seen_items(world: World, users: Sequence[str]) -> dict[str, list[str]]:
    schema = seen_schema(world.base.tables.schema.dataset)
    rows = open_store(schema, world.home, online=world.configured).read_online(Entity.USER, users)
    return {user: sorted(items or ()) for user, items in rows.select(USER_ID, "seen").iter_rows()}


def assert_no_skew(world: World, log: EventLog, days: int = 40) -> None:
    """Every online row is the one of a point-in-time join over files and log, at the time of the row."""
    whole = with_log(world.base.tables, read_frame(log), datetime.max)
    asked = moments_of(world, log)
    online, wanted = online_rows(world, asked[USER_ID].to_list()), joined(whole, asked, days)
    assert_frame_equal(online.select(pl.exclude(ENTITY_TIME)), wanted.select(pl.exclude(ENTITY_TIME)), rel_tol=1e-12)
    assert (online[ENTITY_TIME] == asked[ENTITY_TIME].dt.truncate("1s")).all()
    items = {user: sorted(set(found)) for user, found in whole.events.group_by(USER_ID).agg("item_id").iter_rows()}
    seen = seen_items(world, list(items))
    assert seen == items


def finish(world: World, log: EventLog) -> None:
    consumer = world.consumer(log)
    while consumer.step():
        pass
    assert consumer.lag == 0


def odd(number: int, **changes: Any) -> Event:
    arrived = CUT + timedelta(hours=number, milliseconds=137)
    event = Event(
        event_id=f"odd {number}", kind=EventKind.CLICK, user_id="u003", item_id="i005", time=arrived, arrived=arrived
    )
    return replace(event, **changes)
