"""Canonical form of a dataset, and the checks that all sources pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from feature_repo.datasets.columns import read_feature, read_numbers, read_strings
from feature_repo.datasets.id_column import other_spelling, read_ids
from feature_repo.datasets.impressions import read_shown
from feature_repo.datasets.ratings import keep_positives
from feature_repo.datasets.raw_table import RawTable
from feature_repo.datasets.reading import Reading
from feature_repo.datasets.time_column import read_times
from feature_repo.errors import InputError, bad_input
from feature_repo.schema import Entity, Feature, Schema

MIN_USERS = 10
"""Fewest users: fewer cannot be split, trained on and evaluated."""
MIN_ITEMS = 2
"""Fewest items: of one there is nothing to choose."""
MAX_UNKNOWN_SHARE = 0.01
"""Largest share of events, and of impressions, that are dropped for an unknown user or
item."""


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Dataset in canonical form."""

    schema: Schema
    """Features of the dataset."""
    events: pl.DataFrame
    """user_id and item_id (String, never null), timestamp and created (Datetime[us],
    UTC without a zone), and if the source has them value (Float64: money, rating,
    watch time), basket_id and event_id (String). `created` is the time when the event
    became known, timestamp if the source has none. Sorted by timestamp, user_id,
    item_id."""
    users: pl.DataFrame
    """user_id (unique) and the columns of the view `user_profile`. Sorted by user_id."""
    items: pl.DataFrame
    """item_id (unique) and the columns of the view `item_profile`. Sorted by item_id."""
    impressions: pl.DataFrame | None = None
    """Impressions, with or without an interaction: user_id, item_id, timestamp,
    created, and where the source has them the columns of `impressions.OPTIONAL` and
    surroundings (String), such as device. Sorted as the events. None if the source has
    none."""
    notes: tuple[str, ...] = field(default=())
    """Findings for people ("17 ids missing from products: 4,836 events dropped")."""
    readings: Mapping[str, Reading] = field(default_factory=dict)
    """Account of the files by table: events, users, items, impressions."""
    log_until: int = 0
    """Number of the newest event of the event log in the tables; 0 without any."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Files of the folder that were not read, with the reason."""


Loader = Callable[[Path | None, datetime | None], Tables]
"""Reader of a dataset: a folder of raw files, for datasets that the user brings, and a
time after which an event is an InputError."""
_Further = Callable[[RawTable, tuple[pl.Series, pl.Series]], list[pl.Series]]


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
    """Checked canonical tables of raw files.

    Raw tables map canonical names to their columns. Events have user_id, item_id and
    timestamp, and optionally created, value, basket_id, event_id and rating.
    Impressions have the first three, and optionally created, request_id, position, row,
    column, click, reward, propensity, randomised; every other name is one of the surroundings. Users
    and items have the key and every feature of the profile view. Events equal in user,
    item and time are kept and noted.

    Args:
        schema: features of the dataset.
        events: raw events.
        users: raw users; None for the users of the events.
        items: raw items; None for the items of the events.
        impressions: raw impressions; None for none.
        positive_from: lowest rating of a positive; events with lower ratings are
            dropped and noted.
        as_of: time after which an event is an error.
        notes: notes of the source, which come first.

    Returns:
        The canonical tables. Events and impressions of unknown users or items are
            dropped and noted: up to 1 % of the rows if a file lists them, any share
            otherwise.

    Raises:
        InputError: a missing column, wrong type, empty table, null or duplicate id, a
            larger share of unknown ids, a time that is null, unreadable or after
            `as_of`, a number that is not finite, a vector of the wrong length, or fewer
            than 10 users or 2 items.
    """
    events, below = keep_positives(events, positive_from)
    log = _read_log(events, as_of, _read_events)
    people = _read_entities(schema, Entity.USER, users, log)
    corpus = _read_entities(schema, Entity.ITEM, items, log)
    known = {"user_id": (people, users), "item_id": (corpus, items)}
    sources = {"events": events, "users": users, "items": items, "impressions": impressions}
    readings = {name: table.reading() for name, table in sources.items() if table}
    log, dropped, readings["events"] = _drop_unknown(log, events, known, "events")
    _refuse_few(log, events, corpus, items or events)
    shown = None
    if impressions is not None:
        shown, unknown, readings["impressions"] = _drop_unknown(
            _read_log(impressions, as_of, read_shown), impressions, known, "impressions"
        )
        dropped += unknown
    found = (*notes, *below, *dropped, *_remarks(log, people, corpus))
    return Tables(
        schema=schema, events=log, users=people, items=corpus, impressions=shown, notes=found, readings=readings
    )


def _refuse_few(log: pl.DataFrame, events: RawTable, corpus: pl.DataFrame, items: RawTable) -> None:
    """Raise InputError for fewer users or items than a run can be judged on.

    Args:
        log: canonical events.
        events: raw table of the events.
        corpus: canonical items.
        items: raw table that the items come from.
    """
    if log["user_id"].n_unique() < MIN_USERS:
        seen = log["user_id"].unique(maintain_order=True)
        problem = f"got {len(seen)} users; wanted at least {MIN_USERS}"
        raise bad_input(events.name, events.columns["user_id"], problem, log.height, seen)
    if corpus.height < MIN_ITEMS:
        problem = f"got 1 item; wanted at least {MIN_ITEMS}"
        raise bad_input(items.name, items.columns["item_id"], problem, log.height, corpus["item_id"])


