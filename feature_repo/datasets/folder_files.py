"""Tables of a folder.

Files, part files grouped into one table, and folders of parts.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from feature_repo.datasets.description import MISSING_WORDS, text_form
from feature_repo.datasets.files import SUFFIXES, NotUtf8Error, UndecodableError, suffix_of
from feature_repo.datasets.parts import Spec, find_parts, read_parts
from feature_repo.datasets.roles import File, typed
from feature_repo.errors import InputError

_ROWS = 100_000
"""Rows of each file that guesses read."""
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_MONTH = r"(?<![a-z])(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?:[a-z]{1,6})?(?![a-z])"
_CHECKINS = ("user_id", "checkin_time", "latitude", "longitude", "location_id")
_HEADERLESS = {
    r"loc-(gowalla|brightkite)_totalcheckins": _CHECKINS,
    r"userid-timestamp-artid-artname-traid-traname": ("userid", "timestamp", "artid", "artname", "traid", "traname"),
}
"""Columns of well-known files without a header, by name."""


def read_folder(folder: Path) -> tuple[list[File], dict[str, str]]:
    """Tables of a folder, and the reason why a folder inside is none, by name.

    Raises:
        InputError: a file that cannot be read.
    """
    files, unread = [], {}
    for spec in _specs(folder):
        try:
            files.append(_read(folder, spec))
        except InputError as error:
            if isinstance(spec, str) and ((folder / spec).is_dir() or spec.lower().endswith(".json")):
                unread[spec] = str(error)
            elif isinstance(spec, list):
                # Alike in name, but no parts of one table.
                files += [_read(folder, name) for name in spec]
            else:
                raise
    return files, unread


def _specs(folder: Path) -> list[str | list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir() or suffix_of(path) in SUFFIXES or _headerless(path.name):
            groups[path.name if path.is_dir() else _family(path.name)].append(path.name)
    return [names[0] if len(names) == 1 else names for names in groups.values()]


def _family(name: str) -> str:
    """Name without numbers, months and unique ids.

    That of `events_2024_01.csv` is `events_*.csv`.
    """
    plain = name.lower()
    for pattern in (_UUID, _MONTH, r"\d+"):
        plain = re.sub(pattern, "*", plain)
    return re.sub(r"\*(?:[_.-]?\*)+", "*", plain)


def _headerless(name: str) -> tuple[str, ...] | None:
    return next((columns for pattern, columns in _HEADERLESS.items() if re.match(pattern, name.lower())), None)


def _read(folder: Path, spec: str | list[str]) -> File:
    names = [spec] if isinstance(spec, str) else spec
    keys: dict[str, object] = {}
    if columns := _headerless(names[0]):
        keys["columns"] = list(columns)
    raw, encoding = _decoded(folder, spec, keys)
    keys |= {"encoding": encoding} if encoding else {}
    if isinstance(spec, list):
        pattern = _family(names[0])
        matches = [path.name for path in find_parts(folder, pattern)] if list(folder.glob(pattern)) else []
        spec = pattern if matches == sorted(names) else spec
    label = spec if isinstance(spec, str) else ", ".join(spec)
    size = sum(path.stat().st_size for path in find_parts(folder, spec))
    return File(name=label, spec=spec, raw=raw, frame=typed(raw, MISSING_WORDS), form=keys, size=size)


def _decoded(folder: Path, spec: Spec, keys: Mapping[str, object]) -> tuple[pl.DataFrame, str | None]:
    """First rows of a table, and the encoding of its text where that is not UTF-8.

    Args:
        folder: folder of the dataset.
        spec: files of the table.
        keys: keys of the YAML that are known.
    """
    try:
        return read_parts(folder, spec, rows=_ROWS, form=text_form(keys)), None
    except NotUtf8Error:
        pass
    try:
        form = text_form({**keys, "encoding": "windows-1252"})
        return read_parts(folder, spec, rows=_ROWS, form=form), "windows-1252"
    except UndecodableError:
        # Every byte is a sign in it.
        form = text_form({**keys, "encoding": "latin-1"})
        return read_parts(folder, spec, rows=_ROWS, form=form), "latin-1"


def no_header(file: File) -> bool:
    """Whether the first line looks like data.

    A name is a number, or a value of its column.
    """
    names = file.raw.columns
    return any(re.fullmatch(r"[\d.,:+\-TZ/ ]*\d[\d.,:+\-TZ/ ]*", name) for name in names)
