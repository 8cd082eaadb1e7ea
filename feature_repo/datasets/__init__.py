"""Datasets by name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from feature_repo.datasets import completejourney, custom, movielens, tiny
from feature_repo.datasets.canonical import Loader, Tables, default_as_of
from feature_repo.datasets.clock import check_moment, drop_future
from feature_repo.errors import InputError, unknown_name

__all__ = ["Tables", "default_as_of", "load", "names"]

_LOADERS: Mapping[str, Loader] = {
    "completejourney": completejourney.load,
    "movielens": movielens.load,
    "own": custom.load,
    "tiny": tiny.load,
}


def names() -> tuple[str, ...]:
    """Names that `load` accepts; `own` is a folder with a `gatehouse.yaml`."""
    return tuple(_LOADERS)


def load(
    name: str,
    *,
    data: Path | None = None,
    as_of: datetime | None = None,
    positive_from: float | None = None,
    now: datetime | None = None,
) -> Tables:
    """Dataset in canonical form.

    Args:
        name: one of `names()`.
        data: folder of the raw files, for datasets that the user brings.
        as_of: time after which an event is an error; UTC without a zone.
        positive_from: lowest rating of a positive, for MovieLens; own data name it in
            their YAML.
        now: present time, UTC without a zone; what lies after it by more than a day is
            dropped and noted. None for a log whose times are not compared with a clock.

    Returns:
        The canonical tables.

    Raises:
        InputError: an unknown name, or input that cannot be used.
    """
    if name not in _LOADERS:
        raise InputError(unknown_name("dataset", name, names()))
    if now and as_of:
        check_moment(as_of, now)
    tables = _load(name, data, as_of, positive_from)
    return drop_future(tables, now) if now else tables


def _load(name: str, data: Path | None, as_of: datetime | None, positive_from: float | None) -> Tables:
    if positive_from is None:
        return _LOADERS[name](data, as_of)
    if name != "movielens":
        raise InputError(f"dataset {name!r}: positive_from is for movielens; in a gatehouse.yaml it stands in `events`")
    return movielens.load(data, as_of, positive_from)
