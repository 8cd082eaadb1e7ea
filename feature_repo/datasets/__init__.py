"""The datasets by name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from feature_repo.datasets import completejourney, custom, movielens, tiny
from feature_repo.datasets.canonical import Loader, Tables, default_as_of
from feature_repo.errors import InputError, unknown_name

__all__ = ["Tables", "default_as_of", "load", "names"]

_LOADERS: Mapping[str, Loader] = {
    "completejourney": completejourney.load,
    "movielens": movielens.load,
    "own": custom.load,
    "tiny": tiny.load,
}


def names() -> tuple[str, ...]:
    """What `load` knows. `own` is the folder with a `gatehouse.yaml`, which names the dataset."""
    return tuple(_LOADERS)


def load(name: str, *, data: Path | None = None, as_of: datetime | None = None) -> Tables:
    """A dataset in canonical form.

    `data` is the folder of the raw files, where the user brings them. With `as_of` (UTC where it has no
    zone), events after that moment are an error. Raises InputError for an unknown name or any input that
    cannot be used.
    """
    if name not in _LOADERS:
        raise InputError(unknown_name("dataset", name, names()))
    return _LOADERS[name](data, as_of)