def default_as_of(tables: Tables) -> datetime:
    """One microsecond after the newest known time: every event lies before it."""
    newest = tables.events.select(pl.max_horizontal(pl.max("timestamp", "created"))).item()
    return pl.select(pl.lit(newest, pl.Datetime("us")) + pl.duration(microseconds=1)).item()


def profile_features(schema: Schema, entity: Entity) -> tuple[Feature, ...]:
    """Features that are read from the users or items file."""
    features = next((view.features for view in schema.views if view.name == f"{entity.value}_profile"), ())
    # A moment has no column, so no file holds it.
    return tuple(feature for feature in features if feature.columns)


def _read_log(table: RawTable, as_of: datetime | None, further: _Further) -> pl.DataFrame:
    """Events or impressions.

    Args:
        table: the raw table.
        as_of: time after which a row is an error.
        further: reader of the columns beside ids and times.
    """
    _check_rows(table)
    timestamp = _read_log_times(table, "timestamp", as_of)
    known = _read_log_times(table, "created", as_of) if "created" in table.columns else timestamp
    ids = read_ids(table, "user_id"), read_ids(table, "item_id")
    log = pl.DataFrame([*ids, timestamp, known.alias("created"), *further(table, ids)])
    # The columns behind the first three make the order of equal rows independent of the
    # file's.
    return log.sort("timestamp", "user_id", "item_id", *log.columns[3:])


def _read_events(table: RawTable, _: tuple[pl.Series, pl.Series]) -> list[pl.Series]:
    columns = [read_numbers(table, "value")] if "value" in table.columns else []
    return columns + [read_strings(table, name) for name in ("basket_id", "event_id") if name in table.columns]


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
) -> tuple[pl.DataFrame, list[str], Reading]:
    """Rows whose user and item are known, notes on the others, and the account of all.

    Args:
        log: events or impressions.
        table: their raw table, for messages.
        known: entities and their raw table, by key.
        rows: noun for the rows, for messages.

    Raises:
        InputError: unknown ids above the allowed share.
    """
    unknown = pl.DataFrame({key: ~log[key].is_in(entities[key].implode()) for key, (entities, _) in known.items()})
    gone = unknown.select(pl.any_horizontal(pl.all())).to_series()
    # Without a file of users (items), those of the events are all that is known, so
    # impressions of others are no error.
    listed = [key for key, (_, source) in known.items() if source is not None]
    share = unknown.select(pl.any_horizontal(listed).sum()).item() / log.height if listed else 0.0
    notes: list[str] = []
    reading, counted = table.reading(), pl.repeat(False, log.height, eager=True)
    for key in sorted(known, key=lambda key: -int(unknown[key].sum())):
        source, column = known[key][1], table.columns[key]
        if not (count := int(unknown[key].sum())):
            continue
        missing = log[key].filter(unknown[key]).unique(maintain_order=True)
        what = f"{len(missing):,} ids missing from {source.name if source else 'the events'}"
        if pair := other_spelling(missing, known[key][0][key]):
            what += f" (spelled otherwise: {pair[0]!r} here, {pair[1]!r} there; ids are text, digit by digit)"
        if source and share > MAX_UNKNOWN_SHARE:
            limit = (
                f"{share:.1%} of the {rows} are of unknown ids, at most {MAX_UNKNOWN_SHARE:.0%} may be; list them in "
            )
            limit += f"{source.name}, or leave these {rows} out"
            raise bad_input(table.name, column, f"{what}: {limit}", count, missing)
        reading = reading.without(int((unknown[key] & ~counted).sum()), f"{column!r} without a row in its table")
        counted = counted | unknown[key]
        dropped = f"{count:,} {rows} dropped ({100 * count / log.height:.2f} %)"
        notes.append(f"{table.name}, column {column!r}: {what}, such as {', '.join(missing.head(3))}: {dropped}")
    return log.filter(~gone), notes, reading


def _remarks(log: pl.DataFrame, people: pl.DataFrame, corpus: pl.DataFrame) -> list[str]:
    equal = log.height - log.select(pl.struct("user_id", "item_id", "timestamp").n_unique()).item()
    idle = people.height - log["user_id"].n_unique()
    unsold = corpus.height - log["item_id"].n_unique()
    copies = log.height - log.n_unique()
    exact = f" ({copies:,} of them in all columns: exact duplicates)" if copies else ""
    remarks = (
        (equal, f"{equal:,} events equal another one in user, item and time{exact}: kept"),
        (idle, f"{idle:,} of {people.height:,} users have no event"),
        (unsold, f"{unsold:,} of {corpus.height:,} items have no event"),
    )
    return [remark for count, remark in remarks if count]
