"""First draft of a `gatehouse.yaml`, guessed from a folder of files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import yaml

from feature_repo.datasets.custom import FEATURE_KEYS, YAML_NAME
from feature_repo.datasets.files import SUFFIXES, read_table
from feature_repo.datasets.infer_kinds import (
    ID_NAME,
    ITEM_NAME,
    USER_NAME,
    as_typed,
    epoch_of,
    free_name,
    guess_feature,
    identifier,
    may_return,
    repeated_share,
    standard_columns,
)
from feature_repo.datasets.ratings import distribution, likely_threshold
from feature_repo.errors import InputError
from feature_repo.schema import MAX_DATASET_NAME, Entity, Kind

_CREATED = re.compile(r"created|loaded|ingested|inserted|known|arrived", re.IGNORECASE)
_VALUE = re.compile(r"value|price|amount|revenue|sales|spend|score", re.IGNORECASE)
_RATING = re.compile(r"rating|stars", re.IGNORECASE)
_BASKET = re.compile(r"basket|order|session|cart|invoice", re.IGNORECASE)
_SHOWN = re.compile(r"impression|exposure|shown", re.IGNORECASE)
_ROWS = 100_000
"""Rows of a file that guesses read."""


@dataclass(frozen=True, kw_only=True)
class _File:
    """File of the folder."""

    name: str
    """File name."""
    frame: pl.DataFrame  # typed as far as the text allows
    """First rows, typed if all values of a column allow it."""

    def candidates(self, pattern: re.Pattern[str]) -> list[str]:
        """Columns whose name matches, id-like ones first."""
        found = [name for name in self.frame.columns if pattern.search(name)]
        return sorted(found, key=lambda name: not ID_NAME.search(name))

    def times(self) -> list[str]:
        """Columns of times."""
        return [c for c in self.frame.columns if self.frame[c].dtype.is_temporal() or epoch_of(self.frame[c])]

    def key(self, pattern: re.Pattern[str]) -> str | None:
        """First column that could be the unique id of the file's rows."""
        names = self.candidates(pattern)
        if pattern.search(self.name):
            names += [name for name in self.candidates(ID_NAME) if name not in names]
        unique = (n for n in names if not self.frame[n].null_count() and not self.frame[n].is_duplicated().any())
        return next(unique, None)


def init_folder(folder: Path) -> Path:
    """Write `gatehouse.yaml` into a folder and return its path.

    Raises:
        InputError: there is one already, or no file looks like events.
    """
    path = folder / YAML_NAME
    if path.exists():
        raise InputError(f"{path}: there already; move it away to have a new one written")
    path.write_text(inspect_folder(folder), encoding="utf-8")
    return path


def inspect_folder(folder: Path) -> str:
    """YAML text for the CSV and Parquet files of a folder, as guessed.

    Events are the largest file with a user, an item and a time. Impressions are such a
    file that is named after them. Users and items are the files with a unique id.

    Raises:
        InputError: no file looks like events.
    """
    files = _read_files(folder)
    events, impressions = _find_logs(folder, files)
    rest = [file for file in files if file is not events and file is not impressions]
    users = next((file for file in rest if file.key(USER_NAME)), None)
    items = next((file for file in rest if file is not users and file.key(ITEM_NAME)), None)
    taken = standard_columns()
    lines = [
        f"# Guessed from {', '.join(file.name for file in files)}: please correct it.",
        f"# Feature kinds: {', '.join(kind for kind in Kind if kind is not Kind.HISTORY)}.",
        f"# Feature options: {', '.join(FEATURE_KEYS)}.",
        f"dataset: {_dataset_name(folder)}",
        *_events_lines(events),
        *_impressions_lines(impressions),
        *_entity_lines(Entity.USER, users, USER_NAME, taken),
        *_entity_lines(Entity.ITEM, items, ITEM_NAME, taken),
    ]
    return "\n".join(lines) + "\n"


def _read_files(folder: Path) -> list[_File]:
    paths = sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES)
    if not paths:
        raise InputError(f"{folder}: no files to look at; wanted events, users and items as {' or '.join(SUFFIXES)}")
    frames = {path.name: read_table(path, rows=_ROWS) for path in paths}
    return [
        _File(name=name, frame=frame.select(as_typed(column) for column in frame)) for name, frame in frames.items()
    ]


