"""Home and dataset of a command."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.settings import Settings


def prepare() -> Settings:
    """Read the settings from the environment, and make the home folder ready for use."""
    from orchestration.local.home import log_to_file, prepare_home
    from serving.settings import Settings

    settings = Settings.from_environment(os.environ)
    prepare_home(settings)
    log_to_file(settings)
    logging.captureWarnings(True)  # those of the packages; nothing that a user could act on
    return settings


def guess_dataset(data: Path | None) -> str:
    """Guess the dataset: the default one, the user's own if the folder has a gatehouse.yaml, else MovieLens."""
    from feature_repo.errors import InputError

    if data is None:
        return "completejourney"
    if not data.is_dir():
        raise InputError(f"--data {data}: no such folder")
    return "own" if (data / "gatehouse.yaml").exists() else "movielens"


def check_dataset(name: str) -> str:
    """Return the name of a dataset that can be read. InputError for any other, with the nearest one."""
    from feature_repo.datasets import names
    from feature_repo.errors import InputError, unknown_name

    if name not in names():
        raise InputError(unknown_name("dataset", name, names()))
    return name


def released_dataset(settings: Settings, named: str | None) -> str:
    """Return the dataset of a release, that of the last run by default.

    Raises:
        LookupError: Before the first run; or a name that this home has not worked on, where releases are in the home.
    """
    from feature_repo.errors import unknown_name

    if named is None:
        return current_dataset(settings)
    known = [path.name for path in (settings.home / "data").glob("*") if path.is_dir()]
    if known and named not in known and settings.mlflow_uri.startswith("sqlite:"):
        raise LookupError(unknown_name("dataset", named, known))
    return named


def current_dataset(settings: Settings) -> str:
    """Return the dataset of the last run. LookupError before the first."""
    path = settings.home / "current"
    if not path.exists():
        raise LookupError(f"nothing was run yet in {settings.home}: `gatehouse run` comes first")
    return path.read_text().strip()
