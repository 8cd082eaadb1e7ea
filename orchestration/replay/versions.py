"""Versions of a replay: what measuring needs of each, kept while a strategy serves it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from orchestration.asset_files import EMBEDDINGS, read_embeddings, version_folder
from orchestration.asset_values import Version
from orchestration.workspace import fill
from serving.model.bundle import CHECKPOINT, ModelBundle
from serving.registry import Registry
from serving.settings import Settings

EMBEDDED = "item_embeddings.parquet"


class Versions:
    """Copies of the artifacts, because the home removes old versions as production does.

    Args:
        settings: home of the replay.
        folder: folder of the copies.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder

    def keep(self, version: Version, number: int | None = None) -> None:
        """Copy the artifacts and item embeddings of a version.

        Args:
            version: the judged version, whose folder has the embeddings.
            number: another version of the same run, such as its refit; None for the version itself.
        """
        number = number or version.version
        source = Registry(self._settings, version.source.dataset).download(number)
        embedded = version_folder(version.model_copy(update={"version": number})) / EMBEDDINGS

        def copy(partial: Path) -> None:
            shutil.copytree(source, partial / "model", ignore=shutil.ignore_patterns(CHECKPOINT))
            shutil.copyfile(embedded, partial / EMBEDDED)

        fill(self._folder / f"v{number}", copy)

    def load(self, number: int) -> tuple[ModelBundle, pl.Series, np.ndarray]:
        """Load the towers of a version, and the ids and embeddings of its items."""
        folder = self._folder / f"v{number}"
        ids, vectors_ND = read_embeddings(folder / EMBEDDED)
        return ModelBundle.from_folder(folder / "model"), ids, vectors_ND

    def keep_only(self, numbers: Iterable[int]) -> None:
        """Delete the copies of all other versions."""
        kept = {f"v{number}" for number in numbers}
        for path in self._folder.glob("v*"):
            if path.is_dir() and path.name not in kept:
                shutil.rmtree(path)