def _find_logs(folder: Path, files: list[_File]) -> tuple[_File, _File | None]:
    """Largest file of events, and largest file of impressions if there is one."""
    filled = (file for file in files if not file.frame.is_empty())
    found = [f for f in filled if f.candidates(USER_NAME) and f.candidates(ITEM_NAME) and f.times()]
    if not found:
        seen = "; ".join(f"{file.name}: {', '.join(file.frame.columns)}" for file in files)
        raise InputError(f"{folder}: no file has a user, an item and a time column; there are {seen}")
    found.sort(key=lambda file: -file.frame.height)
    events = next((file for file in found if not _SHOWN.search(file.name)), found[0])
    return events, next((file for file in found if file is not events and _SHOWN.search(file.name)), None)


def _events_lines(file: _File) -> Iterator[str]:
    user, item = file.candidates(USER_NAME)[0], file.candidates(ITEM_NAME)[0]
    rating, value = (
        next((name for name in file.candidates(pattern) if file.frame[name].dtype.is_numeric()), None)
        for pattern in (_RATING, _VALUE)
    )
    basket = next((name for name in file.candidates(_BASKET) if name not in (user, item, value)), None)
    again = repeated_share(file.frame, user, item)
    yield f"seen_items_may_return: {_scalar(may_return(again))}  # {again:.0%} of events repeat a user and item"
    yield "events:"
    yield from _log_lines(file, {"value": value, "basket": basket, "rating": rating})
    if rating:
        ratings = file.frame[rating].drop_nulls().cast(pl.Float64)
        yield f"  positive_from: {likely_threshold(ratings):g}  # lower ratings are dropped; {distribution(ratings)}"


def _impressions_lines(file: _File | None) -> Iterator[str]:
    if file is None:
        yield "# impressions: no file of that name with a user, an item and a time found"
        return
    yield "impressions:"
    yield from _log_lines(file, {})


def _log_lines(file: _File, further: Mapping[str, str | None]) -> Iterator[str]:
    times = sorted(file.times(), key=lambda name: bool(_CREATED.search(name)))
    columns = {
        "user": file.candidates(USER_NAME)[0],
        "item": file.candidates(ITEM_NAME)[0],
        "timestamp": times[0],
        "created": next((name for name in times[1:] if _CREATED.search(name)), None),
        **further,
    }
    yield f"  file: {_scalar(file.name)}"
    for key, column in columns.items():
        yield f"  {key}: {_scalar(column)}" if column else f"  # {key}: no column found"
    if epoch := epoch_of(file.frame[times[0]]):
        yield f"  epoch: {epoch}  # unit of the whole numbers in {times[0]}"
    if unused := [name for name in file.frame.columns if name not in columns.values()]:
        yield f"  # not used: {', '.join(unused)}"


def _entity_lines(entity: Entity, file: _File | None, pattern: re.Pattern[str], taken: set[str]) -> Iterator[str]:
    if file is None:
        yield f"# {entity}s: no file with unique ids found; so the {entity}s are those of the events"
        return
    key = file.key(pattern)
    guesses = {column.name: guess_feature(column, entity) for column in file.frame if column.name != key}
    yield f"{entity}s:"
    yield f"  file: {_scalar(file.name)}"
    yield f"  id: {_scalar(key)}"
    if epoch := next(filter(None, map(epoch_of, file.frame)), None):
        yield f"  epoch: {epoch}  # unit of times in whole numbers"
    yield "  features:" if any(guesses.values()) else "  features: {}"
    for column, guess in guesses.items():
        if not guess:
            yield f"    # {column}: empty, or of a type that is no feature"
            continue
        name = free_name(column, entity, taken)
        options = guess if name == column else guess | {"column": column}
        listed = ", ".join(f"{option}: {_scalar(value)}" for option, value in options.items())
        yield f"    {_scalar(name)}: {{{listed}}}"


def _dataset_name(folder: Path) -> str:
    return identifier(folder.resolve().name)[:MAX_DATASET_NAME]


def _scalar(value: object) -> str:
    """YAML scalar; text is quoted if YAML could read it as another type."""
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w.]*", value) and yaml.safe_load(value) == value
    return str(value) if plain else json.dumps(value, ensure_ascii=False)
