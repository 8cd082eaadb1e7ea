"""A night on a home with a champion: new data, features, training, index, seal, online load, promotion."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import torch

from orchestration.cleaning import clean, plan_cleaning
from serving.open import open_retriever
from tests.crashes.scenario import State
from tests.crashes.state import state_of
from tests.pipeline.nights_world import DATASET, OPEN, USERS, Shop, new_shop
from tests.pipeline.planted import Home, world

K = 10
LATER = timedelta(hours=2)


def home_of(folder: Path) -> Home:
    torch.set_num_threads(1)
    os.environ["GATEHOUSE_HOME"] = str(folder / "home")
    return Home(root=folder).light()


def prepare(folder: Path) -> None:
    """The first night."""
    home = home_of(folder)
    shop = new_shop(home)
    shop.export(44)
    act(folder)


def more_data(folder: Path) -> None:
    """What people did on the days between."""
    Shop(home=home_of(folder), log=world(DATASET)).export(46)


def act(folder: Path) -> None:
    """The night."""
    _command(folder, "run", "--data", folder / DATASET, "--recipe", "quick", "--json")


def again(folder: Path, moved: bool) -> None:
    """The same command again, and later a cleaning."""
    act(folder)
    settings, now = home_of(folder).settings, datetime.now(UTC) + LATER
    clean(settings, plan_cleaning(settings, DATASET, K, now), now)


def roll_back(folder: Path) -> None:
    _command(folder, "rollback", "--dataset", DATASET)


def _command(folder: Path, *arguments: str | Path) -> None:
    ended = home_of(folder).command(*arguments, **OPEN)
    if ended.code:
        raise RuntimeError(f"{arguments} ended with {ended.code}: {ended.err[-2000:]}")


def observe(folder: Path) -> State:
    home = home_of(folder)
    with home.entered(**OPEN):
        settings = home.settings
        with open_retriever(settings, DATASET) as retriever:
            answers = {
                user: [f"{item.item_id} {item.score:.4f}" for item in retriever.recommend(user, K).items]
                for user in USERS
            }
        return state_of(settings, DATASET, answers)
