"""A release, loaded and verified."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feature_repo.schema import Schema
from serving.index.base import ItemIndex
from serving.model.bundle import ModelBundle
from serving.model.rescorer import Rescorer
from serving.registry import Registry
from serving.registry.sqlite import open_registry
from serving.release.manifest import Manifest, ReleaseError, read, verified_files
from serving.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Release:
    """One sealed version: model, feature schema, and the collection of its index."""

    manifest: Manifest
    towers: ModelBundle

    @classmethod
    def load(
        cls, settings: Settings, dataset: str, version: int | None = None, *, quick_start: bool = False
    ) -> Release:
        """Load a version after verifying its tag, its manifest and every file.

        Args:
            settings: the home and its services.
            dataset: name of the dataset.
            version: number of the version; None for the champion.
            quick_start: load for a few users, without an import of PyTorch if possible.

        Raises:
            ReleaseError: there is no champion, the version is not sealed, or something changed since it was judged.
            UnsafeArchiveError: a program could run code while being loaded.
            LookupError: there is no such version.
        """
        registry = open_registry(settings, dataset)
        version = champion_of(registry) if version is None else version
        manifest = read(registry, version)
        files = verified_files(registry.download(version), manifest)
        return cls(manifest=manifest, towers=ModelBundle.from_files(files, quick_start=quick_start))

    @property
    def schema(self) -> Schema:
        """The feature schema that the model was trained with."""
        return self.towers.schema

    @property
    def rescorer(self) -> Rescorer | None:
        """Repeat head or reranker, where the recipe has one."""
        return self.towers.rescorer

    @property
    def popular(self) -> tuple[tuple[str, float], ...]:
        """(item id, count), most popular first: the answer to unknown users."""
        return self.towers.popular

    def embed_users(self, frame: pl.DataFrame) -> np.ndarray:
        """Embed users by their features as of event_timestamp: float32 [rows, D]."""
        return self.towers.user.embed(frame)

    def embed_items(self, frame: pl.DataFrame) -> np.ndarray:
        """Embed items by their features as of event_timestamp: float32 [rows, D]."""
        return self.towers.item.embed(frame)


def champion_of(registry: Registry) -> int:
    """Return the version that serves. ReleaseError if none was promoted yet."""
    version = registry.champion()
    if version is None:
        raise ReleaseError(f"{registry.dataset} has no champion yet: `gatehouse run` trains, judges and promotes one")
    return version


def check_collection(index: ItemIndex, manifest: Manifest) -> None:
    """Raise ReleaseError unless the collection holds the items of the manifest."""
    info = index.info(manifest.collection)
    wanted = (manifest.item_count, manifest.dim, manifest.items_fingerprint)
    if info is None or (info.rows, info.dim, info.fingerprint) != wanted:
        found = "nothing" if info is None else f"{info.rows:,} items of {info.dim} dimensions"
        same_size = info is not None and (info.rows, info.dim) == wanted[:2]
        raise ReleaseError(
            f"{manifest.dataset} version {manifest.version}: the collection {manifest.collection} holds {found}"
            f"{' with other content' if same_size else ''}; {manifest.item_count:,} items of {manifest.dim} dimensions"
            " were judged. Build the index of this version again"
        )
