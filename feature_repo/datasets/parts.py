"""Several files of one table: a list, a pattern, or a folder of part files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from feature_repo.datasets.delimited import TextForm
from feature_repo.datasets.files import ANY_FORM, SUFFIXES, read_table, suffix_of
from feature_repo.errors import InputError

Spec = str | Sequence[str]
"""File of a table: a name, a pattern such as `events_*.csv`, a folder, or a list of
these."""
_PLAIN = (".txt", ".dat", ".data")
"""Suffixes of text that may be a table."""
_LIKE_TABLES = (
    *(*SUFFIXES, *_PLAIN, ".xlsx", ".xls", ".ods", ".orc", ".avro", ".feather", ".arrow", ".pkl"),
    *(".sqlite", ".db", ".sql", ".xml", ".zip", ".7z", ".tar", ".tgz", ".rar"),
)
"""Suffixes of files that could hold a table, whether they can be read or not."""


def find_parts(folder: Path, spec: Spec) -> list[Path]:
    """Files of a table, in the order of their names.

    Args:
        folder: folder of the dataset.
        spec: file, pattern, folder of part files, or a list of these.

    Raises:
        InputError: nothing of that name, or a folder that holds other files than parts.
    """
    found: dict[Path, None] = {}
    for each in [spec] if isinstance(spec, str) else spec:
        path = folder / each
        if path.exists() or not any(sign in each for sign in "*?["):
            matches = [path]
        elif not (matches := sorted(folder.glob(each))):
            raise InputError(f"{path}: no file matches")
        for match in matches:
            found |= dict.fromkeys(_inside(match) if match.is_dir() else [match])
    return list(found)


def _inside(folder: Path) -> list[Path]:
    """Part files of a folder; marks such as `_SUCCESS` and hidden files are none."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts)
    ]
    if not files:
        raise InputError(f"{folder}: no file in this folder")
    if len(kinds := {suffix_of(path) for path in files}) > 1:
        raise InputError(f"{folder}: files of several kinds, {', '.join(sorted(kinds))}; wanted parts of one table")
    return files


def read_parts(folder: Path, spec: Spec, *, rows: int | None = None, form: TextForm = ANY_FORM) -> pl.DataFrame:
    """Table of all its files, one after the other.

    Folders such as `day=2024-01-31` give a column `day`.

    Args:
        folder: folder of the dataset.
        spec: file, pattern, folder of part files, or a list of these.
        rows: number of first rows of each file that are read; None for all.
        form: form of text files.

    Raises:
        InputError: a file that cannot be read, or has other columns than the first one.
    """
    paths = find_parts(folder, spec)
    frames = [_with_partition(read_table(path, rows, form), path.relative_to(folder)) for path in paths]
    if len(frames) == 1:
        return frames[0]
    first = frames[0]
    for path, frame in zip(paths, frames, strict=True):
        if set(frame.columns) != set(first.columns):
            raise InputError(
                f"{path.name}: columns {', '.join(frame.columns)}, but {paths[0].name} has "
                f"{', '.join(first.columns)}; files of one table have the same columns"
            )
    return pl.concat([frame.select(first.columns) for frame in _alike(paths, frames)], rechunk=True)


def _with_partition(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    pairs = (part.partition("=") for part in path.parent.parts)
    values = {name: value for name, sign, value in pairs if sign and name not in frame.columns}
    return frame.with_columns(pl.lit(value).alias(name) for name, value in values.items())


def _alike(paths: Iterable[Path], frames: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    """Frames of one type a column.

    Empty columns and narrow whole numbers are widened.
    """
    types: dict[str, pl.DataType] = {}
    for path, frame in zip(paths, frames, strict=True):
        for name, dtype in frame.schema.items():
            known = types.setdefault(name, dtype)
            if dtype in (known, pl.Null):
                continue
            if known != pl.Null and not (known.is_integer() and dtype.is_integer()):
                raise InputError(
                    f"{path.name}, column {name!r}: type {dtype}, but {known} in other files of the table; write them "
                    "in one type"
                )
            types[name] = dtype if known == pl.Null else pl.Int128()
    return [frame.cast(types) for frame in frames]  # type: ignore[arg-type]


def left_alone(folder: Path, specs: Iterable[Spec]) -> dict[str, str]:
    """Files and folders that are there and not read, with the reason.

    Args:
        folder: folder of the dataset.
        specs: files of its tables.
    """
    used = {path for spec in specs for path in find_parts(folder, spec)}
    above = {parent for path in used for parent in path.parents}
    return {
        path.name: _why_not(path)
        for path in sorted(folder.iterdir())
        if path not in used and path not in above and not path.name.startswith(".")
    }


def _why_not(path: Path) -> str:
    if path.is_dir():
        return "a folder that no table is read from"
    suffix = suffix_of(path)
    if suffix in SUFFIXES or suffix in _PLAIN:
        return "no table of the dataset is read from it"
    if suffix in _LIKE_TABLES:
        return f"{suffix} cannot be read; wanted {', '.join(SUFFIXES)}"
    return "no table"


def unread_files(folder: Path, specs: Iterable[Spec]) -> list[str]:
    """Names of files that could be tables and belong to none of the specs."""
    used = {path for spec in specs for path in find_parts(folder, spec)}
    files = sorted(path for path in folder.iterdir() if path.is_file() and suffix_of(path) in _LIKE_TABLES)
    return [path.name for path in files if path not in used]
