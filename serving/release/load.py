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
from serving.release.manifest import Manifest, ReleaseError, read, verified_files
from serving.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Release:
    """One sealed version, whole: both towers with their vocabularies, a re-scorer where there is one, the feature
    contract, and where its index is."""

    manifest: Manifest
    towers: ModelBundle

    @classmethod
    def load(cls, settings: Settings, dataset: str, version: int | None = None) -> Release:
        """Load a version, the champion by default, after verifying tag, manifest and every file.

        ReleaseError if there is no champion, the version is not sealed, or anything was changed since it was judged;
        UnsafeArchiveError if a tower could run code while being loaded; LookupError for an unknown version.
        """
        registry = Registry(settings, dataset)
        version = champion_of(registry) if version is None else version
        manifest = read(registry, version)
        files = verified_files(registry.download(version), manifest)
        return cls(manifest=manifest, towers=ModelBundle.from_files(files))

    @property
    def schema(self) -> Schema:
        return self.towers.schema

    @property
    def rescorer(self) -> Rescorer | None:
        """Scores the items of users' histories, where the recipe has a term for them."""
        return self.towers.rescorer

    @property
    def popular(self) -> tuple[tuple[str, float], ...]:
        """(item id, count), most popular first, for users of whom nothing is known."""
        return self.towers.popular

    def embed_users(self, frame: pl.DataFrame) -> np.ndarray:
        """User embeddings, float32 [rows, D]; frame: features as of event_timestamp."""
        return self.towers.user.embed(frame)

    def embed_items(self, frame: pl.DataFrame) -> np.ndarray:
        """Item embeddings, float32 [rows, D]; frame: features as of event_timestamp."""
        return self.towers.item.embed(frame)


def champion_of(registry: Registry) -> int:
    """The version that serves. ReleaseError if none was promoted yet."""
    version = registry.champion()
    if version is None:
        raise ReleaseError(f"{registry.dataset} has no champion yet: `gatehouse run` trains, judges and promotes one")
    return version


def check_collection(index: ItemIndex, manifest: Manifest) -> None:
    """ReleaseError unless the version's collection holds the items that the manifest says."""
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
