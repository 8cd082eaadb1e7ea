"""A rollback to a version whose online features are old: they are loaded first."""

from __future__ import annotations

from pathlib import Path

from orchestration.champion_moves import roll_back
from serving.release.mirror import mirror_alias
from serving.release.promotion import promote
from serving.settings import Settings
from tests.crashes.scenario import State
from tests.crashes.state import state_of
from tests.integration.behind_world import answers, make_behind
from tests.integration.release_world import DATASET


def settings_of(folder: Path) -> Settings:
    return Settings.from_environment({"GATEHOUSE_HOME": str(folder / "home")})


def prepare(folder: Path) -> None:
    folder.mkdir()
    make_behind(folder)


def act(folder: Path) -> None:
    roll_back(settings_of(folder), DATASET, tell=lambda _: None)


def again(folder: Path, moved: bool) -> None:
    """The same command; after the commit, what the sensors do."""
    if moved:
        mirror_alias(settings_of(folder), DATASET)
        promote(settings_of(folder), DATASET, 1)  # gives a lock back that was left
    else:
        act(folder)


def observe(folder: Path) -> State:
    settings = settings_of(folder)
    _, given = answers(settings)
    return state_of(settings, DATASET, {user: [f"{item} {score:.4f}" for item, score in given[user]] for user in given})
