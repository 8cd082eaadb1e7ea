"""Home and dataset of a command."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.settings import Settings


def prepare() -> Settings:
    """Read the settings from the environment, and prepare the home folder."""
    from orchestration.local.home import log_to_file, prepare_home
    from serving.settings import Settings

    settings = Settings.from_environment(os.environ)
    prepare_home(settings)
    log_to_file(settings)
    # Warnings of packages go to the log: a user cannot act on them.
    logging.captureWarnings(True)
    return settings


def guess_dataset(data: Path | None) -> str:
    """Dataset of a folder: own with a gatehouse.yaml, else MovieLens.

    Without a folder it is completejourney.

    Raises:
        InputError: no such folder.
    """
    from feature_repo.errors import InputError

    if data is None:
        return "completejourney"
    if not data.is_dir():
        raise InputError(f"--data {data}: no such folder")
    return "own" if (data / "gatehouse.yaml").exists() else "movielens"


def check_dataset(name: str) -> str:
    """Return the name of a known dataset.

    Raises:
        InputError: an unknown name; the message has the nearest one.
    """
    from feature_repo.datasets import names
    from feature_repo.errors import InputError, unknown_name

    if name not in names():
        raise InputError(unknown_name("dataset", name, names()))
    return name


def released_dataset(settings: Settings, named: str | None) -> str:
    """Dataset of a release, by default that of the last run.

    Raises:
        LookupError: no run yet, or a name that this home, if it holds releases, does
            not have.
    """
    from feature_repo.errors import unknown_name

    if named is None:
        return current_dataset(settings)
    # Releases of a server may be of datasets that no run of this home has read.
    known = [path.name for path in (settings.home / "data").glob("*") if path.is_dir()]
    if known and named not in known and settings.mlflow_uri.startswith("sqlite:"):
        raise LookupError(unknown_name("dataset", named, known))
    return named


def current_dataset(settings: Settings) -> str:
    """Dataset of the last run.

    Raises:
        LookupError: no run yet.
    """
    path = settings.home / "current"
    if not path.exists():
        raise LookupError(f"nothing was run yet in {settings.home}: `gatehouse run` comes first")
    return path.read_text().strip()
