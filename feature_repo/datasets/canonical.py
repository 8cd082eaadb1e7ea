"""The canonical form of a dataset: events, users, items, impressions, and the checks that all sources pass through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from feature_repo.datasets.columns import RawTable, read_feature, read_ids, read_numbers, read_strings, read_times
from feature_repo.datasets.ratings import keep_positives
from feature_repo.errors import InputError, bad_input
from feature_repo.schema import Entity, Feature, Schema

MIN_USERS = 10
"""Fewer users than this cannot be split, trained on and evaluated."""
MAX_UNKNOWN_SHARE = 0.01
"""Share of the events, and of the impressions, that may be dropped because their user or item is unknown."""


@dataclass(frozen=True, kw_only=True)
class Tables:
    """A dataset in canonical form.

    events: user_id, item_id (String, never null), timestamp, created (Datetime[us], no time zone, UTC;
        `created` is when the event became known, = timestamp where the source does not say), and where the
        source has them value (Float64: money, rating, watch time) and basket_id (String). Sorted by
        timestamp, user_id, item_id.
    users: user_id (unique) and the columns of the view `user_profile`. Sorted by user_id.
    items: item_id (unique) and the columns of the view `item_profile`. Sorted by item_id.
    impressions: what users were shown, taken or not: user_id, item_id, timestamp, created as those of events and
        sorted like them. None where the source does not say.
    notes: what was found and done, in plain words ("17 ids missing from products: 4,836 events dropped").
    """

    schema: Schema
    events: pl.DataFrame
    users: pl.DataFrame
    items: pl.DataFrame
    impressions: pl.DataFrame | None = None
    notes: tuple[str, ...] = field(default=())


Loader = Callable[[Path | None, datetime | None], Tables]
"""A dataset: reads its raw files (from the given folder where the user brings them) into canonical tables.
An event after the given moment is an InputError."""


def canonicalise(
    schema: Schema,
    *,
    events: RawTable,
    users: RawTable | None,
    items: RawTable | None,
    impressions: RawTable | None = None,
    positive_from: float | None = None,
    as_of: datetime | None = None,
    notes: Sequence[str] = (),
) -> Tables:
    """Raw files -> checked canonical tables.

    Canonical names that `columns` maps: user_id, item_id, timestamp, and where there are such created, value,
    basket_id, rating for events; the first three and created for impressions; the key and every feature of the profile
    view for users and items. Without a users (items) file, the users (items) are those of the events, and
    impressions of others are dropped and noted. With one, events and impressions of unknown users or items are
    dropped and noted up to 1 % of the rows. Events equal in user, item and time are kept and noted. Of events with
    ratings, those below `positive_from` are dropped and noted. `notes` are those of the source, and come first.

    Raises InputError: missing column, wrong type, empty table, null or duplicate ids, more unknown ids, times
    null, unparsable or after `as_of`, NaN or infinite numbers, vectors of the wrong length, fewer than 10
    users.
    """
    events, below = keep_positives(events, positive_from)
    log = _read_log(events, as_of)
    people = _read_entities(schema, Entity.USER, users, log)
    corpus = _read_entities(schema, Entity.ITEM, items, log)
    known = {"user_id": (people, users), "item_id": (corpus, items)}
    log, dropped = _drop_unknown(log, events, known, "events")
    if log["user_id"].n_unique() < MIN_USERS:
        seen = log["user_id"].unique(maintain_order=True)
        problem = f"{len(seen)} users; wanted at least {MIN_USERS}"
        raise bad_input(events.name, events.columns["user_id"], problem, log.height, seen)
    shown = None
    if impressions is not None:
        shown, unknown = _drop_unknown(_read_log(impressions, as_of), impressions, known, "impressions")
        dropped += unknown
    found = (*notes, *below, *dropped, *_remarks(log, people, corpus))
    return Tables(schema=schema, events=log, users=people, items=corpus, impressions=shown, notes=found)


def default_as_of(tables: Tables) -> datetime:
    """One microsecond after the newest time known: every event lies before it."""
    newest = tables.events.select(pl.max_horizontal(pl.max("timestamp", "created"))).item()
    return pl.select(pl.lit(newest, pl.Datetime("us")) + pl.duration(microseconds=1)).item()


def profile_features(schema: Schema, entity: Entity) -> tuple[Feature, ...]:
    """The features that come straight from the users or items file; empty without such a view."""
    features = next((view.features for view in schema.views if view.name == f"{entity.value}_profile"), ())
    return tuple(feature for feature in features if feature.columns)  # a moment is read from no file


def _read_log(table: RawTable, as_of: datetime | None) -> pl.DataFrame:
    """Events or impressions."""
    _check_rows(table)
    timestamp = _read_log_times(table, "timestamp", as_of)
    known = _read_log_times(table, "created", as_of) if "created" in table.columns else timestamp
    columns = [read_ids(table, "user_id"), read_ids(table, "item_id"), timestamp, known.alias("created")]
    if "value" in table.columns:
        columns.append(read_numbers(table, "value"))
    if "basket_id" in table.columns:
        columns.append(read_strings(table, "basket_id"))
    log = pl.DataFrame(columns)
    # the columns after the promised three only make the order of equal rows independent of the file's
    return log.sort("timestamp", "user_id", "item_id", *log.columns[3:])


def _read_log_times(table: RawTable, name: str, as_of: datetime | None) -> pl.Series:
    times = read_times(table, name)
    if times.null_count():
        raise table.bad(name, "null time", times.is_null())
    if as_of is not None and (late := times > _naive_utc(as_of)).any():
        raise table.bad(name, f"time after as_of {as_of}", late)
    return times


def _naive_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _read_entities(schema: Schema, entity: Entity, table: RawTable | None, log: pl.DataFrame) -> pl.DataFrame:
    features = profile_features(schema, entity)
    if table is None:
        if features:
            raise InputError(f"the schema of {schema.dataset!r} declares {entity.value} features, but no file has them")
        return log.select(pl.col(entity.key).unique().sort())
    _check_rows(table)
    ids = read_ids(table, entity.key)
    if (twice := ids.is_duplicated()).any():
        raise table.bad(entity.key, "duplicate id", twice)
    return pl.DataFrame([ids, *(read_feature(table, feature) for feature in features)]).sort(entity.key)


def _check_rows(table: RawTable) -> None:
    if table.frame.is_empty():
        found = ", ".join(map(repr, table.frame.columns)) or "none"
        raise InputError(f"{table.name}: empty table: 0 rows, wanted at least one; its columns: {found}")


def _drop_unknown(
    log: pl.DataFrame, table: RawTable, known: dict[str, tuple[pl.DataFrame, RawTable | None]], rows: str
) -> tuple[pl.DataFrame, list[str]]:
    """Rows whose user and item are known, and notes on the rest. InputError above the share allowed; of users or items
    that no file lists, only those of the events are known, and any share may be dropped."""
    unknown = pl.DataFrame({key: ~log[key].is_in(entities[key].implode()) for key, (entities, _) in known.items()})
    gone = unknown.select(pl.any_horizontal(pl.all())).to_series()
    listed = [key for key, (_, source) in known.items() if source is not None]
    share = unknown.select(pl.any_horizontal(listed).sum()).item() / log.height if listed else 0.0
    notes: list[str] = []
    for key in sorted(known, key=lambda key: -int(unknown[key].sum())):
        source, column = known[key][1], table.columns[key]
        if not (count := int(unknown[key].sum())):
            continue
        missing = log[key].filter(unknown[key]).unique(maintain_order=True)
        what = f"{len(missing):,} ids missing from {source.name if source else 'the events'}"
        if source and share > MAX_UNKNOWN_SHARE:
            limit = f"{share:.1%} of the {rows} are of unknown ids, at most {MAX_UNKNOWN_SHARE:.0%} may be"
            raise bad_input(table.name, column, f"{what}: {limit}", count, missing)
        dropped = f"{count:,} {rows} dropped ({100 * count / log.height:.2f} %)"
        notes.append(f"{table.name}, column {column!r}: {what}, such as {', '.join(missing.head(3))}: {dropped}")
    return log.filter(~gone), notes


def _remarks(log: pl.DataFrame, people: pl.DataFrame, corpus: pl.DataFrame) -> list[str]:
    equal = log.height - log.select(pl.struct("user_id", "item_id", "timestamp").n_unique()).item()
    idle = people.height - log["user_id"].n_unique()
    unsold = corpus.height - log["item_id"].n_unique()
    remarks = (
        (equal, f"{equal:,} events equal another one in user, item and time: kept"),
        (idle, f"{idle:,} of {people.height:,} users have no event"),
        (unsold, f"{unsold:,} of {corpus.height:,} items have no event"),
    )
    return [remark for count, remark in remarks if count]
