"""Columns of ids: exactly the text that is written, or an error that asks."""

from __future__ import annotations

import polars as pl

from feature_repo.datasets.columns import read_strings
from feature_repo.datasets.raw_table import RawTable

FLOATED = r"^\s*-?\d+\.0+\s*$"
"""Whole number that went through a float, as pandas writes columns with gaps: 12.0."""
_LARGEST_EXACT = 2**53
MAX_ID_BYTES = 4_096
"""Longest id in UTF-8: the index reads many ids in one message."""
_ASK_WHOLE = "write `whole_ids: true` to read 12.0 as 12, or `whole_ids: false` to keep 12.0"


def read_ids(table: RawTable, name: str) -> pl.Series:
    """Ids as String, exactly as written; none is missing or above `MAX_ID_BYTES`."""
    ids = id_text(table, name)
    blank = missing_ids(table, ids)
    if blank.any():
        words = ids.filter(blank & ids.str.contains(r"\S").fill_null(False))
        known = f"; {words[0]!r} is a word for a missing value, unless `missing` leaves it out" if len(words) else ""
        todo = "leave these rows out, in events by `drop_without_id: true`"
        raise table.bad(name, f"null or blank id; {todo}{known}", blank)
    if (long := ids.str.len_bytes() > MAX_ID_BYTES).any():
        raise table.bad(name, f"id of more than {MAX_ID_BYTES:,} bytes", long)
    return ids.alias(name)


def missing_ids(table: RawTable, ids: pl.Series) -> pl.Series:
    """Mask of the ids that are null, blank or a word for a missing value."""
    return ids.is_null() | (ids.str.strip_chars() == "") | table.means_missing(ids)


def id_text(table: RawTable, name: str) -> pl.Series:
    """Ids as String, missing ones as they are written."""
    raw = table.text(name)
    if raw.dtype.is_float() or (raw.dtype.is_decimal() and raw.dtype.scale):  # type: ignore[attr-defined]
        return _whole_ids(table, name, raw)
    ids = raw if raw.dtype == pl.String else read_strings(table, name)
    if table.whole_ids is False or not (floated := ids.str.contains(FLOATED).fill_null(False)).any():
        return ids
    if table.whole_ids is None:
        example = ids.filter(floated)[0]
        problem = f"{example!r} and {example.partition('.')[0]!r} would be two ids of one thing"
        raise table.bad(name, f"ids that went through a float: {problem}; {_ASK_WHOLE}", floated)
    return ids.str.replace(r"\.0+\s*$", "")


def _whole_ids(table: RawTable, name: str, raw: pl.Series) -> pl.Series:
    """Ids that are stored as floats or decimals with a fraction."""
    numbers = raw.cast(pl.Float64).fill_nan(None)
    odd = (~numbers.is_finite() | (numbers % 1 != 0) | (numbers.abs() > _LARGEST_EXACT)).fill_null(False)
    if odd.any() or not table.whole_ids:
        ask = "" if odd.any() else "; write `whole_ids: true` to read 12.0 as 12"
        raise table.wrong_type(name, f"text or whole numbers{ask}")
    return numbers.cast(pl.Int64).cast(pl.String)


def other_spelling(ids: pl.Series, known: pl.Series) -> tuple[str, str] | None:
    """First id that is known in another spelling, and that spelling.

    None where no id is.

    Spellings differ in zeros in front, in `.0`, in blanks around, in upper case, or in Unicode form.
    """
    spelled = pl.DataFrame({"id": ids, "plain": _plain(ids)})
    others = pl.DataFrame({"known": known, "plain": _plain(known)}).unique("plain", maintain_order=True)
    found = spelled.join(others, on="plain", how="inner", maintain_order="left").select("id", "known")
    return found.row(0) if found.height else None


def _plain(ids: pl.Series) -> pl.Series:
    return (
        ids.str.normalize("NFKC")
        .str.strip_chars()
        .str.replace(r"\.0+$", "")
        .str.replace(r"^0+(.)", "$1")
        .str.to_lowercase()
    )
