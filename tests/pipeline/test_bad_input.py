"""Input that cannot be used ends in one line that says what and where, and leaves no trace in the home."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.pipeline.conftest import Released
from tests.pipeline.planted import Home

Spoil = Callable[[Path], object]


def events(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Spoil:
    """Spoils events.csv."""
    return lambda folder: change(pl.read_csv(folder / "events.csv", infer_schema=False)).write_csv(
        folder / "events.csv"
    )


def items(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Spoil:
    """Spoils items.csv."""
    return lambda folder: change(pl.read_csv(folder / "items.csv", infer_schema=False)).write_csv(folder / "items.csv")


def first_rows(rows: int, column: str, value: str | None) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Another value in the first rows of a column."""
    changed = pl.when(pl.int_range(pl.len()) < rows).then(pl.lit(value, pl.String)).otherwise(column).alias(column)
    return lambda frame: frame.with_columns(changed)


SPOILT: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "missing file": (lambda folder: (folder / "users.parquet").unlink(), ("users.parquet", "no such file")),
    "missing yaml": (lambda folder: (folder / "gatehouse.yaml").unlink(), ("gatehouse init",)),
    "missing column": (events(lambda frame: frame.drop("value")), ("events.csv", "'value'")),
    "wrong type": (events(first_rows(7, "value", "cheap")), ("events.csv", "'value'", "7 rows", "'cheap'")),
    "infinite": (events(first_rows(4, "value", "inf")), ("events.csv", "'value'", "4 rows")),
    "empty table": (events(lambda frame: frame.clear()), ("events.csv", "0 rows")),
    "null id": (items(first_rows(2, "item_id", None)), ("items.csv", "'item_id'", "null", "2 rows")),
    "duplicate id": (items(lambda frame: pl.concat([frame, frame.head(3)])), ("items.csv", "'i000', ", "duplicate")),
    "unknown ids": (events(first_rows(300, "item_id", "i999")), ("events.csv", "'item_id'", "300 rows", "'i999'")),
    "unparsable time": (events(first_rows(5, "timestamp", "soon")), ("events.csv", "'timestamp'", "5 rows", "'soon'")),
    "not UTF-8": (lambda folder: _latin1(folder / "items.csv"), ("items.csv", "'title'", "UTF-8")),
    "few users": (events(lambda frame: frame.filter(pl.col("user_id") < "u007")), ("events.csv", "at least 10")),
    "one day": (events(first_rows(9**9, "timestamp", "2024-01-01T00:00:00")), ("no event before", "longer log")),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_bad_files_are_named_and_leave_no_trace(home: Home, released: Released, tmp_path: Path, kind: str) -> None:
    spoil, said = SPOILT[kind]
    folder = shutil.copytree(released.folder, tmp_path / "data")
    spoil(folder)
    refused(home, ("run", "--dataset", "own", "--data", str(folder), "--recipe", "quick"), said)


def test_events_after_as_of(home: Home, released: Released) -> None:
    said = ("events.csv", "'timestamp'", "after as_of 2024-03-01", "rows; for example")
    refused(home, ("run", "--data", str(released.folder), "--as-of", "2024-03-01"), said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--dataset", "nosuch"), ("'nosuch'", "completejourney", "tiny")),
        (("--data", "/no/such/folder"), ("/no/such/folder", "no such folder")),
        (("--dataset", "own"), ("--data DIR",)),
        (("--dataset", "tiny", "--recipe", "nosuch"), ("'nosuch'", "base")),
        (("--dataset", "tiny", "--as-of", "tomorrow"), ("'tomorrow'", "ISO time")),
        (("--dataset", "tiny", "--data", "."), ("'tiny'", "--data")),
    ],
)
def test_arguments_that_cannot_be_used(
    home: Home, released: Released, arguments: tuple[str, ...], said: tuple[str, ...]
) -> None:
    refused(home, ("run", *arguments), said)


def test_a_gate_policy_with_a_mistake_is_found_before_the_training(home: Home, released: Released) -> None:
    before = home.files()
    ended = home.command("run", "--data", released.folder, "--recipe", "quick", index_recall=95)
    assert (ended.code, home.files()) == (1, before)
    assert "index_recall is 95, wanted a number from 0 to 1" in ended.err


def refused(home: Home, arguments: tuple[str, ...], said: tuple[str, ...]) -> None:
    """The command ends with 1 and one line on standard error that says all this; in the home nothing has changed."""
    before = home.files()
    ended = home.command(*arguments)
    *progress, message = ended.err.splitlines()
    assert (ended.code, ended.out) == (1, "")
    # A run first says what it will do, in three lines, unless its arguments are wrong.
    announced, steps = progress[:3], progress[3:]
    assert [line.split()[0] for line in announced[1:]] in ([], ["home", "Ctrl-C"])
    assert steps in ([], ["▸ source", "✗ source"])
    assert message.startswith("gatehouse: ")
    assert [part for part in said if part not in message] == [], message
    assert home.files() == before
    assert home.champion("world") == 1


def _latin1(path: Path) -> None:
    path.write_bytes(path.read_text().replace("kind 1", "m\u00f6bel").encode("latin-1"))
