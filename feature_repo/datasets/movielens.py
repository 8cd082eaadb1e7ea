"""MovieLens: the official folders ml-100k, ml-1m, ml-25m and ml-32m.

They are downloaded from grouplens.org.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.datasets.canonical import Tables, canonicalise
from feature_repo.datasets.files import read_csv, read_plain
from feature_repo.datasets.parts import left_alone
from feature_repo.datasets.raw_table import RawTable
from feature_repo.errors import InputError
from feature_repo.granularity import EVENT
from feature_repo.schema import Entity, Feature, Kind, Schema, View
from feature_repo.standard_views import item_statistics_view, user_activity_view, user_history_view

_GENRES_100K = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *(
        "Fantasy",
        "Film-Noir",
        "Horror",
        "Musical",
        "Mystery",
        "Romance",
        "Sci-Fi",
        "Thriller",
        "War",
        "Western",
    ),
)

_RATINGS = {"user_id": "userId", "item_id": "movieId", "timestamp": "timestamp", "value": "rating"}
_NO_GENRE = "(no genres listed)"


@dataclass(frozen=True, kw_only=True)
class _Format:
    """Official layout of a folder."""

    dataset: str
    """Name of the dataset."""
    files: tuple[str, ...]
    """Files of ratings, movies and, if there are any, users."""
    read: Callable[[Path], tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame | None]]
    """Reader of these files."""


def load(data: Path | None = None, as_of: datetime | None = None, positive_from: float | None = None) -> Tables:
    """Dataset of a MovieLens folder; the value of an event is its rating.

    Args:
        data: the folder, whose files tell its layout.
        as_of: time after which a rating is an error.
        positive_from: lowest rating of a positive, such as 4. None for all ratings, as
            in next-item benchmarks: a rating says first of all that the user chose to
            watch.

    Raises:
        InputError: no folder, or none of MovieLens.
    """
    if data is None:
        raise InputError("dataset 'movielens' needs the folder you downloaded from grouplens.org: --data DIR")
    form = _detect(data)
    ratings, movies, users = form.read(data)
    tables = canonicalise(
        _schema(form.dataset, with_users=users is not None),
        events=RawTable(
            name=form.files[0],
            frame=ratings,
            columns=_RATINGS | ({} if positive_from is None else {"rating": "rating"}),
            epoch="s",
        ),
        items=RawTable(
            name=form.files[1],
            frame=movies.with_columns(year=pl.col("title").str.extract(r"\((\d{4})\)\s*$")),
            columns={"item_id": "movieId", "title": "title", "year": "year", "genres": "genres"},
        ),
        users=None if users is None else _users_table(form.files[2], users),
        positive_from=positive_from,
        as_of=as_of,
    )
    return replace(tables, unread=left_alone(data, form.files))


def is_movielens(folder: Path) -> bool:
    """Whether a folder has the files of a MovieLens download."""
    return any(all((folder / name).is_file() for name in form.files) for form in _FORMATS)


def _users_table(name: str, users: pl.DataFrame) -> RawTable:
    columns = {"user_id": "userId", "gender": "gender", "age": "age", "occupation": "occupation"}
    return RawTable(name=name, frame=users, columns=columns)


def _schema(dataset: str, *, with_users: bool) -> Schema:
    people = View(
        name="user_profile",
        entity=Entity.USER,
        features=tuple(Feature(name=name, kind=Kind.CATEGORICAL) for name in ("gender", "age", "occupation")),
        description="what the user said at registration",
    )
    movies = View(
        name="item_profile",
        entity=Entity.ITEM,
        features=(
            Feature(name="title", kind=Kind.TEXT, length=12, max_null_share=0, display=True),
            Feature(name="year", kind=Kind.NUMERIC, minimum=1850, maximum=2100, filterable=True),
            Feature(name="genres", kind=Kind.MULTI_VALUED, length=8),
        ),
        description="title, year of release, genres",
    )
    common = (
        user_activity_view(value=True, basket=False),
        user_history_view(),
        movies,
        item_statistics_view(value=True),
    )
    # People rate what they have seen for years in one sitting. With snapshots at the start
    # of a day, most ratings have no history in training.
    return Schema(
        dataset=dataset,
        seen_items_may_return=False,
        snapshots=EVENT,
        # Ratings end in years of a few a week: two weeks have hardly a user.
        holdout="10%",
        views=((people,) if with_users else ()) + common,
    )


def _read_100k(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    about = ("movieId", "title", "released", "video", "url")
    ratings = _latin(folder / "u.data", "\t", "userId", "movieId", "rating", "timestamp")
    movies = _latin(folder / "u.item", "|", *about, *_GENRES_100K)
    users = _latin(folder / "u.user", "|", "userId", "age", "gender", "occupation", "zip")
    flagged = [pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in _GENRES_100K]
    return ratings, movies.select(*about, genres=pl.concat_list(flagged).list.drop_nulls()), users


def _read_1m(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    ratings = _latin(folder / "ratings.dat", "::", "userId", "movieId", "rating", "timestamp")
    movies = _latin(folder / "movies.dat", "::", "movieId", "title", "genres")
    users = _latin(folder / "users.dat", "::", "userId", "gender", "age", "occupation", "zip")
    return ratings, movies, users


def _read_headed(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, None]:
    movies = read_csv(folder / "movies.csv")
    if "genres" in movies.columns:
        movies = movies.with_columns(pl.col("genres").replace(_NO_GENRE, None))
    return read_csv(folder / "ratings.csv"), movies, None


def _latin(path: Path, separator: str, *columns: str) -> pl.DataFrame:
    return read_plain(path, separator=separator, columns=columns, encoding="latin-1")


_FORMATS = (
    _Format(dataset="movielens_100k", files=("u.data", "u.item", "u.user"), read=_read_100k),
    _Format(dataset="movielens_1m", files=("ratings.dat", "movies.dat", "users.dat"), read=_read_1m),
    _Format(dataset="movielens", files=("ratings.csv", "movies.csv"), read=_read_headed),
)


def _detect(folder: Path) -> _Format:
    for form in _FORMATS:
        if all((folder / name).is_file() for name in form.files):
            return form
    wanted = "; or ".join(", ".join(form.files) for form in _FORMATS)
    own = f"For files of your own, `gatehouse init {folder}` comes first"
    raise InputError(f"{folder}: no MovieLens folder; looked for {wanted}. {own}")
