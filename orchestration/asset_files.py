"""Files behind asset values: canonical tables, schema, item embeddings."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from feature_repo.datasets import stored
from feature_repo.datasets.canonical import Tables
from feature_repo.schema import ITEM_ID, USER_ID, Schema
from orchestration.asset_values import Source, Version

DATA_PAGE, DATA_JSON = "data.html", "data.json"
"""Page on the data of a run, in the folder of its tables and in the MLflow run of a version."""
DIFFERENCE_PAGE = "difference.html"
"""Page on a version beside the champion, in the folder and in the MLflow run of the version."""
EMBEDDING = "embedding"
EMBEDDINGS = Path("item_embeddings", "embeddings.parquet")
"""Item embeddings in the folder of a version."""


def read_tables(source: Source) -> Tables:
    """Read the canonical tables behind a value."""
    return stored.read_tables(source.folder)


def count_events(source: Source) -> int:
    """Count the events of a source without reading them."""
    return int(pl.scan_parquet(source.folder / "events.parquet").select(pl.len()).collect().item())


def read_users(source: Source) -> pl.Series:
    """Read the ids of the users alone."""
    return pl.read_parquet(source.folder / "users.parquet", columns=[USER_ID])[USER_ID]


def read_schema(source: Source) -> Schema:
    """Read the schema alone: tables of millions of rows stay on disk."""
    return Schema.from_json((source.folder / "schema.json").read_text())


def data_folder(source: Source) -> Path:
    """Return the folder of the page on a run's data."""
    return source.folder.parent


def features_folder(source: Source) -> Path:
    """Return the folder of the feature tables of a run's data, one folder for each entity."""
    return _derived(source, "features")


def training_set_folder(source: Source, *, refit: bool = False) -> Path:
    """Return the folder of the joined frames of a run's data, or of those that end with the data."""
    return _derived(source, "training_set_refit" if refit else "training_set")


def joined_items(folder: Path, *, refit: bool) -> Path | None:
    """Find joined item snapshots of a run's data, which have all items at the cut; None without any.

    Args:
        folder: folder of everything derived from the data.
        refit: whether those that end with the data are meant.
    """
    name = "training_set_refit" if refit else "training_set"
    files = [each / "item_snapshots.parquet" for each in (folder / name, *sorted(folder.glob(f"{name}_since_*")))]
    return next((file for file in files if file.exists()), None)


def _derived(source: Source, name: str) -> Path:
    """Folder beside the tables; of an update another one, for it has fewer snapshots."""
    return source.folder.with_name(name if source.since is None else f"{name}_since_{source.since:%Y%m%dT%H%M%S%f}")


def version_folder(version: Version) -> Path:
    """Return the folder of everything that this machine derived from a version."""
    return version.frames.parent / f"v{version.version}"


def judging(version: Version) -> AbstractContextManager[Any]:
    """Lock of a version while it is evaluated or sealed.

    Two runs of one input have one version: the second must not seal it again, nor discard the evaluation that the
    first is about to seal.
    """
    from filelock import FileLock

    lock: AbstractContextManager[Any] = FileLock(version_folder(version).with_suffix(".judging.lock"))
    return lock


def folder_sha256(folder: Path) -> str:
    """Hash the names and bytes of the files of a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            found.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return found.hexdigest()


def write_embeddings(ids: pl.Series, vectors_ND: np.ndarray, path: Path) -> None:
    """Write item ids with their embeddings.

    Args:
        ids: item ids in corpus order.
        vectors_ND: embeddings in the same order.
        path: Parquet file.
    """
    pl.DataFrame({ITEM_ID: ids, EMBEDDING: vectors_ND}).write_parquet(path)


def read_embeddings(path: Path) -> tuple[pl.Series, np.ndarray]:
    """Read item ids in corpus order, and their embeddings as float32 [N, D]."""
    frame = pl.read_parquet(path)
    return frame[ITEM_ID], frame[EMBEDDING].to_numpy()
