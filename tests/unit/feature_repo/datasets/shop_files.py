"""Folder of a small shop, whose files tests write in their own way."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

USERS, ITEMS, EVENTS = 20, 12, 240
START = datetime(2024, 1, 1)

Rows = Sequence[Sequence[object]]
"""Header and rows of a table."""


def events(*, time: str = "%Y-%m-%d %H:%M:%S", user: str = "u{:03d}", item: str = "i{:03d}") -> list[list[str]]:
    """Events of the shop, with forms for times and ids."""
    rows = [["user_id", "item_id", "timestamp"]]
    for number in range(EVENTS):
        moment = START + timedelta(hours=5 * number)
        rows.append([user.format(number % USERS), item.format(number * 7 % ITEMS), moment.strftime(time)])
    return rows


def users(user: str = "u{:03d}") -> list[list[str]]:
    return [["user_id", "region"], *([user.format(number), f"r{number % 3}"] for number in range(USERS))]


def items(item: str = "i{:03d}", **columns: Iterable[Any]) -> list[list[Any]]:
    """Items of the shop, with further columns."""
    header: list[Any] = ["item_id", "kind", *columns]
    cells = zip(*columns.values(), strict=True) if columns else ((),) * ITEMS
    rows = [[item.format(number), f"k{number % 4}", *more] for number, more in zip(range(ITEMS), cells, strict=True)]
    return [header, *rows]


def as_csv(rows: Rows, delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def write_shop(folder: Path, **tables: Rows | str | bytes) -> Path:
    """CSV files of the shop; a table that is given replaces its own, as rows or as content."""
    folder.mkdir(exist_ok=True, parents=True)
    for name, table in ({"events": events(), "users": users(), "items": items()} | tables).items():
        content = table if isinstance(table, str | bytes) else as_csv(table)
        folder.joinpath(f"{name}.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    return folder
