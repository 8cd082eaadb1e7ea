"""A home whose versions were judged and served, for the doctor to look at."""

from __future__ import annotations

import shutil
from pathlib import Path

from serving.release.promotion import promote
from serving.settings import Settings
from tests.integration.release_world import DATASET, empty_database, fresh_home, register, seal_as

KEPT = ("mlflow/mlflow.db", "milvus/items.db")
"""What a test changes, within the home."""


def judged_home(root: Path, artifacts: Path) -> Settings:
    """Versions 1 and 2 served, one after the other; 3 failed."""
    settings = fresh_home(root / "home", empty_database(root / "empty"))
    (settings.home / "data" / DATASET / "input").mkdir(parents=True)
    for outcome in ("passed", "passed", "failed"):
        seal_as(settings, register(settings, artifacts), outcome)
    for version in (1, 2):
        promote(settings, DATASET, version)
    for name in KEPT:
        _copy(settings.home / name, root / Path(name).name)
    return settings


def as_before(settings: Settings) -> Settings:
    """The same home before each test; its addresses are absolute, so it is mended in place."""
    for name in KEPT:
        _copy(settings.home.parent / Path(name).name, settings.home / name)
    return settings


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        shutil.copy(source, target)
    else:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
