"""Frames of a caller as canonical tables.

Any data frame in, columns named, features guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from feature_repo.datasets.canonical import Tables, canonicalise
from feature_repo.datasets.custom import config_schema
from feature_repo.datasets.description import check_features
from feature_repo.datasets.guess_holdout import longer_holdout
from feature_repo.datasets.guess_snapshots import suggested
from feature_repo.datasets.infer_kinds import (
    as_typed,
    epoch_of,
    free_name,
    guess_feature,
    may_return,
    repeated_share,
)
from feature_repo.datasets.raw_table import Epoch, RawTable
from feature_repo.errors import InputError
from feature_repo.granularity import DAY
from feature_repo.holdout import DEFAULT
from feature_repo.schema import ITEM_ID, USER_ID, Entity

Frame = Any
"""A polars or pandas DataFrame, or a polars LazyFrame."""
Features = Mapping[str, Any]
"""Feature name -> kind, or a mapping of kind and options as in gatehouse.yaml."""
Entities = tuple[RawTable | None, dict[str, Any]]
"""Users or items: their table, if there is one, and the options of each feature as in gatehouse.yaml."""
NO_TIMES = (
    "a temporal split and ages of features need times. For interactions without times, "
    "training.data.untimed.read_untimed and training.fit_untimed.fit_untimed train towers"
)


def free_names(names: Sequence[str], taken: Collection[str]) -> dict[str, str]:
    """Name of each column beside others.

    Its own, with underscores behind it if it is taken.

    Args:
        names: distinct names.
        taken: names of the other columns.
    """
    used, free = {*taken, *names}, {}
    for name in names:
        free[name] = name
        if name in taken:
            while free[name] in used:
                free[name] += "_"
            used.add(free[name])
    return free


def as_polars(frame: Frame, name: str) -> pl.DataFrame:
    """Convert a frame to polars.

    Args:
        frame: a polars or pandas frame.
        name: name of the frame in errors.

    Raises:
        InputError: something else, or a pandas column of mixed types.
    """
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    kind = type(frame)
    if kind.__module__.split(".")[0] != "pandas" or kind.__name__ != "DataFrame":
        raise InputError(f"{name}: got a {kind.__module__}.{kind.__name__}; wanted a polars or pandas DataFrame")
    import pyarrow as pa

    try:
        return pl.from_pandas(frame.rename(columns=str))
    except (pa.ArrowException, pl.exceptions.PolarsError, TypeError) as error:
        raise InputError(f"{name}: a pandas column mixes types; convert it first: {error}") from error


def raw_events(frame: pl.DataFrame, columns: Mapping[str, str | None], epoch: Epoch | None) -> RawTable:
    """Name the columns of the events.

    Args:
        frame: the events.
        columns: column by canonical name; None where there is none.
        epoch: unit of times in whole numbers.

    Raises:
        InputError: no timestamp is named, or a named column is missing.
    """
    if columns["timestamp"] is None:
        raise InputError(f"events: no timestamp column is named; {NO_TIMES}")
    named = {name: column for name, column in columns.items() if column is not None}
    absent = {name: column for name, column in named.items() if column not in frame.columns}
    if absent:
        wanted = ", ".join(f"{column!r} ({name})" for name, column in absent.items())
        hint = f" Without timestamps: {NO_TIMES}." if "timestamp" in absent else ""
        raise InputError(f"events: missing {wanted}; the frame has {', '.join(frame.columns)}.{hint}")
    return RawTable(name="events", frame=frame, columns=named, epoch=epoch)


def raw_entities(given: Frame | None, key: str, entity: Entity, declared: Features | None, taken: set[str]) -> Entities:
    """Name the columns of users or items, and declare their features.

    Args:
        given: one row for each user or item; None where there is no such frame.
        key: column of the id.
        entity: whose rows these are.
        declared: features by name; None guesses them from all columns.
        taken: names that no feature may have; the new ones are added.

    Raises:
        InputError: the id column is missing, or a declared feature makes no sense.
    """
    name = f"{entity.value}s"
    if given is None and declared:
        raise InputError(f"{name}: features are declared, but no frame has them; give {name}=...")
    if given is None:
        return None, {}
    frame = as_polars(given, name)
    if key not in frame.columns:
        raise InputError(f"{name}: missing {key!r} ({entity.key}); the frame has {', '.join(frame.columns)}")
    if declared is None:
        features = _guessed(frame.drop(key), entity, taken)
    else:
        features = {each: {"kind": spec} if isinstance(spec, str) else dict(spec) for each, spec in declared.items()}
    check_features(features, name)
    columns = {entity.key: key} | {each: spec.get("column", each) for each, spec in features.items()}
    # One unit a table: the first column of whole numbers that can only be times
    # decides.
    units = (epoch_of(as_typed(column)) for column in frame.drop(key))
    epoch = next((unit for unit in units if unit), None)
    separators = {each: spec["separator"] for each, spec in features.items() if "separator" in spec}
    return RawTable(name=name, frame=frame, columns=columns, separators=separators, epoch=epoch), features


def canonical_tables(
    name: str,
    events: RawTable,
    users: Entities,
    items: Entities,
    *,
    seen_items_may_return: bool | None,
    positive_from: float | None,
    snapshots: str | None,
    holdout: str | None,
) -> Tables:
    """Check named tables, and bring them into canonical form.

    Args:
        name: name of the dataset.
        events: the events.
        users: the users.
        items: the items.
        seen_items_may_return: whether a user may take an item again; None asks the events.
        positive_from: lowest rating of a positive.
        snapshots: granularity of the user snapshots; None asks the events.
        holdout: length of the hold-out; None asks the events.

    Raises:
        InputError: the tables cannot be used.
    """
    returning, notes = _returning(events, seen_items_may_return)
    config = {
        "dataset": name,
        "seen_items_may_return": returning,
        "snapshots": snapshots or DAY,
        "holdout": holdout or DEFAULT,
        "events": {key for key, column in (("value", "value"), ("basket", "basket_id")) if column in events.columns},
        "users": {"features": users[1]},
        "items": {"features": items[1]},
    }
    schema = config_schema(config, "from_frames")
    tables = canonicalise(
        schema, events=events, users=users[0], items=items[0], positive_from=positive_from, notes=notes
    )
    tables = tables if snapshots else _with_snapshots(tables)
    return tables if holdout else _with_holdout(tables)


def _with_snapshots(tables: Tables) -> Tables:
    """Tables with the granularity that their events suggest, and a note."""
    guess, measured = suggested(tables.events)
    return replace(
        tables,
        schema=replace(tables.schema, snapshots=guess),
        notes=(*tables.notes, f"snapshots by {guess}: interactions without a history in training: {measured}"),
    )


def _with_holdout(tables: Tables) -> Tables:
    """Tables with the hold-out that their events suggest, and a note where that is a longer one."""
    longer = longer_holdout(tables.events) if tables.events.height else None
    if longer is None:
        return tables
    schema = replace(tables.schema, holdout=longer[0])
    return replace(tables, schema=schema, notes=(*tables.notes, f"hold-out of {longer[0]}: {longer[1]}"))


def _returning(events: RawTable, told: bool | None) -> tuple[bool, list[str]]:
    """Whether a user may take an item again, and a note where the events decided it."""
    if told is not None:
        return told, []
    columns = events.columns
    repeated = repeated_share(events.frame, columns[USER_ID], columns[ITEM_ID]) if events.frame.height else 0.0
    returning = may_return(repeated)
    said = "may" if returning else "never"
    return returning, [f"{repeated:.0%} of the events repeat a user and item: seen items {said} return"]


def _guessed(frame: pl.DataFrame, entity: Entity, taken: set[str]) -> dict[str, Any]:
    features = {}
    for column in frame:
        if guess := guess_feature(as_typed(column), entity):
            features[free_name(column.name, entity, taken)] = guess | {"column": column.name}
    return features
