"""Ids: exactly the text that is written, or an error that asks."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from feature_repo.datasets import custom
from feature_repo.datasets.id_column import other_spelling
from feature_repo.datasets.init_config import init_folder
from feature_repo.errors import InputError
from tests.unit.feature_repo.datasets.shop_files import ITEMS, USERS, as_csv, events, items, users, write_shop

FORMS = ["{}", "00{:03d}", "9000000000000000{:04d}", "47938607189150{:04d}", "{:03d}", "a/{} é", "1e{}"]


@pytest.mark.parametrize("form", FORMS)
def test_ids_stay_digit_by_digit_and_init_finds_their_files(tmp_path: Path, form: str) -> None:
    write_shop(tmp_path, events=events(user=form, item=form), users=users(form), items=items(form))
    init_folder(tmp_path)
    tables = custom.load(tmp_path)
    assert set(tables.users["user_id"]) == {form.format(number) for number in range(USERS)}
    assert tables.users.columns == ["user_id", "region"]
    assert set(tables.events["item_id"]) == {form.format(number) for number in range(ITEMS)}


def test_007_beside_7_are_two_items(tmp_path: Path) -> None:
    header, *rows = events(item="{}")
    rows[0][1] = "007"
    write_shop(tmp_path, events=[header, *rows], items=[*items("{}"), ["007", "k"]])
    init_folder(tmp_path)
    assert {"7", "007"} <= set(custom.load(tmp_path).items["item_id"])


def test_ids_that_went_through_a_float_are_asked(tmp_path: Path) -> None:
    write_shop(tmp_path, events=events(item="{}.0"), items=items("{}"))
    path = init_folder(tmp_path).path
    assert "whole_ids: true  # item_id: 12.0 is read as 12" in path.read_text()
    assert set(custom.load(tmp_path).events["item_id"]) == set(map(str, range(ITEMS)))
    path.write_text(path.read_text().replace("  whole_ids: true", "  #"))
    with pytest.raises(InputError, match=r"'0\.0' and '0' would be two ids of one thing; write `whole_ids: true`"):
        custom.load(tmp_path)


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        (pl.Series([f"u{number:03d}".encode() for number in range(USERS)]), "u007"),
        (pl.Series([Decimal(10**30 + number) for number in range(USERS)], dtype=pl.Decimal(38, 0)), str(10**30 + 7)),
        (pl.Series(range(USERS), dtype=pl.UInt64), "7"),
        (pl.Series([float(number) for number in range(USERS)]), "7"),
        (pl.Series([f"u{number}" for number in range(USERS)], dtype=pl.Categorical), "u7"),
    ],
)
def test_types_of_parquet(tmp_path: Path, ids: pl.Series, wanted: str) -> None:
    write_shop(tmp_path)
    log = pl.DataFrame(events()[1:], schema=["user_id", "item_id", "timestamp"], orient="row")
    position = log["user_id"].str.slice(1).cast(pl.UInt32)
    log.with_columns(user_id=ids.gather(position)).write_parquet(tmp_path / "events.parquet")
    pl.DataFrame({"user_id": ids, "region": "r"}).write_parquet(tmp_path / "users.parquet")
    for name in ("events", "users"):
        tmp_path.joinpath(f"{name}.csv").unlink()
    init_folder(tmp_path)
    tables = custom.load(tmp_path)
    assert wanted in tables.users["user_id"]
    assert tables.users.width == 2


def test_another_spelling_in_another_file_is_shown(tmp_path: Path) -> None:
    write_shop(tmp_path, events=events(item="0{}"))
    pl.DataFrame({"item_id": range(ITEMS), "kind": "k"}).write_parquet(tmp_path / "items.parquet")
    tmp_path.joinpath("items.csv").unlink()
    with pytest.raises(InputError, match=r"missing from items\.parquet \(spelled otherwise: '00' here, '0' there"):
        init_folder(tmp_path)


@pytest.mark.parametrize(
    ("one", "other"),
    [("007", "7"), ("12.0", "12"), (" a", "a"), ("AB", "ab"), ("cafe\u0301", "caf\u00e9"), ("x", None)],
)
def test_spellings(one: str, other: str | None) -> None:
    found = other_spelling(pl.Series([one]), pl.Series([other or "y", "z"]))
    assert found == ((one, other) if other else None)


def test_exact_duplicates_are_noted(tmp_path: Path) -> None:
    header, *rows = events()
    write_shop(tmp_path, events=as_csv([header, *rows, *rows]))
    assert [note for note in init_folder(tmp_path).remarks if "240 of them in all columns: exact duplicates" in note]
