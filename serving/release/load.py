"""A release, loaded and verified."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feature_repo.schema import Schema
from serving.gate.verdict import Outcome
from serving.index.base import ItemIndex
from serving.model.bundle import ModelBundle
from serving.model.rescorer import Rescorer
from serving.registry import OVERRIDE, Registry
from serving.registry.override import override_of
from serving.registry.sqlite import open_registry
from serving.release.history import served
from serving.release.index_proof import content_problems, probe_problems
from serving.release.manifest import Manifest, ReleaseError, read, verified_files
from serving.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Release:
    """One sealed version: model, feature schema, and the collection of its index."""

    manifest: Manifest
    towers: ModelBundle
    override: str | None = None
    """Reason by which it may serve against the gate, as shown; None without one."""

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
            ReleaseError: there is no champion, the champion is a version that may not serve, the version is not
                sealed, or something changed since it was judged.
            UnsafeArchiveError: a program could run code while being loaded.
            LookupError: there is no such version.
        """
        registry = open_registry(settings, dataset)
        serves = version is None
        version = champion_of(registry) if version is None else version
        manifest = read(registry, version)
        if serves:
            check_may_serve(registry, manifest)
        files = verified_files(registry.download(version), manifest)
        return cls(
            manifest=manifest,
            towers=ModelBundle.from_files(files, quick_start=quick_start),
            override=override_of(registry, version),
        )

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
    """Return the version that the champion alias points at.

    ReleaseError if there is none.
    """
    version = registry.champion()
    if version is None:
        history = served(registry)
        if history:
            raise ReleaseError(
                f"{registry.dataset} has no champion: the alias was deleted in MLflow. Version {history[-1]} served"
                " last: `gatehouse rollback` restores it; the next run that passes promotes its own version"
            )
        raise ReleaseError(f"{registry.dataset} has no champion yet: `gatehouse run` trains, judges and promotes one")
    return version


def check_may_serve(registry: Registry, manifest: Manifest) -> None:
    """Raise ReleaseError for a version that may not serve.

    It needs a passed verdict or a recorded override, whoever moved the alias.
    """
    if manifest.verdict.outcome is Outcome.PASSED or OVERRIDE in registry.tags(manifest.version):
        return
    raise ReleaseError(
        f"{registry.dataset} version {manifest.version} does not serve: its verdict is {manifest.verdict.outcome.value}"
        f" and no override is recorded. If the champion's alias was moved to it by hand, `gatehouse rollback` restores"
        f" the version that served before; `gatehouse promote {manifest.version} --override REASON` lets this one serve"
    )


def check_collection(index: ItemIndex, manifest: Manifest) -> None:
    """Raise ReleaseError unless the collection is that of the manifest.

    Its items and vectors are compared.
    """
    info = index.info(manifest.collection)
    wanted = (manifest.item_count, manifest.dim, manifest.items_fingerprint)
    if info is None or (info.rows, info.dim, info.fingerprint) != wanted:
        found = "nothing" if info is None else f"{info.rows:,} items of {info.dim} dimensions"
        same_size = info is not None and (info.rows, info.dim) == wanted[:2]
        raise _other_collection(manifest, f"it holds {found}{' with other content' if same_size else ''}")
    if manifest.index_proof:
        problems = probe_problems(index, manifest.collection, manifest.index_proof, manifest.item_count)
        if problems:
            raise _other_collection(manifest, "; ".join(problems))


def check_contents(index: ItemIndex, manifest: Manifest) -> None:
    """Raise ReleaseError unless all of the collection is what was judged.

    The index has all fields.
    """
    check_collection(index, manifest)
    if manifest.index_proof:
        proof, fingerprint = manifest.index_proof, manifest.items_fingerprint
        problems = content_problems(index, manifest.collection, proof, fingerprint)
        if problems:
            raise _other_collection(manifest, "; ".join(problems))


def _other_collection(manifest: Manifest, problem: str) -> ReleaseError:
    return ReleaseError(
        f"{manifest.dataset} version {manifest.version}: the collection {manifest.collection} is not the one that was"
        f" judged: {problem}; {manifest.item_count:,} items of {manifest.dim} dimensions were judged. Drop it and build"
        " the index of this version again"
    )
