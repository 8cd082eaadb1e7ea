"""Lists as text: one value each, whatever the writer."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml

from feature_repo.datasets import custom
from feature_repo.datasets.init_config import init_folder, inspect_folder
from feature_repo.datasets.list_text import list_separator, split_lists
from tests.unit.feature_repo.datasets.shop_files import ITEMS, items, write_shop

GENRES = [
    ["Action"],
    ["Comedy", "Sci-Fi"],
    ["Drama", "War"],
    ["Action", "Sci-Fi"],
    ["War", "Comedy", "Action"],
    ["War"],
]
WRITERS = {
    "pipe": "|".join,
    "comma": ", ".join,
    "semicolon": ";".join,
    "python": str,
    "json": lambda values: "[" + ", ".join(f'"{value}"' for value in values) + "]",
    "numpy": lambda values: "[" + " ".join(f"'{value}'" for value in values) + "]",
    "postgres": lambda values: "{" + ",".join(values) + "}",
    "objects": lambda values: "[" + ", ".join(f'{{"id": 1, "name": "{value}"}}' for value in values) + "]",
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", ["genres", "kinds_of_it"])
def test_init_finds_the_values(tmp_path: Path, writer: str, name: str) -> None:
    wanted = [GENRES[number % len(GENRES)] for number in range(ITEMS)]
    write_shop(tmp_path, items=items(**{name: map(WRITERS[writer], wanted)}))
    feature = yaml.safe_load(inspect_folder(tmp_path))["items"]["features"][name]
    assert feature["kind"] == "multi_valued"
    init_folder(tmp_path)
    assert custom.load(tmp_path).items[name].to_list() == wanted


@pytest.mark.parametrize("writer", WRITERS)
def test_a_declared_list_is_split_without_a_separator(writer: str) -> None:
    column = pl.Series("genres", [*map(WRITERS[writer], GENRES), None])
    assert split_lists(column).to_list() == [*GENRES, None]


def test_few_lists_among_many_single_values() -> None:
    column = pl.Series("style", ["a", "b", "c", "d"] * 20 + ["a|b"])
    assert list_separator(column) == "|"


def test_a_separator_that_is_named_is_the_only_one() -> None:
    assert split_lists(pl.Series(["a, b|c"]), "|").to_list() == [["a, b", "c"]]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("title", [f"Film {number}, The" if number % 5 == 0 else f"Film {number}" for number in range(200)]),
        ("department", ["Beauty, Health", "Books, Music", "Toys"] * 20),
        ("about", [f"A story, of two; told in {number} parts, by the sea" for number in range(60)]),
    ],
)
def test_prose_and_names_with_commas_are_no_lists(name: str, cells: list[str]) -> None:
    assert list_separator(pl.Series(name, cells)) is None
