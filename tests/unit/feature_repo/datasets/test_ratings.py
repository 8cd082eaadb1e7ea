"""Explicit ratings: only high enough ones become events, by every way in."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from feature_repo.datasets import custom, load
from feature_repo.datasets.init_config import inspect_folder
from feature_repo.datasets.ratings import distribution, keep_positives, likely_threshold
from feature_repo.datasets.raw_table import RawTable
from feature_repo.errors import InputError

STARS = [1, 2, 3, 3, 4, 4, 4, 5]
YAML = """
dataset: films
seen_items_may_return: false
events: {{file: events.csv, user: user, item: movie, timestamp: at, rating: stars{more}}}
"""


def table(stars: list[int | None], **columns: str) -> RawTable:
    return RawTable(name="films.csv", frame=pl.DataFrame({"stars": stars}), columns=columns or {"rating": "stars"})


def test_ratings_at_the_threshold_and_above_are_kept() -> None:
    kept, notes = keep_positives(table(STARS), 4)
    assert kept.frame["stars"].to_list() == [4, 4, 4, 5]
    assert notes == ["films.csv, column 'stars': 4 of 8 ratings (50%) are below 4: no positives, dropped"]


def test_a_threshold_below_all_ratings_keeps_everything_without_a_note() -> None:
    kept, notes = keep_positives(table(STARS), 0.5)
    assert kept.frame.height == len(STARS)
    assert notes == []


def test_ratings_without_a_threshold_are_refused_with_their_distribution() -> None:
    with pytest.raises(InputError, match=r"1: 1 \(12%\), 2: 1 \(12%\), 3: 2 \(25%\).*Write positive_from: 4 "):
        keep_positives(table(STARS), None)


@pytest.mark.parametrize(
    ("given", "threshold", "message"),
    [
        (table([1, None, 3, None]), 2.0, r"null rating.*\(2 rows; for example 'row 2', 'row 4'\)"),
        (table(STARS), 6.0, "no rating is 6 or higher; found 1: 1"),
        (table(STARS, item_id="stars"), 4.0, "positive_from is 4, but no rating column is named"),
        (table(STARS, rating="rate"), 4.0, "missing column"),
    ],
)
def test_ratings_that_cannot_be_used_are_refused(given: RawTable, threshold: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        keep_positives(given, threshold)


def test_a_table_without_ratings_is_left_alone() -> None:
    given = table(STARS, item_id="stars")
    assert keep_positives(given, None) == (given, [])


def test_many_ratings_are_described_by_quantiles() -> None:
    assert distribution(pl.Series(range(101))) == "quantiles 0%: 0, 25%: 25, 50%: 50, 75%: 75, 100%: 100"


@pytest.mark.parametrize(("ratings", "wanted"), [(STARS, 4), ([0.5, 3.5, 4.0, 5.0], 4), ([1, 7, 9, 10], 9), ([1], 1)])
def test_the_suggested_threshold_is_a_rating_that_occurs(ratings: list[float], wanted: float) -> None:
    assert likely_threshold(pl.Series(ratings)) == wanted


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """20 users rate 5 films each, from 1 to 5."""
    rows = [(f"u{user}", f"f{star}", star, f"2024-01-{user + 1:02}") for user in range(20) for star in range(1, 6)]
    pl.DataFrame(rows, ["user", "movie", "stars", "at"], orient="row").write_csv(tmp_path / "events.csv")
    return tmp_path


def test_yaml_declares_rating_and_threshold(films: Path) -> None:
    films.joinpath(custom.YAML_NAME).write_text(YAML.format(more=", positive_from: 4"))
    tables = custom.load(films)
    assert set(tables.events["item_id"]) == {"f4", "f5"}
    assert tables.events.height == 40
    assert "rating" not in tables.events.columns
    assert any("60 of 100 ratings (60%) are below 4" in note for note in tables.notes)


def test_yaml_with_ratings_alone_is_refused(films: Path) -> None:
    films.joinpath(custom.YAML_NAME).write_text(YAML.format(more=""))
    with pytest.raises(InputError, match=r"ratings without a threshold.*1: 20 \(20%\)"):
        custom.load(films)


def test_init_finds_ratings_and_suggests_a_threshold(films: Path) -> None:
    text = inspect_folder(films)
    assert "  rating: stars\n  positive_from: 4  # lower ratings are dropped; 1: 20 (20%)" in text
    films.joinpath(custom.YAML_NAME).write_text(text)
    assert custom.load(films).events.height == 40


def test_movielens_counts_every_rating_unless_a_threshold_is_given(tmp_path: Path) -> None:
    tmp_path.joinpath("movies.csv").write_text("movieId,title,genres\n1,A (2000),Drama\n2,B (2001),Drama\n")
    rows = "".join(f"{user},{1 + user % 2},{user % 6},{10**9 + user}\n" for user in range(60))
    tmp_path.joinpath("ratings.csv").write_text("userId,movieId,rating,timestamp\n" + rows)
    assert load("movielens", data=tmp_path).events.height == 60
    high = load("movielens", data=tmp_path, positive_from=4)
    assert high.events["value"].unique().sort().to_list() == [4.0, 5.0]
    with pytest.raises(InputError, match="positive_from is for movielens"):
        load("tiny", positive_from=4)
