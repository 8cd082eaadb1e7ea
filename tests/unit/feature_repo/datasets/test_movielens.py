"""The three official layouts, each in a tiny folder with names beyond ASCII."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from feature_repo.datasets import movielens
from feature_repo.datasets.canonical import Tables
from feature_repo.errors import InputError
from feature_repo.schema import Entity

USERS = range(1, 13)
NOON = 978_307_200  # 2001-01-01 00:00 UTC
AMELIE, LEON = "Fabuleux destin d'Amélie Poulain, Le (2001)", "Léon: The Professional (1994)"


def write_100k(folder: Path) -> None:
    flags = {"comedy, romance": "0|0|0|0|0|1|0|0|0|0|0|0|0|0|1|0|0|0|0", "none": "|".join("0" * 19)}
    lines = [
        f"1|{AMELIE}|01-Jan-2001||http://x|{flags['comedy, romance']}",
        f"2|{LEON}|01-Jan-1994||http://x|{flags['none']}",
    ]
    folder.joinpath("u.item").write_text("\n".join(lines) + "\n", encoding="latin-1")
    folder.joinpath("u.user").write_text("".join(f"{u}|{20 + u}|F|artist|V3N4P\n" for u in USERS))
    folder.joinpath("u.data").write_text("".join(f"{u}\t{u % 2 + 1}\t4\t{NOON + u}\n" for u in USERS))


def write_1m(folder: Path) -> None:
    lines = [f"1::{AMELIE}::Comedy|Romance", f"2::{LEON}::"]
    folder.joinpath("movies.dat").write_text("\n".join(lines) + "\n", encoding="latin-1")
    folder.joinpath("users.dat").write_text("".join(f"{u}::F::{20 + u}::artist::55117\n" for u in USERS))
    folder.joinpath("ratings.dat").write_text("".join(f"{u}::{u % 2 + 1}::4::{NOON + u}\n" for u in USERS))


def write_headed(folder: Path) -> None:
    lines = ["movieId,title,genres", f'1,"{AMELIE}",Comedy|Romance', f"2,{LEON},(no genres listed)"]
    folder.joinpath("movies.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ratings = "".join(f"{u},{u % 2 + 1},4.0,{NOON + u}\n" for u in USERS)
    folder.joinpath("ratings.csv").write_text("userId,movieId,rating,timestamp\n" + ratings)


WRITERS = {"movielens_100k": write_100k, "movielens_1m": write_1m, "movielens": write_headed}


@pytest.fixture(params=WRITERS)
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Tables:
    WRITERS[request.param](tmp_path)
    tables = movielens.load(tmp_path)
    assert tables.schema.dataset == request.param
    return tables


def test_movies_have_title_year_and_genres(dataset: Tables) -> None:
    assert dataset.items.sort("item_id").to_dicts() == [
        {"item_id": "1", "title": AMELIE, "year": 2001.0, "genres": ["Comedy", "Romance"]},
        {"item_id": "2", "title": LEON, "year": 1994.0, "genres": None},
    ]


def test_ratings_are_events_in_utc(dataset: Tables) -> None:
    first = dataset.events.row(0, named=True)
    assert first["timestamp"] == datetime(2001, 1, 1, 0, 0, 1)
    assert (first["user_id"], first["item_id"], first["value"]) == ("1", "2", 4.0)
    assert dataset.events.height == 12
    assert not dataset.schema.seen_items_may_return


@pytest.mark.parametrize("write", [write_100k, write_1m])
def test_users_are_described_where_the_source_has_them(write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path)
    users = movielens.load(tmp_path).users
    assert users.row(0, named=True) == {"user_id": "1", "gender": "F", "age": "21", "occupation": "artist"}


def test_without_a_user_file_there_is_no_user_profile(tmp_path: Path) -> None:
    write_headed(tmp_path)
    tables = movielens.load(tmp_path)
    assert tables.users.columns == ["user_id"]
    assert "user_profile" not in [view.name for view in tables.schema.views_of(Entity.USER)]


def test_another_folder_is_told_what_was_looked_for(tmp_path: Path) -> None:
    tmp_path.joinpath("ratings.csv").touch()
    with pytest.raises(
        InputError,
        match=r"u\.data, u\.item, u\.user; or ratings\.dat, .*; or ratings\.csv, movies\.csv.*gatehouse init",
    ):
        movielens.load(tmp_path)


def test_a_broken_line_is_found(tmp_path: Path) -> None:
    write_1m(tmp_path)
    with tmp_path.joinpath("ratings.dat").open("a") as file:
        file.write("7::1\n")
    with pytest.raises(InputError, match=r"ratings\.dat, column 'timestamp': null time \(1 rows"):
        movielens.load(tmp_path)
