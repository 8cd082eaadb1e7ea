"""First draft of a `gatehouse.yaml`, guessed from a folder of files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import yaml

from feature_repo.datasets.custom import load_config
from feature_repo.datasets.description import FEATURE_KEYS, YAML_NAME, check_config
from feature_repo.datasets.folder_files import read_folder
from feature_repo.datasets.guess_holdout import longer_holdout
from feature_repo.datasets.guess_snapshots import suggested
from feature_repo.datasets.id_column import FLOATED
from feature_repo.datasets.impression_roles import impression_roles, surroundings
from feature_repo.datasets.infer_kinds import (
    epoch_of,
    free_name,
    guess_feature,
    identifier,
    may_return,
    repeated_share,
    standard_columns,
)
from feature_repo.datasets.log_files import Logs, find_entities, find_logs
from feature_repo.datasets.parts import unread_files
from feature_repo.datasets.ratings import distribution, likely_threshold
from feature_repo.datasets.roles import CREATED_NAME, File, cancelled, further_roles
from feature_repo.errors import InputError
from feature_repo.schema import MAX_DATASET_NAME, Entity, Kind

_ACTIONS = re.compile(r"^(event|event_type|event_name|action|behaviou?r|behavior_type|interaction)$", re.IGNORECASE)


@dataclass(frozen=True)
class Draft:
    """Written description of a folder."""

    path: Path
    """The `gatehouse.yaml`."""
    remarks: tuple[str, ...]
    """What a person should know: files that are not read, rows that are dropped."""


def init_folder(folder: Path) -> Draft:
    """Write `gatehouse.yaml` into a folder, once the data load as it says.

    Raises:
        InputError: there is one already, no file looks like events, or the data need an
            answer that no file gives; then nothing is written.
    """
    path = folder / YAML_NAME
    if path.exists():
        raise InputError(f"{path}: there already; move it away to have a new one written")
    text = inspect_folder(folder)
    try:
        tables = load_config(folder, check_config(yaml.safe_load(text)))
    except InputError as error:
        raise InputError(
            f"{error}\nNothing is written. The draft, to be saved as {path} with that mended:\n\n{text}"
        ) from error
    guess, measured = suggested(tables.events)
    lines = [f"snapshots: {guess}  # interactions without a history in training: {measured}"]
    if longer := longer_holdout(tables.events):
        lines.append(f"holdout: {longer[0]}  # {longer[1]}")
    path.write_text(text.replace("\nevents:\n", "\n".join(["", *lines, "events:", ""]), 1), encoding="utf-8")
    return Draft(path, tables.notes)


def inspect_folder(folder: Path) -> str:
    """YAML text for the files of a folder, as guessed.

    Events are the largest table with a user, an item and a time. Impressions are such a
    table that is named after them. Users and items are the tables with a unique id.

    Raises:
        InputError: no file looks like events.
    """
    files, unread = read_folder(folder)
    logs = find_logs(folder, files)
    used = [file for file in (logs.events, logs.impressions) if file]
    rest = [file for file in files if file not in used]
    users, items = find_entities(rest, logs.events)
    used += [file for file, _ in (users, items) if file]
    taken = standard_columns()
    lines = [
        f"# Guessed from {', '.join(file.name for file in files)}: please correct it.",
        *_unread_lines(folder, files, used, unread),
        f"# Feature kinds: {', '.join(kind for kind in Kind if kind is not Kind.HISTORY)}.",
        f"# Feature options: {', '.join(FEATURE_KEYS)}.",
        f"dataset: {identifier(folder.resolve().name)[:MAX_DATASET_NAME]}",
        *_events_lines(logs),
        *_impressions_lines(logs.impressions),
        *_entity_lines(Entity.USER, *users, taken),
        *_entity_lines(Entity.ITEM, *items, taken),
    ]
    return "\n".join(lines) + "\n"


def _unread_lines(folder: Path, files: list[File], used: list[File], unread: Mapping[str, str]) -> Iterator[str]:
    """Comments on what is there and not read.

    Args:
        folder: the folder.
        files: tables that were looked at.
        used: those that the draft names.
        unread: reason by folder that is no table.
    """
    aside = [file for file in files if file not in used]
    for file in aside:
        log = "has a user, an item and a time" if file.is_log() else f"columns {', '.join(file.frame.columns)}"
        twin = next((each for each in used if each.frame.columns == file.frame.columns), None)
        both = f"; of the columns of {twin.name}, so `file` may list both as one table" if twin else ""
        yield f"# There, and not read: {file.name}: {log}{both}."
    known = {name for file in files for name in ([file.spec] if isinstance(file.spec, str) else file.spec)}
    others = [name for name in unread_files(folder, known) if name not in unread]
    yield from (f"# There, and not read: {name}: not one table ({why})." for name, why in unread.items())
    if others:
        yield f"# There, and not read: {', '.join(others)}."


def _events_lines(logs: Logs) -> Iterator[str]:
    file = logs.events
    user, item = file.ids()
    assert user and item
    further = further_roles(file, (user, item, *file.times()))
    again = repeated_share(file.raw, user, item)
    yield f"seen_items_may_return: {_scalar(may_return(again))}  # {again:.0%} of events repeat a user and item"
    yield "events:"
    yield from _log_lines(file, further)
    if rating := further["rating"]:
        ratings = file.frame[rating].drop_nulls().cast(pl.Float64)
        yield f"  positive_from: {likely_threshold(ratings):g}  # lower ratings are dropped; {distribution(ratings)}"
    if patterns := list(cancelled(file, further["basket"])):
        yield "  drop_where:  # orders that were taken back are no positives"
        yield from (f"    {_scalar(name)}: {_scalar(each)}  # {count:,} rows" for name, each, count in patterns)
    yield from _action_lines(file)


def _action_lines(file: File) -> Iterator[str]:
    for name in filter(_ACTIONS.match, file.frame.columns):
        counts = file.frame[name].value_counts(sort=True).drop_nulls().head(8)
        shown = ", ".join(f"{value} {count / file.frame.height:.0%}" for value, count in counts.rows())
        yield f"  # {name}: {shown}. All of them count; drop_where: {{{_scalar(name)}: ^name$}} leaves one out"


def _impressions_lines(file: File | None) -> Iterator[str]:
    if file is None:
        yield "# impressions: no file of that name with a user, an item and a time found"
        return
    yield "impressions:"
    further = impression_roles(file, (*file.ids(), *file.times()))
    around = surroundings(file, (*file.ids(), *file.times(), *further.values()))
    yield from _log_lines(file, further, around)
    if around:
        yield f"  context: {{{', '.join(f'{_scalar(name)}: {_scalar(name)}' for name in around)}}}"


def _log_lines(file: File, further: Mapping[str, str | None], others: Sequence[str] = ()) -> Iterator[str]:
    """Lines of a log.

    Args:
        file: the log.
        further: columns by key, beside ids and times.
        others: further columns that are used.
    """
    times, (user, item) = file.times(), file.ids()
    columns = {
        "user": user,
        "item": item,
        "timestamp": times[0],
        "created": next((name for name in times[1:] if CREATED_NAME.search(name)), None),
        **further,
    }
    yield from _file_lines(file, (user, item))
    for key, column in columns.items():
        yield f"  {key}: {_scalar(column)}" if column else f"  # {key}: no column found"
    if gaps := {name: file.frame[name].null_count() for name in (user, item) if name and file.frame[name].null_count()}:
        counted = ", ".join(f"{count:,} rows without {name}" for name, count in gaps.items())
        yield f"  drop_without_id: true  # {counted}, of the first {file.frame.height:,}"
    if epoch := epoch_of(file.frame[times[0]]):
        yield f"  epoch: {epoch}  # unit of the numbers in {times[0]}"
    if unused := [name for name in file.frame.columns if name not in (*columns.values(), *others)]:
        yield f"  # not used: {', '.join(unused)}"


def _file_lines(file: File, ids: tuple[str | None, ...]) -> Iterator[str]:
    """Lines that say how a file is read.

    Args:
        file: the table.
        ids: its columns of ids.
    """
    yield f"  file: {json.dumps(file.spec) if isinstance(file.spec, list) else _scalar(file.spec)}"
    for key, value in file.form.items():
        note = "  # not UTF-8: do the names read well?" if key == "encoding" else "  # the file has no header"
        yield f"  {key}: {json.dumps(value)}{note}"
    floats = [name for name in ids if name and _floated(file.raw[name])]
    if floats:
        yield f"  whole_ids: true  # {', '.join(floats)}: 12.0 is read as 12"


def _floated(ids: pl.Series) -> bool:
    if ids.dtype == pl.String:
        return bool(ids.str.contains(FLOATED).any())
    return ids.dtype.is_float() or (ids.dtype.is_decimal() and bool(ids.dtype.scale))  # type: ignore[attr-defined]


def _entity_lines(entity: Entity, file: File | None, key: str, taken: set[str]) -> Iterator[str]:
    if file is None:
        why = f" ({key})" if key else ""
        yield f"# {entity}s: no file with unique ids found{why}; so the {entity}s are those of the events"
        return
    guesses = {column.name: guess_feature(column, entity) for column in file.frame if column.name != key}
    yield f"{entity}s:"
    yield from _file_lines(file, (key,))
    yield f"  id: {_scalar(key)}"
    if epoch := next(filter(None, map(epoch_of, file.frame)), None):
        yield f"  epoch: {epoch}  # unit of times in numbers"
    yield "  features:" if any(guesses.values()) else "  features: {}"
    for column, guess in guesses.items():
        if not guess:
            yield f"    # {column}: empty, or of a type that is no feature"
            continue
        name = free_name(column, entity, taken)
        options = guess if name == column else guess | {"column": column}
        listed = ", ".join(f"{option}: {_scalar(value)}" for option, value in options.items())
        yield f"    {_scalar(name)}: {{{listed}}}"


def _scalar(value: object) -> str:
    """YAML scalar; text is quoted if YAML could read it as another type."""
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w.]*", value) and yaml.safe_load(value) == value
    return str(value) if plain else json.dumps(value, ensure_ascii=False)
