"""Words for a missing value: nulls in features, no ids, and a setting."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml

from feature_repo.datasets import custom
from feature_repo.datasets.init_config import init_folder, inspect_folder
from feature_repo.errors import InputError
from tests.unit.feature_repo.datasets.shop_files import ITEMS, events, items, users, write_shop

WORDS = ["NULL", "N/A", "null", "None", "\\N", "-", "?", "nan", "NA", " NULL "]


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_a_missing_value_of_every_kind(tmp_path: Path, word: str) -> None:
    gaps = [word if number == 2 else None for number in range(ITEMS)]
    rows = items(
        shelf=[gap or f"s{number % 3}" for number, gap in enumerate(gaps)],
        price=[gap or number + 0.5 for number, gap in enumerate(gaps)],
        born=[gap or f"2020-01-{number + 1:02d}" for number, gap in enumerate(gaps)],
        genres=[gap or "a|b" for gap in gaps],
    )
    write_shop(tmp_path, items=rows)
    features = yaml.safe_load(inspect_folder(tmp_path))["items"]["features"]
    kinds = {name: spec["kind"] for name, spec in features.items()}
    assert kinds == {
        "kind": "categorical",
        "shelf": "categorical",
        "price": "numeric",
        "born": "timestamp",
        "genres": "multi_valued",
    }
    init_folder(tmp_path)
    read = custom.load(tmp_path).items
    assert read.row(2) == ("i002", "k2", None, None, None, None)
    assert read.null_count().row(0) == (0, 0, 1, 1, 1, 1)


def test_the_words_are_a_setting(tmp_path: Path) -> None:
    rows = items(shelf=["none" if number == 2 else "-" for number in range(ITEMS)])
    write_shop(tmp_path, items=rows)
    path = init_folder(tmp_path).path
    path.write_text(path.read_text() + "missing: ['', none]\n")
    assert custom.load(tmp_path).items["shelf"].to_list() == ["-", "-", None, *["-"] * 9]


@pytest.mark.parametrize("missing", ["missing: [null]", "missing: [1]"])
def test_a_word_without_quotes_is_told(tmp_path: Path, missing: str) -> None:
    path = init_folder(write_shop(tmp_path)).path
    path.write_text(path.read_text() + missing)
    with pytest.raises(InputError, match=r'missing is .* wanted a list of texts, in quotes such as "null"'):
        custom.load(tmp_path)


@pytest.mark.parametrize("word", ["NA", "None", "null"])
@pytest.mark.parametrize("parquet", [False, True])
def test_an_id_that_is_such_a_word_is_refused_in_every_file(tmp_path: Path, word: str, parquet: bool) -> None:
    def renamed(rows: list[list[str]]) -> list[list[str]]:
        return [[word if cell == "u001" else cell for cell in row] for row in rows]

    write_shop(tmp_path)
    path = init_folder(tmp_path).path
    write_shop(tmp_path, events=renamed(events()), users=renamed(users()))
    if parquet:
        for name in ("events", "users"):
            pl.read_csv(tmp_path / f"{name}.csv", infer_schema=False).write_parquet(tmp_path / f"{name}.parquet")
        path.write_text(path.read_text().replace("events.csv", "events.parquet").replace("users.csv", "users.parquet"))
    with pytest.raises(InputError, match=rf"'user_id': null or blank id.*'{word}' is a word for a missing value"):
        custom.load(tmp_path)
    path.write_text(path.read_text() + "missing: ['']\n")
    assert word in custom.load(tmp_path).users["user_id"]


def test_events_without_a_user_are_counted_and_dropped_on_request(tmp_path: Path) -> None:
    header, *rows = events()
    for row in rows[::12]:
        row[0] = ""
    write_shop(tmp_path, events=[header, *rows])
    path = init_folder(tmp_path).path
    assert "drop_without_id: true  # 20 rows without user_id" in path.read_text()
    tables = custom.load(tmp_path)
    assert tables.events.height == 220
    assert "events.csv, column 'user_id' has no id: 20 of 240 rows (8.3 %) dropped" in tables.notes
    path.write_text(path.read_text().replace("drop_without_id: true", "drop_without_id: false"))
    with pytest.raises(InputError, match=r"null or blank id; leave these rows out.*drop_without_id: true.*\(20 rows"):
        custom.load(tmp_path)
