"""Tables of a folder that are events, impressions, users and items."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from feature_repo.datasets.files import SUFFIXES
from feature_repo.datasets.folder_files import no_header
from feature_repo.datasets.infer_kinds import ID_NAME
from feature_repo.datasets.movielens import is_movielens
from feature_repo.datasets.roles import ITEM, USER, File, Words
from feature_repo.errors import InputError

_SHOWN = re.compile(r"impression|exposure|shown", re.IGNORECASE)
_NO_CALENDAR = re.compile(r"dow$|day_?of_?week|hour|days_since|week", re.IGNORECASE)
_UNTIMED = "training.data.untimed.read_untimed and training.fit_untimed.fit_untimed train without times"

Entities = tuple[File | None, str]
"""Table of users or items and its column of ids; or None and the reason."""


@dataclass(frozen=True, kw_only=True)
class Logs:
    """Tables with a user, an item and a time in each row."""

    events: File
    """Events."""
    impressions: File | None
    """Impressions, where a table is named after them."""


def find_logs(folder: Path, files: Sequence[File]) -> Logs:
    """Largest table of events, and largest table of impressions if there is one.

    Raises:
        InputError: no table has a user, an item and a time; it says what each has.
    """
    if not files and is_movielens(folder):
        raise InputError(f"{folder}: the files of MovieLens, which need no YAML: gatehouse run --data {folder}")
    if not files:
        raise InputError(f"{folder}: no files to look at; wanted events, users and items as {', '.join(SUFFIXES)}")
    logs = [file for file in files if file.is_log() and not no_header(file)]
    if not logs:
        raise InputError("\n".join(_nothing_found(folder, files)))
    logs.sort(key=lambda file: (-file.frame.height, -file.size))
    events = next((file for file in logs if not _SHOWN.search(file.name)), logs[0])
    shown = next((file for file in logs if file is not events and _SHOWN.search(file.name)), None)
    return Logs(events=events, impressions=shown)


def _nothing_found(folder: Path, files: Sequence[File]) -> Iterator[str]:
    """Lines of the error: what was looked for, what each file has, and what to write."""
    yield (
        f"{folder}: no file has a user, an item and a time column. Looked for a user such as user_id, customer_id or "
        "visitorid, an item such as item_id, product_id, asin or sku, and a time such as timestamp or date. Found:"
    )
    found = {file.name: (*file.ids(), next(iter(file.times()), None)) for file in files}
    for file in files:
        if no_header(file):
            first = ", ".join(file.raw.columns)
            yield (
                f"  {file.name}: no header, it seems; its first line is {first}. Put a line with the names of the "
                "columns on top, such as user_id, item_id, timestamp; or write `columns: [user_id, ...]` beside `file`"
            )
            continue
        roles = zip(("user", "item", "time"), found[file.name], strict=True)
        told = ", ".join(f"{role} {column or '(none)'}" for role, column in roles)
        yield f"  {file.name}: {told}; its columns: {', '.join(file.frame.columns)}"
    if is_movielens(folder):
        yield f"These are the files of MovieLens, which need no YAML: gatehouse run --data {folder}"
    yield from _advice(files, found)


def _advice(files: Sequence[File], found: Mapping[str, tuple[str | None, ...]]) -> Iterator[str]:
    columns = {file.name: file.frame.columns for file in files}
    calendar = sorted({name for names in columns.values() for name in names if _NO_CALENDAR.search(name)})
    if calendar and not any(time for _, _, time in found.values()):
        yield (
            f"Without a calendar, {', '.join(calendar)} put no two users in order. Make a column of dates (for example "
            f"an assumed first day and the running sum of days of each user), or leave time out: {_UNTIMED}"
        )
    elif any(user and item and not time for user, item, time in found.values()):
        yield f"Where there is no time at all: {_UNTIMED}"
    for file in files:
        nested = [name for name in file.frame.columns if _is_nested(file, name)]
        if nested and not file.is_log():
            yield f"{file.name}: {', '.join(nested)} hold several things a row: write one row for each of them"
    with_user = next((name for name, (user, item, _) in found.items() if user and not item), None)
    with_item = next((name for name, (user, item, _) in found.items() if item and not user), None)
    if with_user and with_item:
        shared = [name for name in columns[with_user] if name in columns[with_item]]
        if shared:
            yield f"{with_user} has the user and {with_item} the item: join them on {shared[0]} into one file"
    best = max(found, key=lambda name: sum(bool(column) for column in found[name]))
    user, item, time = (column or "COLUMN" for column in found[best])
    yield "The line to write in gatehouse.yaml, where a column has another name:"
    yield f"  events: {{file: {best!r}, user: {user!r}, item: {item!r}, timestamp: {time!r}}}"


def _is_nested(file: File, name: str) -> bool:
    dtype = file.frame[name].dtype
    return isinstance(dtype, pl.List) and (isinstance(dtype.inner, pl.Struct) or ITEM.names(name))


def find_entities(files: Sequence[File], events: File) -> tuple[Entities, Entities]:
    """Tables of users and of items.

    Args:
        files: tables that are no events.
        events: the events.
    """
    user, item = events.ids()
    users = _find(files, USER, events.raw[user or ""])
    items = _find([file for file in files if file is not users[0]], ITEM, events.raw[item or ""])
    return users, items


def _find(files: Sequence[File], words: Words, ids: pl.Series) -> Entities:
    """Table whose unique ids are those of the events; the reason where there is none."""
    found: list[tuple[tuple[bool, bool, int], File, str]] = []
    reasons = []
    for file in files:
        if file.frame.is_empty() or file.is_log():
            continue
        for name in _keys(file, words, ids.name):
            column = file.raw[name]
            known = _overlap(ids, column)
            if twice := int(column.is_duplicated().sum()):
                if words.rank(name) == 0 and known:
                    reasons.append(f"{file.name}: {twice:,} rows share their {name} with another one")
            elif not column.null_count():
                found.append(((known, words.names(file.name), len(file.frame.columns)), file, name))
                break
    if not found:
        return None, "; ".join(reasons)
    _, file, name = max(found, key=lambda each: each[0])
    return file, name


def _keys(file: File, words: Words, column: str) -> list[str]:
    """Columns that could be the id, that of the events' name first.

    Any id in a file of the words' name.
    """
    names = [name for name in file.frame.columns if name == column] + file.candidates(words)
    if words.names(file.name):
        names += [name for name in file.frame.columns if ID_NAME.search(name)]
    return list(dict.fromkeys(names))


def _overlap(ids: pl.Series, column: pl.Series) -> bool:
    """Whether some ids of the events stand in a column; types may differ."""
    try:
        return bool(ids.drop_nulls().cast(pl.String).is_in(column.drop_nulls().cast(pl.String).implode()).any())
    except pl.exceptions.PolarsError:
        return False
