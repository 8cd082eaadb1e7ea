"""Scenarios with exported towers, real registry and index, and no training: seconds for each trial."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestration.cleaning import clean, plan_cleaning
from serving.index.base import Fields
from serving.registry import Registry
from serving.release.by_hand import settle
from serving.release.collection import open_served_index
from serving.release.load import Release
from serving.release.mirror import mirror_alias
from serving.release.promotion import promote, rollback
from serving.retriever import Retriever
from serving.settings import Settings
from tests.crashes.scenario import State
from tests.crashes.state import state_of
from tests.integration.release_world import (
    DATASET,
    NOW,
    USERS,
    Online,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)

KEEP = 1
LATER = timedelta(hours=2)
"""When a cleaning may take what was left behind."""


def settings_of(folder: Path) -> Settings:
    return Settings.from_environment({"GATEHOUSE_HOME": str(folder / "home")})


def prepare(folder: Path) -> None:
    """Versions 1 to 4 of two models, the last one failed; 1 and 2 have served."""
    folder.mkdir()
    settings = fresh_home(folder / "home", empty_database(folder / "empty"))
    (settings.home / "data" / DATASET / "input").mkdir(parents=True)
    models = [write_artifacts(folder / name, schema(), slope=slope) for name, slope in (("a", 0.1), ("b", 0.05))]
    for n, outcome in enumerate(("passed", "passed", "passed", "failed")):
        seal_as(settings, register(settings, models[n % 2]), outcome)
    for version in (1, 2):
        promote(settings, DATASET, version)


def third(folder: Path) -> None:
    promote(settings_of(folder), DATASET, 3)


def observe(folder: Path) -> State:
    settings = settings_of(folder)
    release = Release.load(settings, DATASET)
    with open_served_index(settings, release.manifest, Fields.of(release.schema)) as index:
        retriever = Retriever(release, Online(), index)  # type: ignore[arg-type]
        answers = {
            user: [f"{item.item_id} {item.score:.4f}" for item in retriever.recommend(user, 10, at=NOW).items]
            for user in USERS["user_id"]
        }
    return state_of(settings, DATASET, answers)


def act_promote(folder: Path) -> None:
    promote(settings_of(folder), DATASET, 3)


def again_promote(folder: Path, moved: bool) -> None:
    act_promote(folder)


def act_override(folder: Path) -> None:
    """The last version, which failed."""
    promote(settings_of(folder), DATASET, 4, override_reason="on purpose")


def again_override(folder: Path, moved: bool) -> None:
    act_override(folder)


def act_rollback(folder: Path) -> None:
    rollback(settings_of(folder), DATASET)


def again_rollback(folder: Path, moved: bool) -> None:
    """The same command; after the commit, what the sensors do."""
    if moved:
        mirror_alias(settings_of(folder), DATASET)
        promote(settings_of(folder), DATASET, 2)  # gives a lock back that was left
    else:
        act_rollback(folder)


def by_hand(folder: Path) -> None:
    Registry(settings_of(folder), DATASET).set_champion(3)


def act_settle(folder: Path) -> None:
    settle(settings_of(folder), DATASET)


def again_settle(folder: Path, moved: bool) -> None:
    act_settle(folder)
    promote(settings_of(folder), DATASET, 3)


def act_clean(folder: Path) -> None:
    settings = settings_of(folder)
    clean(settings, plan_cleaning(settings, DATASET, KEEP))


def again_clean(folder: Path, moved: bool) -> None:
    act_clean(folder)


def release(folder: Path) -> None:
    """Register, index, seal and promote, as a run does after its training."""
    settings = settings_of(folder)
    version = register(settings, folder / "a", input_key="new")
    seal_as(settings, version, against=2)
    promote(settings, DATASET, version)


def again_release(folder: Path, moved: bool) -> None:
    """Another run, and later a cleaning."""
    settings = settings_of(folder)
    release(folder)
    now = datetime.now(UTC) + LATER
    clean(settings, plan_cleaning(settings, DATASET, KEEP, now), now)
